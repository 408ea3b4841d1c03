// Where a message is written: text, attached files, whether to think; sends with Enter, and stops what runs.

import { ArrowUp, Brain, FileText, Paperclip, Square, Wrench, X } from "lucide-react";
import { type ClipboardEvent, type KeyboardEvent, type Ref, useImperativeHandle, useRef, useState } from "react";
import { readAttachments } from "./attachments.ts";
import { useComposition } from "./ime.ts";
import { useText } from "../i18n/i18n.ts";
import type { Attachment, ChatSettings } from "../store/database.ts";
import { IconButton } from "../ui/button.tsx";
import { chooseFiles } from "../ui/files.ts";
import { notifyError } from "../ui/toast.tsx";

/** A paste of more becomes an attachment. */
const LONG_PASTE = 6000;

export interface ComposerHandle {
  readonly focus: () => void;
  readonly attach: (files: readonly File[]) => void;
}

export interface ComposerProps {
  readonly modelName: string;
  readonly settings: ChatSettings;
  readonly onSettings: (settings: ChatSettings) => void;
  readonly isAnswering: boolean;
  readonly onSend: (content: string, attachments: readonly Attachment[]) => void;
  readonly onStop: () => void;
  /** Arrow up in an empty message. */
  readonly onEditLast: () => void;
  readonly onOpenTools: () => void;
  readonly ref: Ref<ComposerHandle>;
}

export function Composer(props: ComposerProps) {
  const { modelName, settings, onSettings, isAnswering, onSend, onStop, onEditLast, onOpenTools, ref } = props;
  const text = useText();
  const area = useRef<HTMLTextAreaElement>(null);
  const [content, setContent] = useState("");
  const [attachments, setAttachments] = useState<readonly Attachment[]>([]);
  const [reading, setReading] = useState<string>();
  const composition = useComposition();
  const canSend = !isAnswering && reading === undefined && (content.trim() !== "" || attachments.length > 0);

  const attach = async (files: readonly File[]): Promise<void> => {
    setReading(files[0]?.name);
    try {
      const read = await readAttachments(files);
      setAttachments((known) => [...known, ...read]);
    } catch (error) {
      notifyError(error);
    } finally {
      setReading(undefined);
    }
    area.current?.focus();
  };
  useImperativeHandle(ref, () => ({
    focus: () => area.current?.focus(),
    attach: (files) => void attach(files),
  }));

  const send = (): void => {
    if (!canSend) return;
    onSend(content.trim(), attachments);
    setContent("");
    setAttachments([]);
    area.current?.focus();
  };
  const press = (event: KeyboardEvent<HTMLTextAreaElement>): void => {
    if (composition.isComposing(event)) return;
    if (event.key === "Enter" && !event.shiftKey) {
      event.preventDefault();
      send();
    } else if (event.key === "ArrowUp" && content === "") {
      event.preventDefault();
      onEditLast();
    }
  };
  const paste = (event: ClipboardEvent): void => {
    const files = [...event.clipboardData.files];
    const pasted = event.clipboardData.getData("text/plain");
    if (files.length === 0 && pasted.length <= LONG_PASTE) return;
    event.preventDefault();
    if (files.length > 0) void attach(files);
    else setAttachments((known) => [...known, { name: `${text("chat.pasted")} ${known.length + 1}`, text: pasted }]);
  };

  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      {(attachments.length > 0 || reading !== undefined) && (
        <ul className="attachments">
          {attachments.map(({ name }, i) => (
            <li key={i} className="attachment">
              <FileText />
              <span>{name}</span>
              <IconButton
                size="small"
                label={text("chat.attachment-remove", { name })}
                icon={<X />}
                onClick={() => setAttachments(attachments.toSpliced(i, 1))}
              />
            </li>
          ))}
          {reading !== undefined && (
            <li className="attachment" role="status">
              <span className="pulse" />
              <span>{text("chat.attachment-reading", { name: reading })}</span>
            </li>
          )}
        </ul>
      )}
      <textarea
        ref={area}
        rows={1}
        aria-label={text("chat.message")}
        placeholder={text("chat.placeholder", { model: modelName })}
        value={content}
        onChange={(event) => setContent(event.target.value)}
        onKeyDown={press}
        onPaste={paste}
        {...composition.handlers}
      />
      <div className="composer-tools">
        <IconButton
          label={text("chat.attach")}
          icon={<Paperclip />}
          onClick={() => void chooseFiles({ isMultiple: true }).then(attach)}
        />
        <button
          type="button"
          className="chip"
          aria-pressed={settings.thinking === true}
          onClick={() => onSettings({ ...settings, thinking: settings.thinking !== true })}
        >
          <Brain />
          {text("chat.think")}
        </button>
        {(settings.tools?.length ?? 0) > 0 && (
          <button type="button" className="chip" aria-pressed onClick={onOpenTools}>
            <Wrench />
            {text("chat.tools-on", { n: settings.tools!.length })}
          </button>
        )}
        <span className="spring" />
        {isAnswering ? (
          <button
            type="button"
            className="send is-stop"
            aria-label={text("chat.stop")}
            title={text("chat.stop")}
            onClick={onStop}
          >
            <Square />
          </button>
        ) : (
          <button
            type="submit"
            className="send"
            aria-label={text("chat.send")}
            title={text("chat.send")}
            disabled={!canSend}
          >
            <ArrowUp />
          </button>
        )}
      </div>
    </form>
  );
}
