// The frame around all pages: navigation, the page of the address, notices and the dialog for the key.

import { Suspense, lazy, useState } from "react";
import { KeyDialog } from "./ui/key-dialog.tsx";
import { PageBoundary } from "./ui/page-boundary.tsx";
import { Sidebar } from "./ui/sidebar.tsx";
import { Toasts } from "./ui/toast.tsx";
import { ChatPage } from "./chat/page.tsx";
import { type Page, useRoute } from "./router.ts";
import { useLanguage } from "./i18n/i18n.ts";

const LAZY_PAGES = {
  playground: lazy(() => import("./playground/page.tsx")),
  server: lazy(() => import("./server/page.tsx")),
  training: lazy(() => import("./training/page.tsx")),
} as const satisfies Record<Exclude<Page, "chat">, unknown>;

export function App() {
  const route = useRoute();
  const [isNavigationOpen, setNavigationOpen] = useState(false);
  useLanguage();
  return (
    <div className={isNavigationOpen ? "app is-navigating" : "app"}>
      <Sidebar route={route} onClose={() => setNavigationOpen(false)} />
      <main className="page">
        <PageBoundary key={route.page}>
          <Suspense fallback={null}>
            <CurrentPage page={route.page} onNavigation={() => setNavigationOpen(true)} />
          </Suspense>
        </PageBoundary>
      </main>
      <KeyDialog />
      <Toasts />
    </div>
  );
}

export interface PageProps {
  /** Opens the navigation, where the window is too narrow for it to stay open. */
  readonly onNavigation: () => void;
}

function CurrentPage({ page, onNavigation }: PageProps & { readonly page: Page }) {
  if (page === "chat") return <ChatPage onNavigation={onNavigation} />;
  const LazyPage = LAZY_PAGES[page];
  return <LazyPage onNavigation={onNavigation} />;
}
