// The navigation: pages, conversations while one chats, and the page's own settings.

import { Activity, ChartSpline, MessageCircle, Settings2, SlidersHorizontal, X } from "lucide-react";
import { type ReactNode, useState } from "react";
import { IconButton } from "./button.tsx";
import { SettingsDialog } from "./settings-dialog.tsx";
import { useText } from "../i18n/i18n.ts";
import { ConversationList } from "../chat/conversation-list.tsx";
import { href, PAGES, type Page, type Route } from "../router.ts";

const ICONS: Readonly<Record<Page, ReactNode>> = {
  chat: <MessageCircle />,
  playground: <SlidersHorizontal />,
  server: <Activity />,
  training: <ChartSpline />,
};

export function Sidebar({ route, onClose }: { readonly route: Route; readonly onClose: () => void }) {
  const text = useText();
  const [isSettingsOpen, setSettingsOpen] = useState(false);
  return (
    <>
      <div className="scrim" onClick={onClose} />
      <div
        className="sidebar"
        onClick={({ target }) => {
          // On a phone the navigation covers the page, so it goes when its reader goes somewhere.
          if (target instanceof Element && target.closest("a") !== null) onClose();
        }}
      >
        <div className="brand">
          <img src="/icon.svg" alt="" width={26} height={26} />
          <span>MiMo Studio</span>
          <IconButton className="only-narrow" label={text("nav.close")} icon={<X />} onClick={onClose} />
        </div>
        <nav aria-label={text("nav.pages")} className="nav">
          {PAGES.map((page) => (
            <a key={page} href={href(page)} aria-current={page === route.page ? "page" : undefined}>
              {ICONS[page]}
              {text(`nav.${page}`)}
            </a>
          ))}
        </nav>
        <div className="sidebar-main">{route.page === "chat" && <ConversationList route={route} />}</div>
        <div className="sidebar-foot">
          <button type="button" className="nav-button" onClick={() => setSettingsOpen(true)}>
            <Settings2 />
            {text("settings.title")}
          </button>
        </div>
      </div>
      {isSettingsOpen && <SettingsDialog onClose={() => setSettingsOpen(false)} />}
    </>
  );
}
