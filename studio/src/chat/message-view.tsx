// One message of the branch that is shown: a question, or an answer with its thinking, calls, text and what can be done.

import {
  ChevronLeft,
  ChevronRight,
  Ellipsis,
  FileText,
  GitBranch,
  Microscope,
  Pencil,
  RefreshCw,
  StepForward,
  TextQuote,
  Trash2,
} from "lucide-react";
import { lazy, memo, type ReactNode, Suspense, useState } from "react";
import { askAnew, continueAnswer, deleteMessage, editAnswer, regenerate, showBranch } from "./controller.ts";
import { EditForm } from "./edit-form.tsx";
import { useLiveMessage } from "./live.ts";
import { Thinking } from "./thinking.tsx";
import { ToolCallView } from "./tool-call.tsx";
import { type MessageKey, formatNumber, useText } from "../i18n/i18n.ts";
import { useLookInside } from "../inside/context.ts";
import { MAX_TOKENS } from "../inside/trace.ts";
import { CopyButton } from "../markdown/code-block.tsx";
import { Markdown } from "../markdown/markdown.tsx";
import type { Answer, Message } from "../store/database.ts";
import { useIsOn } from "../store/local.ts";
import { IconButton } from "../ui/button.tsx";
import { Menu } from "../ui/menu.tsx";

const AnswerTokens = lazy(() => import("../inside/answer-tokens.tsx"));

export interface MessageViewProps {
  readonly message: Message;
  /** Ids of the versions of this message, this one among them. */
  readonly versions: readonly Message[];
  /** Results of its calls, by the call's id. */
  readonly results: ReadonlyMap<string, string>;
  readonly isLast: boolean;
  readonly isEdited: boolean;
  readonly onEdit: (id: string | undefined) => void;
  readonly onBranch: (message: Message) => void;
}

export const MessageView = memo(
  function MessageView(props: MessageViewProps) {
    return props.message.role === "user" ? <Question {...props} /> : <AnswerView {...props} />;
  },
  (a, b) =>
    a.message === b.message &&
    a.isLast === b.isLast &&
    a.isEdited === b.isEdited &&
    a.onEdit === b.onEdit &&
    a.onBranch === b.onBranch &&
    sameItems(a.versions, b.versions) &&
    a.results.size === b.results.size &&
    [...a.results].every(([id, result]) => b.results.get(id) === result),
);

function sameItems(a: readonly Message[], b: readonly Message[]): boolean {
  return a.length === b.length && a.every(({ id }, i) => id === b[i]!.id);
}

function Question({ message, versions, isEdited, onEdit, onBranch }: MessageViewProps) {
  const text = useText();
  const { attachments = [], content } = message;
  return (
    <article className="message question" aria-label={text("message.you")} data-id={message.id}>
      {isEdited ? (
        <EditForm
          content={content}
          onCancel={() => onEdit(undefined)}
          actions={[
            {
              label: text("message.send-edited"),
              onChoose: (changed) => {
                onEdit(undefined);
                askAnew(message, changed);
              },
            },
          ]}
        />
      ) : (
        <div className="bubble">
          {attachments.length > 0 && (
            <div className="attachments">
              {attachments.map(({ name, text: file }, i) => (
                <details key={i} className="attachment">
                  <summary>
                    <FileText />
                    <span>{name}</span>
                  </summary>
                  <pre tabIndex={0}>{file}</pre>
                </details>
              ))}
            </div>
          )}
          <p className="as-text">{content}</p>
        </div>
      )}
      <div className="message-tools">
        <Versions message={message} versions={versions} />
        <CopyButton source={content} />
        <IconButton size="small" label={text("message.edit")} icon={<Pencil />} onClick={() => onEdit(message.id)} />
        <MoreMenu message={message} onBranch={onBranch} />
      </div>
    </article>
  );
}

function AnswerView({ message: stored, versions, results, isLast, isEdited, onEdit, onBranch }: MessageViewProps) {
  const text = useText();
  const message = useLiveMessage(stored);
  const [isSource, setSource] = useState(false);
  const { answer, content } = message;
  if (answer === undefined) return null;
  const isStreaming = answer.status === "streaming";
  const isSilent = isStreaming && content === "" && answer.reasoning === "" && answer.calls.length === 0;
  return (
    <article
      className="message answer"
      aria-label={text("answer.by", { model: answer.model ?? "MiMo" })}
      aria-busy={isStreaming}
      data-id={message.id}
    >
      {answer.reasoning !== "" && <Thinking id={message.id} answer={answer} />}
      {isSilent && (
        <p className="waiting">
          <span className="pulse" />
          {answer.progress === undefined
            ? text("answer.waiting")
            : text("answer.reading", {
                percent: Math.floor((100 * answer.progress.processed) / answer.progress.total),
              })}
        </p>
      )}
      {isEdited ? (
        <EditForm
          content={content}
          onCancel={() => onEdit(undefined)}
          actions={[
            {
              label: text("message.save"),
              onChoose: (changed) => {
                onEdit(undefined);
                editAnswer(message, changed);
              },
            },
            ...(isLast
              ? [
                  {
                    label: text("message.save-continue"),
                    onChoose: (changed: string) => {
                      onEdit(undefined);
                      editAnswer(message, changed);
                      void continueAnswer(message);
                    },
                  },
                ]
              : []),
          ]}
        />
      ) : isSource ? (
        <pre className="source" tabIndex={0}>
          {content}
        </pre>
      ) : (
        content !== "" && <AnswerText content={content} answer={answer} />
      )}
      {answer.calls.map((call) => (
        <ToolCallView key={call.id} message={message} call={call} result={results.get(call.id)} />
      ))}
      <Ending answer={answer} />
      {!isStreaming && !isEdited && (
        <div className="message-tools">
          <Versions message={message} versions={versions} />
          <CopyButton source={content} />
          <IconButton
            size="small"
            label={text("message.regenerate")}
            icon={<RefreshCw />}
            onClick={() => regenerate(message)}
          />
          <IconButton size="small" label={text("message.edit")} icon={<Pencil />} onClick={() => onEdit(message.id)} />
          {isLast && answer.calls.length === 0 && (
            <IconButton
              size="small"
              label={text("message.continue")}
              icon={<StepForward />}
              onClick={() => void continueAnswer(message)}
            />
          )}
          <MoreMenu
            message={message}
            onBranch={onBranch}
            source={{ isShown: isSource, onChange: () => setSource(!isSource) }}
          />
          <Stats id={message.id} answer={answer} />
        </div>
      )}
    </article>
  );
}

/** As Markdown, or as the tokens that it was made of, where all of them are known and its reader wants to see them. */
function AnswerText({ content, answer }: { readonly content: string; readonly answer: Answer }) {
  const hasColours = useIsOn("token-colours");
  const { trace, isEdited = false, isContinued = false, status } = answer;
  const markdown = <Markdown source={content} isGrowing={status === "streaming"} />;
  const isKnown = trace !== undefined && trace.numTokens < MAX_TOKENS && !isEdited && !isContinued;
  if (!hasColours || !isKnown) return markdown;
  return (
    <Suspense fallback={markdown}>
      <AnswerTokens trace={trace} />
    </Suspense>
  );
}

function Versions({ message, versions }: Pick<MessageViewProps, "message" | "versions">) {
  const text = useText();
  if (versions.length < 2) return null;
  const at = versions.findIndex(({ id }) => id === message.id);
  const step = (label: MessageKey, icon: ReactNode, target: Message | undefined) => (
    <IconButton
      size="small"
      label={text(label)}
      icon={icon}
      disabled={target === undefined}
      onClick={() => target !== undefined && showBranch(target)}
    />
  );
  return (
    <span className="versions" role="group" aria-label={text("message.version", { at: at + 1, n: versions.length })}>
      {step("message.previous", <ChevronLeft />, versions[at - 1])}
      <span>
        {at + 1}/{versions.length}
      </span>
      {step("message.next", <ChevronRight />, versions[at + 1])}
    </span>
  );
}

interface MoreMenuProps extends Pick<MessageViewProps, "message" | "onBranch"> {
  readonly source?: { readonly isShown: boolean; readonly onChange: () => void };
}

function MoreMenu({ message, onBranch, source }: MoreMenuProps) {
  const text = useText();
  const lookInside = useLookInside();
  return (
    <Menu
      button={(attributes) => (
        <IconButton size="small" label={text("common.more")} icon={<Ellipsis />} {...attributes} />
      )}
      items={[
        ...(source === undefined
          ? []
          : [
              {
                label: text(source.isShown ? "message.rendered" : "message.source"),
                icon: <TextQuote />,
                onChoose: source.onChange,
              },
              { label: text("inside.look"), icon: <Microscope />, onChoose: () => lookInside(message.id) },
            ]),
        { label: text("message.branch"), icon: <GitBranch />, onChoose: () => onBranch(message) },
        "line",
        { label: text("message.delete"), icon: <Trash2 />, isDanger: true, onChoose: () => deleteMessage(message) },
      ]}
    />
  );
}

const TOLD_ENDINGS: Readonly<Record<string, MessageKey>> = {
  length: "answer.length",
  repetition: "answer.repetition",
  max_tool_calls: "answer.max_tool_calls",
};

/** Why an answer ended, where that is not what one expects. */
function Ending({ answer }: { readonly answer: Answer }) {
  const text = useText();
  const { status, error, finishReason = "", finishDetail } = answer;
  if (status === "failed")
    return (
      <p className="ending is-error" role="alert">
        {error}
      </p>
    );
  if (status === "stopped") return <p className="ending">{text("answer.stopped")}</p>;
  const told = TOLD_ENDINGS[finishDetail ?? finishReason];
  return status === "done" && told !== undefined ? <p className="ending">{text(told)}</p> : null;
}

function Stats({ id, answer }: { readonly id: string; readonly answer: Answer }) {
  const text = useText();
  const lookInside = useLookInside();
  const { usage, timings, startedAt, firstTokenAt, endedAt } = answer;
  if (usage === undefined || firstTokenAt === undefined || endedAt === undefined) return null;
  const seconds = (endedAt - firstTokenAt) / 1000;
  const measured = seconds > 0 ? (usage.completion_tokens - 1) / seconds : undefined;
  const rate = timings?.predicted_per_second ?? measured;
  const round = (value: number, digits: number): string => formatNumber(value, { maximumFractionDigits: digits });
  return (
    <button
      type="button"
      className="stats"
      onClick={() => lookInside(id)}
      title={text("answer.stats-title", {
        prompt: usage.prompt_tokens,
        cached: usage.prompt_tokens_details?.cached_tokens ?? 0,
        ttft: round((firstTokenAt - startedAt) / 1000, 2),
        seconds: round((endedAt - startedAt) / 1000, 1),
      })}
    >
      {text("answer.stats", {
        tokens: usage.completion_tokens,
        rate: rate === undefined ? "–" : round(rate, rate < 10 ? 1 : 0),
      })}
    </button>
  );
}
