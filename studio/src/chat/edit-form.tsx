// A message being edited in its place.

import { type KeyboardEvent, useEffect, useRef, useState } from "react";
import { useComposition } from "./ime.ts";
import { useText } from "../i18n/i18n.ts";
import { Button } from "../ui/button.tsx";

export interface EditFormProps {
  readonly content: string;
  readonly onCancel: () => void;
  /** The last one is what Enter with Ctrl or ⌘ does. */
  readonly actions: readonly { readonly label: string; readonly onChoose: (content: string) => void }[];
}

export function EditForm({ content, onCancel, actions }: EditFormProps) {
  const text = useText();
  const [changed, setChanged] = useState(content);
  const area = useRef<HTMLTextAreaElement>(null);
  const composition = useComposition();
  useEffect(() => area.current?.focus(), []);
  const press = (event: KeyboardEvent): void => {
    if (composition.isComposing(event)) return;
    if (event.key === "Escape") {
      event.stopPropagation();
      onCancel();
    } else if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) actions.at(-1)?.onChoose(changed);
  };
  return (
    <div className="edit-form">
      <textarea
        ref={area}
        className="textarea"
        aria-label={text("message.edit")}
        value={changed}
        onChange={(event) => setChanged(event.target.value)}
        onKeyDown={press}
        {...composition.handlers}
      />
      <div className="dialog-actions">
        <Button size="small" onClick={onCancel}>
          {text("common.cancel")}
        </Button>
        {actions.map(({ label, onChoose }, i) => (
          <Button
            key={label}
            size="small"
            kind={i === actions.length - 1 ? "primary" : "plain"}
            onClick={() => onChoose(changed)}
          >
            {label}
          </Button>
        ))}
      </div>
    </div>
  );
}
