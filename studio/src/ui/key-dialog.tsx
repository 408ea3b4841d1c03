// Asks for the API key when the server wants one.

import { type FormEvent, useEffect, useState } from "react";
import { Button } from "./button.tsx";
import { Dialog } from "./dialog.tsx";
import { Field, TextInput } from "./field.tsx";
import { onKeyNeeded } from "../api/client.ts";
import { useText } from "../i18n/i18n.ts";

interface Question {
  readonly wasRefused: boolean;
  readonly answer: (key: string | undefined) => void;
}

export function KeyDialog() {
  const text = useText();
  const [question, setQuestion] = useState<Question>();
  const [key, setKey] = useState("");
  useEffect(() => onKeyNeeded((wasRefused) => new Promise((answer) => setQuestion({ wasRefused, answer }))), []);
  if (question === undefined) return null;
  const end = (given: string | undefined): void => {
    question.answer(given);
    setQuestion(undefined);
    setKey("");
  };
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (key.trim() !== "") end(key.trim());
  };
  return (
    <Dialog title={text("key.title")} width="narrow" onClose={() => end(undefined)}>
      <form onSubmit={submit} className="stack">
        <p className="prose-note">{text("key.explain")}</p>
        <Field label={text("key.label")} error={question.wasRefused ? text("key.wrong") : undefined}>
          {(attributes) => (
            <TextInput {...attributes} type="password" autoFocus value={key} onChange={(e) => setKey(e.target.value)} />
          )}
        </Field>
        <div className="dialog-actions">
          <Button onClick={() => end(undefined)}>{text("common.cancel")}</Button>
          <Button kind="primary" type="submit">
            {text("key.use")}
          </Button>
        </div>
      </form>
    </Dialog>
  );
}
