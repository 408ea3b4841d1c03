// The page "chat": one conversation, its settings and pages beside it, and the place to write.

import { Keyboard, Microscope, SlidersVertical, SquarePen } from "lucide-react";
import { type DragEvent, lazy, Suspense, useCallback, useEffect, useMemo, useRef, useState } from "react";
import type { PageProps } from "../app.tsx";
import { ArtifactPanel } from "./artifact-panel.tsx";
import { artifactsOf } from "./artifacts.ts";
import { Composer, type ComposerHandle } from "./composer.tsx";
import { afterAnswer, ask, createConversation, regenerate } from "./controller.ts";
import { branchInto } from "./library.ts";
import { stopAnswer, useResumed, useRunningIds } from "./live.ts";
import { OptionsPanel } from "./options-panel.tsx";
import { ShortcutHelp, useShortcuts } from "./shortcuts.tsx";
import { Start } from "./start.tsx";
import { Thread } from "./thread.tsx";
import { pathTo } from "./tree.ts";
import { useModel } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import { InsideContext } from "../inside/context.ts";
import { beginRecording } from "../inside/recording.ts";
import { ArtifactContext } from "../markdown/artifacts.ts";
import { navigate, useRoute } from "../router.ts";
import type { Attachment, ChatSettings, Conversation, Message } from "../store/database.ts";
import { readSetting, writeSetting } from "../store/local.ts";
import { onOtherTab, useIsLoaded, useRows, useStorageProblem } from "../store/mirror.ts";
import { conversations, messagesOf } from "../store/store.ts";
import { IconButton } from "../ui/button.tsx";
import { copyText } from "../ui/files.ts";
import { PageHead } from "../ui/page-head.tsx";
import { notify, notifyError } from "../ui/toast.tsx";

const InsidePanel = lazy(() => import("../inside/panel.tsx"));

type Panel = "options" | "inside" | { readonly artifact: string };

const NOTHING = "none";
const NOTICE_EVERY_MS = 30_000;

export function ChatPage({ onNavigation }: PageProps) {
  const text = useText();
  const { parts } = useRoute();
  const id = parts[0];
  const conversation = useRows(conversations).get(id ?? "");
  const isLoaded = useIsLoaded(conversations);
  const messages = useRows(messagesOf(id ?? NOTHING));
  const leafId = conversation?.leafId;
  const path = useMemo(() => pathTo(messages, leafId), [messages, leafId]);
  const [settings, setSettings] = useSettings(conversation);
  const [panel, setPanel] = useState<Panel>();
  const [insideId, setInsideId] = useState<string>();
  const [editedId, setEditedId] = useState<string>();
  const [isHelpOpen, setHelpOpen] = useState(false);
  const composer = useRef<ComposerHandle>(null);
  const { status, model } = useModel();
  const problem = useStorageProblem();
  const answeringId = useAnswering(path);
  const modelName = model?.id ?? "MiMo";

  useResumed(path, afterAnswer);
  useEffect(() => {
    setEditedId(undefined);
    setInsideId(undefined);
    setPanel((open) => (typeof open === "string" ? open : undefined));
    // On a phone, the focus brings the keyboard.
    if (matchMedia("(hover: hover)").matches) composer.current?.focus();
  }, [id]);
  useOtherTabNotice(id, text("chat.other-tab"));
  useEffect(() => {
    document.title = conversation === undefined ? "MiMo Studio" : `${conversation.title} · MiMo Studio`;
  }, [conversation]);

  const send = (content: string, attachments: readonly Attachment[]): void => {
    setInsideId(undefined);
    const chat = conversation ?? createConversation(settings);
    ask(chat.id, path.at(-1)?.id, content, attachments);
    if (chat !== conversation) navigate("chat", chat.id);
  };
  const stop = (): void => {
    if (answeringId !== undefined) void stopAnswer(answeringId).catch(notifyError);
  };
  const toggleOptions = (): void => setPanel(panel === "options" ? undefined : "options");
  const lookInside = useCallback((messageId?: string) => {
    beginRecording();
    setInsideId(messageId);
    setPanel("inside");
  }, []);
  const toggleInside = (): void => (panel === "inside" ? setPanel(undefined) : lookInside());
  const lastAnswer = path.findLast(({ role }) => role === "assistant");
  const editLast = (): void => setEditedId(path.findLast(({ role }) => role === "user")?.id);
  const branch = useCallback(
    (message: Message) => {
      if (conversation !== undefined) branchInto(conversation, message);
    },
    [conversation],
  );
  useShortcuts({
    onNew: () => navigate("chat"),
    onSearch: () => document.getElementById("chat-search")?.focus(),
    onFocus: () => composer.current?.focus(),
    onStop: () => {
      if (answeringId === undefined) return false;
      stop();
      return true;
    },
    onOptions: toggleOptions,
    onInside: toggleInside,
    onCopy: () => {
      if (lastAnswer !== undefined) void copyText(lastAnswer.content).then(() => notify(text("common.copied")));
    },
    onHelp: () => setHelpOpen(true),
  });

  const artifacts = useMemo(() => (typeof panel === "object" ? artifactsOf(path) : []), [panel, path]);
  const showArtifact = useCallback((code: string) => setPanel({ artifact: code }), []);
  const isUnknown = id !== undefined && isLoaded && conversation === undefined;
  return (
    <ArtifactContext value={showArtifact}>
      <div className="chat-page">
        <section
          className="chat-main"
          {...useDrop((files) => composer.current?.attach(files))}
          data-drop={text("chat.drop")}
        >
          <PageHead title={conversation?.title ?? text("chat.untitled")} onNavigation={onNavigation}>
            <ModelBadge status={status} name={modelName} />
            <IconButton
              className="only-narrow"
              label={text("chat.new")}
              icon={<SquarePen />}
              onClick={() => navigate("chat")}
            />
            <IconButton
              className="only-wide"
              label={text("keys.title")}
              icon={<Keyboard />}
              onClick={() => setHelpOpen(true)}
            />
            <IconButton
              label={text("inside.title")}
              icon={<Microscope />}
              isOn={panel === "inside"}
              onClick={toggleInside}
            />
            <IconButton
              label={text("chat.settings")}
              icon={<SlidersVertical />}
              isOn={panel === "options"}
              onClick={toggleOptions}
            />
          </PageHead>
          {problem !== undefined && (
            <p className="banner" role="alert">
              {text("chat.storage", { problem })}
            </p>
          )}
          {path.length > 0 ? (
            <InsideContext value={lookInside}>
              <Thread
                key={id}
                messages={messages}
                path={path}
                editedId={editedId}
                onEdit={setEditedId}
                onBranch={branch}
              />
            </InsideContext>
          ) : isUnknown ? (
            <p className="page-error">{text("chat.gone")}</p>
          ) : (
            <Start modelName={modelName} onIdea={(idea) => send(idea, [])} isHidden={id !== undefined} />
          )}
          <div className="column composer-place">
            <Composer
              ref={composer}
              modelName={modelName}
              settings={settings}
              onSettings={setSettings}
              isAnswering={answeringId !== undefined}
              onSend={send}
              onStop={stop}
              onEditLast={editLast}
              onOpenTools={() => setPanel("options")}
            />
          </div>
        </section>
        {panel === "options" && (
          <OptionsPanel
            settings={settings}
            onChange={setSettings}
            onClose={() => setPanel(undefined)}
            model={model?.mimo}
          />
        )}
        {panel === "inside" && (
          <Suspense fallback={<aside className="panel is-wide" />}>
            <InsidePanel
              message={path.find((message) => message.id === insideId) ?? lastAnswer}
              model={model}
              onAgain={(message) => {
                setInsideId(undefined);
                regenerate(message);
              }}
              onClose={() => setPanel(undefined)}
            />
          </Suspense>
        )}
        {typeof panel === "object" && (
          <ArtifactPanel
            versions={artifacts.includes(panel.artifact) ? artifacts : [panel.artifact]}
            at={Math.max(0, artifacts.indexOf(panel.artifact))}
            onChoose={(at) => setPanel({ artifact: artifacts[at]! })}
            onClose={() => setPanel(undefined)}
          />
        )}
        {isHelpOpen && <ShortcutHelp onClose={() => setHelpOpen(false)} />}
      </div>
    </ArtifactContext>
  );
}

/** Those of the conversation; before there is one, those that the last one was begun with. */
function useSettings(conversation: Conversation | undefined): [ChatSettings, (settings: ChatSettings) => void] {
  const [draft, setDraft] = useState<ChatSettings>(readDraft);
  const change = (settings: ChatSettings): void => {
    if (conversation !== undefined) conversations.patch(conversation.id, { settings });
    setDraft(settings);
    writeSetting("chat-settings", JSON.stringify(settings));
  };
  return [conversation?.settings ?? draft, change];
}

function readDraft(): ChatSettings {
  try {
    return JSON.parse(readSetting("chat-settings") ?? "{}") as ChatSettings;
  } catch {
    return {};
  }
}

/** Two tabs may write in one conversation: each adds to the tree, and the one that did not is told. */
function useOtherTabNotice(id: string | undefined, notice: string): void {
  useEffect(() => {
    let toldAt = 0;
    return onOtherTab((part) => {
      if (part !== id || Date.now() - toldAt < NOTICE_EVERY_MS) return;
      toldAt = Date.now();
      notify(notice);
    });
  }, [id, notice]);
}

/** The answer of this branch that is on its way. */
function useAnswering(path: readonly Message[]): string | undefined {
  const runningIds = useRunningIds();
  return path.findLast(({ id }) => runningIds.includes(id))?.id;
}

function useDrop(onFiles: (files: readonly File[]) => void) {
  const [isOver, setOver] = useState(false);
  const hasFiles = (event: DragEvent): boolean => event.dataTransfer.types.includes("Files");
  return {
    "data-over": isOver,
    onDragOver: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(true);
    },
    onDragLeave: (event: DragEvent) => {
      if (!event.currentTarget.contains(event.relatedTarget as Node | null)) setOver(false);
    },
    onDrop: (event: DragEvent) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      setOver(false);
      onFiles([...event.dataTransfer.files]);
    },
  };
}

function ModelBadge({ status, name }: { readonly status: "loading" | "offline" | "ready"; readonly name: string }) {
  const text = useText();
  const label = status === "ready" ? name : text(`model.${status}`);
  return (
    <span className={`model-badge is-${status}`} role="status">
      {label}
    </span>
  );
}
