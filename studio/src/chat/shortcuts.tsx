// Keys for the whole chat page, and the list of them.

import { Fragment, useEffect, useRef } from "react";
import { type MessageKey, useText } from "../i18n/i18n.ts";
import { Dialog } from "../ui/dialog.tsx";

export interface ShortcutActions {
  readonly onNew: () => void;
  readonly onSearch: () => void;
  readonly onFocus: () => void;
  /** Whether there was something to stop. */
  readonly onStop: () => boolean;
  readonly onOptions: () => void;
  readonly onInside: () => void;
  readonly onCopy: () => void;
  readonly onHelp: () => void;
}

const isMac = navigator.platform.startsWith("Mac");
const COMMAND = isMac ? "⌘" : "Ctrl";

export function useShortcuts(actions: ShortcutActions): void {
  const current = useRef(actions);
  current.current = actions;
  useEffect(() => {
    const press = (event: KeyboardEvent): void => {
      // A dialog has its own keys.
      if (event.isComposing || document.querySelector("dialog[open]") !== null) return;
      const action = actionFor(event, current.current);
      if (action === undefined) return;
      event.preventDefault();
      action();
    };
    addEventListener("keydown", press);
    return () => removeEventListener("keydown", press);
  }, []);
}

function actionFor(event: KeyboardEvent, actions: ShortcutActions): (() => void) | undefined {
  const key = event.key.toLowerCase();
  const hasCommand = isMac ? event.metaKey : event.ctrlKey;
  if (hasCommand && key === "k") return actions.onSearch;
  if (hasCommand && event.shiftKey)
    return { o: actions.onNew, c: actions.onCopy, s: actions.onOptions, l: actions.onInside }[key];
  if (key === "escape") return actions.onStop() ? () => {} : undefined;
  if (hasCommand || event.altKey || isWritten(event.target)) return undefined;
  return { "/": actions.onFocus, "?": actions.onHelp }[key];
}

function isWritten(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.matches("input, textarea, select, [contenteditable]");
}

const KEYS: readonly (readonly [label: MessageKey, ...keys: string[]])[] = [
  ["keys.new", COMMAND, "Shift", "O"],
  ["keys.search", COMMAND, "K"],
  ["keys.focus", "/"],
  ["keys.send", "Enter"],
  ["keys.newline", "Shift", "Enter"],
  ["keys.stop", "Esc"],
  ["keys.edit", "↑"],
  ["keys.copy", COMMAND, "Shift", "C"],
  ["keys.options", COMMAND, "Shift", "S"],
  ["keys.inside", COMMAND, "Shift", "L"],
  ["keys.help", "?"],
];

export function ShortcutHelp({ onClose }: { readonly onClose: () => void }) {
  const text = useText();
  return (
    <Dialog title={text("keys.title")} width="narrow" onClose={onClose}>
      <dl className="keys">
        {KEYS.map(([label, ...keys]) => (
          <Fragment key={label}>
            <dt>{text(label)}</dt>
            <dd>
              {keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
            </dd>
          </Fragment>
        ))}
      </dl>
    </Dialog>
  );
}
