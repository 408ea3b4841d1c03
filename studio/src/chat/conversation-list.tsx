// Conversations in the navigation: search, pinned ones, folders, the rest by time; what can be done with each.

import {
  Download,
  Ellipsis,
  FileText,
  FolderInput,
  FolderPlus,
  Pencil,
  Pin,
  Plus,
  Search,
  SquarePen,
  Trash2,
  Upload,
  Copy,
  Folder as FolderIcon,
} from "lucide-react";
import { type ReactNode, useEffect, useMemo, useState } from "react";
import { useRunningIds } from "./live.ts";
import { duplicate, exportAll, exportChat, importChats, removeConversation, searchMessages } from "./library.ts";
import { formatTime, type MessageKey, useText } from "../i18n/i18n.ts";
import { href, navigate, type Route } from "../router.ts";
import { type Conversation, type Folder, freshId } from "../store/database.ts";
import { useRows } from "../store/mirror.ts";
import { conversations, folders, messagesOf } from "../store/store.ts";
import { IconButton } from "../ui/button.tsx";
import { ConfirmDialog } from "../ui/confirm-dialog.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Menu } from "../ui/menu.tsx";
import { NameDialog } from "../ui/name-dialog.tsx";

const DAY = 86_400_000;
const SEARCH_DELAY_MS = 150;

type Asked =
  | { readonly what: "rename" | "delete" | "move"; readonly chat: Conversation }
  | { readonly what: "new-folder"; readonly chat?: Conversation }
  | { readonly what: "rename-folder"; readonly folder: Folder };

export function ConversationList({ route }: { readonly route: Route }) {
  const text = useText();
  const rows = useRows(conversations);
  const allFolders = [...useRows(folders).values()].toSorted((a, b) => a.name.localeCompare(b.name));
  const [query, setQuery] = useState("");
  const [asked, setAsked] = useState<Asked>();
  const found = useSearch(query);
  const sorted = useMemo(() => [...rows.values()].toSorted((a, b) => b.updatedAt - a.updatedAt), [rows]);
  const needle = query.trim().toLowerCase();
  const shown =
    needle === "" ? sorted : sorted.filter(({ id, title }) => title.toLowerCase().includes(needle) || found.has(id));
  const current = route.parts[0];

  const list = (label: ReactNode, chats: readonly Conversation[], tools?: ReactNode) =>
    (chats.length > 0 || tools !== undefined) && (
      <section className="chat-group">
        <div className="chat-group-head">
          <h2>{label}</h2>
          {tools}
        </div>
        <ul>
          {chats.map((chat) => (
            <ChatRow key={chat.id} chat={chat} isCurrent={chat.id === current} onAsk={setAsked} />
          ))}
        </ul>
      </section>
    );

  const loose = shown.filter(
    ({ isPinned, folderId }) => !isPinned && (folderId === undefined || !folders.get(folderId)),
  );
  return (
    <div className="chats">
      <div className="chats-head">
        <a className="new-chat" href={href("chat")}>
          <SquarePen />
          {text("chat.new")}
        </a>
        <Menu
          button={(attributes) => <IconButton label={text("list.more")} icon={<Ellipsis />} {...attributes} />}
          items={[
            { label: text("folder.new"), icon: <FolderPlus />, onChoose: () => setAsked({ what: "new-folder" }) },
            "line",
            { label: text("chat.import"), icon: <Upload />, onChoose: () => void importChats() },
            { label: text("chat.export-all"), icon: <Download />, onChoose: () => void exportAll() },
          ]}
        />
      </div>
      <label className="search">
        <Search />
        <input
          id="chat-search"
          type="search"
          aria-label={text("list.search")}
          placeholder={text("list.search")}
          value={query}
          onChange={(event) => setQuery(event.target.value)}
        />
      </label>
      <nav className="chat-groups" aria-label={text("list.label")}>
        {list(
          text("list.pinned"),
          shown.filter(({ isPinned }) => isPinned),
        )}
        {allFolders.map((folder) => (
          <div key={folder.id}>
            {list(
              <>
                <FolderIcon /> {folder.name}
              </>,
              shown.filter(({ isPinned, folderId }) => !isPinned && folderId === folder.id),
              <FolderMenu folder={folder} onAsk={setAsked} />,
            )}
          </div>
        ))}
        {byTime(loose).map(([label, chats]) => (
          <div key={label}>{list(text(label), chats)}</div>
        ))}
        {shown.length === 0 && <p className="chats-empty">{text(needle === "" ? "list.empty" : "list.none-found")}</p>}
      </nav>
      {asked !== undefined && (
        <Questions
          asked={asked}
          current={current}
          folders={allFolders}
          onAsk={setAsked}
          onClose={() => setAsked(undefined)}
        />
      )}
    </div>
  );
}

/** Ids of conversations in which the words stand. */
function useSearch(query: string): ReadonlySet<string> {
  const [found, setFound] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    const needle = query.trim().toLowerCase();
    if (needle.length < 2) {
      setFound(new Set());
      return;
    }
    let isGone = false;
    const timer = setTimeout(() => {
      void searchMessages(needle).then((ids) => {
        if (!isGone) setFound(ids);
      });
    }, SEARCH_DELAY_MS);
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, [query]);
  return found;
}

function byTime(chats: readonly Conversation[]): readonly (readonly [MessageKey, readonly Conversation[]])[] {
  const today = new Date().setHours(0, 0, 0, 0);
  const labelOf = ({ updatedAt }: Conversation): MessageKey => {
    if (updatedAt >= today) return "list.today";
    if (updatedAt >= today - DAY) return "list.yesterday";
    return updatedAt >= today - 7 * DAY ? "list.week" : "list.earlier";
  };
  return [...Map.groupBy(chats, labelOf)];
}

interface ChatRowProps {
  readonly chat: Conversation;
  readonly isCurrent: boolean;
  readonly onAsk: (asked: Asked) => void;
}

function ChatRow({ chat, isCurrent, onAsk }: ChatRowProps) {
  const text = useText();
  const runningIds = useRunningIds();
  const title = chat.title === "" ? text("chat.untitled") : chat.title;
  const isAnswering = runningIds.some((id) => messagesOf(chat.id).get(id) !== undefined);
  return (
    <li className="chat-row">
      <a
        href={href("chat", chat.id)}
        aria-current={isCurrent ? "page" : undefined}
        title={`${title}\n${formatTime(chat.updatedAt, { dateStyle: "medium", timeStyle: "short" })}`}
      >
        {title}
      </a>
      {isAnswering && <span className="pulse" role="img" aria-label={text("list.answering")} />}
      <Menu
        button={(attributes) => (
          <IconButton size="small" label={text("chat.options", { title })} icon={<Ellipsis />} {...attributes} />
        )}
        items={[
          {
            label: text(chat.isPinned ? "chat.unpin" : "chat.pin"),
            icon: <Pin />,
            onChoose: () => conversations.patch(chat.id, { isPinned: !chat.isPinned }),
          },
          { label: text("common.rename"), icon: <Pencil />, onChoose: () => onAsk({ what: "rename", chat }) },
          { label: text("chat.move"), icon: <FolderInput />, onChoose: () => onAsk({ what: "move", chat }) },
          { label: text("chat.duplicate"), icon: <Copy />, onChoose: () => void duplicate(chat) },
          "line",
          {
            label: text("chat.export-markdown"),
            icon: <FileText />,
            onChoose: () => void exportChat(chat, "markdown"),
          },
          { label: text("chat.export-json"), icon: <Download />, onChoose: () => void exportChat(chat, "json") },
          "line",
          {
            label: text("common.delete"),
            icon: <Trash2 />,
            isDanger: true,
            onChoose: () => onAsk({ what: "delete", chat }),
          },
        ]}
      />
    </li>
  );
}

function FolderMenu({ folder, onAsk }: { readonly folder: Folder; readonly onAsk: (asked: Asked) => void }) {
  const text = useText();
  return (
    <Menu
      button={(attributes) => (
        <IconButton
          size="small"
          label={text("folder.options", { name: folder.name })}
          icon={<Ellipsis />}
          {...attributes}
        />
      )}
      items={[
        { label: text("common.rename"), icon: <Pencil />, onChoose: () => onAsk({ what: "rename-folder", folder }) },
        { label: text("folder.delete"), icon: <Trash2 />, isDanger: true, onChoose: () => folders.remove([folder.id]) },
      ]}
    />
  );
}

interface QuestionsProps {
  readonly asked: Asked;
  /** The conversation that is shown. */
  readonly current: string | undefined;
  readonly folders: readonly Folder[];
  readonly onAsk: (asked: Asked) => void;
  readonly onClose: () => void;
}

/** The dialog of what a menu asked for. */
function Questions({ asked, current, folders: known, onAsk, onClose }: QuestionsProps) {
  const text = useText();
  switch (asked.what) {
    case "rename":
      return (
        <NameDialog
          title={text("common.rename")}
          label={text("chat.title")}
          initial={asked.chat.title}
          onClose={onClose}
          onName={(title) => conversations.patch(asked.chat.id, { title, isNamed: true })}
        />
      );
    case "delete":
      return (
        <ConfirmDialog
          title={text("chat.delete")}
          question={text("chat.delete-sure", { title: asked.chat.title })}
          action={text("common.delete")}
          onClose={onClose}
          onConfirm={() => {
            void removeConversation(asked.chat.id);
            if (current === asked.chat.id) navigate("chat");
          }}
        />
      );
    case "move":
      return (
        <Dialog title={text("chat.move")} width="narrow" onClose={onClose}>
          <div className="folder-choice">
            {[undefined, ...known].map((folder) => (
              <button
                key={folder?.id ?? ""}
                type="button"
                className="menu-item"
                aria-pressed={asked.chat.folderId === folder?.id}
                onClick={() => {
                  conversations.patch(asked.chat.id, { folderId: folder?.id });
                  onClose();
                }}
              >
                <FolderIcon />
                {folder?.name ?? text("folder.none")}
              </button>
            ))}
            <button type="button" className="menu-item" onClick={() => onAsk({ what: "new-folder", chat: asked.chat })}>
              <Plus />
              {text("folder.new")}
            </button>
          </div>
        </Dialog>
      );
    case "new-folder":
      return (
        <NameDialog
          title={text("folder.new")}
          label={text("folder.name")}
          onClose={onClose}
          onName={(name) => {
            const id = freshId();
            folders.put({ id, name, createdAt: Date.now() });
            if (asked.chat !== undefined) conversations.patch(asked.chat.id, { folderId: id });
          }}
        />
      );
    case "rename-folder":
      return (
        <NameDialog
          title={text("common.rename")}
          label={text("folder.name")}
          initial={asked.folder.name}
          onClose={onClose}
          onName={(name) => folders.patch(asked.folder.id, { name })}
        />
      );
    default:
      return asked satisfies never;
  }
}
