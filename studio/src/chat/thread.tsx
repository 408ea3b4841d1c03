// The messages of the branch that is shown, and where the reader is in them.
//
// A long conversation begins at its end: earlier messages are drawn as the reader goes up. While the end is in sight it
// stays in sight, however the answer grows.

import { ArrowDown } from "lucide-react";
import { useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { MessageView } from "./message-view.tsx";
import { type Messages, siblingsOf } from "./tree.ts";
import { useText } from "../i18n/i18n.ts";
import type { Message } from "../store/database.ts";
import { Button, IconButton } from "../ui/button.tsx";

const PAGE = 24;
/** Nearer to the end than this counts as there. */
const NEAR = 60;

export interface ThreadProps {
  readonly messages: Messages;
  readonly path: readonly Message[];
  readonly editedId: string | undefined;
  readonly onEdit: (id: string | undefined) => void;
  readonly onBranch: (message: Message) => void;
}

export function Thread({ messages, path, editedId, onEdit, onBranch }: ThreadProps) {
  const text = useText();
  const [numShown, setNumShown] = useState(PAGE);
  const { frame, content, isAtEnd, goToEnd, keepPlace } = useEndInSight(path.at(-1)?.id);
  const shown = path.slice(-numShown);
  const showEarlier = useCallback(() => {
    keepPlace();
    setNumShown((n) => n + PAGE);
  }, [keepPlace]);
  const results = useMemo(
    () => new Map(path.flatMap(({ role, callId, content: result }) => (role === "tool" ? [[callId!, result]] : []))),
    [path],
  );
  const last = path.findLast(({ role }) => role !== "tool");
  return (
    <div className="thread">
      <div className="thread-scroll" ref={frame} tabIndex={0} role="region" aria-label={text("chat.log")}>
        <div className="column" ref={content}>
          {shown.length < path.length && <Earlier onSeen={showEarlier} />}
          {shown.map((message) =>
            message.role === "tool" ? null : (
              <MessageView
                key={message.id}
                message={message}
                versions={siblingsOf(messages, message)}
                results={resultsOf(message, results)}
                isLast={message === last}
                isEdited={message.id === editedId}
                onEdit={onEdit}
                onBranch={onBranch}
              />
            ),
          )}
        </div>
      </div>
      {!isAtEnd && (
        <IconButton
          className="to-end"
          kind="plain"
          label={text("chat.latest")}
          icon={<ArrowDown />}
          onClick={goToEnd}
        />
      )}
    </div>
  );
}

const NO_RESULTS: ReadonlyMap<string, string> = new Map();

function resultsOf({ answer }: Message, results: ReadonlyMap<string, string>): ReadonlyMap<string, string> {
  const calls = answer?.calls ?? [];
  if (calls.length === 0) return NO_RESULTS;
  return new Map(calls.flatMap(({ id }) => (results.has(id) ? [[id, results.get(id)!]] : [])));
}

/** Shows more as soon as it comes into sight. */
function Earlier({ onSeen }: { readonly onSeen: () => void }) {
  const text = useText();
  const element = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const observer = new IntersectionObserver((entries) => {
      if (entries.some(({ isIntersecting }) => isIntersecting)) onSeen();
    });
    if (element.current !== null) observer.observe(element.current);
    return () => observer.disconnect();
  }, [onSeen]);
  return (
    <div ref={element} className="earlier">
      <Button size="small" kind="quiet" onClick={onSeen}>
        {text("chat.earlier")}
      </Button>
    </div>
  );
}

function useEndInSight(lastId: string | undefined) {
  const frame = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const fromEnd = useRef<number>(undefined);
  const [isAtEnd, setAtEnd] = useState(true);

  const goToEnd = useCallback(() => {
    const { current: element } = frame;
    if (element === null) return;
    follows.current = true;
    element.scrollTop = element.scrollHeight;
  }, []);

  // A message that was just sent is where its writer wants to be.
  useLayoutEffect(goToEnd, [goToEnd, lastId]);

  useEffect(() => {
    const { current: element } = frame;
    if (element === null || content.current === null) return;
    let lastTop = element.scrollTop;
    const look = (): void => {
      const { scrollTop } = element;
      const isNear = element.scrollHeight - scrollTop - element.clientHeight < NEAR;
      // An end that moves away is not a reader who does.
      if (isNear) follows.current = true;
      else if (scrollTop < lastTop) follows.current = false;
      lastTop = scrollTop;
      setAtEnd(follows.current);
    };
    const observer = new ResizeObserver(() => {
      if (follows.current) element.scrollTop = element.scrollHeight;
      else look();
    });
    observer.observe(content.current);
    observer.observe(element);
    element.addEventListener("scroll", look, { passive: true });
    return () => {
      observer.disconnect();
      element.removeEventListener("scroll", look);
    };
  }, []);

  const keepPlace = useCallback(() => {
    const { current: element } = frame;
    if (element !== null) fromEnd.current = element.scrollHeight - element.scrollTop;
  }, []);
  useLayoutEffect(() => {
    if (fromEnd.current === undefined || frame.current === null) return;
    frame.current.scrollTop = frame.current.scrollHeight - fromEnd.current;
    fromEnd.current = undefined;
  });

  return { frame, content, isAtEnd, goToEnd, keepPlace };
}
