// Asks for a name.

import { useState } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Field, TextInput } from "./field.tsx";
import { useText } from "../i18n/i18n.ts";

export interface NameDialogProps {
  readonly title: string;
  readonly label: string;
  readonly initial?: string;
  readonly onClose: () => void;
  readonly onName: (name: string) => void;
}

export function NameDialog({ title, label, initial = "", onClose, onName }: NameDialogProps) {
  const text = useText();
  const [name, setName] = useState(initial);
  return (
    <Dialog title={title} width="narrow" onClose={onClose}>
      <form
        className="stack"
        onSubmit={(event) => {
          event.preventDefault();
          event.stopPropagation();
          if (name.trim() === "") return;
          onName(name.trim());
          onClose();
        }}
      >
        <Field label={label}>
          {(attributes) => (
            <TextInput
              {...attributes}
              autoFocus
              maxLength={120}
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <div className="dialog-actions">
          <Button onClick={onClose}>{text("common.cancel")}</Button>
          <Button kind="primary" type="submit" disabled={name.trim() === ""}>
            {text("common.save")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
