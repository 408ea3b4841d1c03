// Asks before something that cannot be undone.

import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { useText } from "../i18n/i18n.ts";

export interface ConfirmDialogProps {
  readonly title: string;
  readonly question: string;
  readonly action: string;
  readonly onConfirm: () => void;
  readonly onClose: () => void;
}

export function ConfirmDialog({ title, question, action, onConfirm, onClose }: ConfirmDialogProps) {
  const text = useText();
  return (
    <Dialog
      title={title}
      width="narrow"
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{text("common.cancel")}</Button>
          <Button
            kind="danger"
            onClick={() => {
              onConfirm();
              onClose();
            }}
          >
            {action}
          </Button>
        </>
      }
    >
      <p className="prose-note">{question}</p>
    </Dialog>
  );
}
