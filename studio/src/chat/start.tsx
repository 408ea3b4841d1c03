// What a new conversation shows before its first message.

import { type MessageKey, useText } from "../i18n/i18n.ts";

const IDEAS: readonly MessageKey[] = ["idea.story", "idea.sum", "idea.page", "idea.code"];

export interface StartProps {
  readonly modelName: string;
  readonly onIdea: (idea: string) => void;
  /** While a conversation is being read. */
  readonly isHidden: boolean;
}

export function Start({ modelName, onIdea, isHidden }: StartProps) {
  const text = useText();
  return (
    <div className="start">
      {!isHidden && (
        <div className="column">
          <h2>{text("chat.greeting")}</h2>
          <p>{text("chat.greeting-note", { model: modelName })}</p>
          <ul className="ideas">
            {IDEAS.map((idea) => (
              <li key={idea}>
                <button type="button" onClick={() => onIdea(text(idea))}>
                  {text(idea)}
                </button>
              </li>
            ))}
          </ul>
        </div>
      )}
    </div>
  );
}
