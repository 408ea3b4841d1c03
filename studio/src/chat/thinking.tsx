// The model's thinking: one line with a clock, behind which the thoughts are, open from the start for those who want it.
//
// Thoughts can be longer than any answer, so they are drawn only while they are open, and as plain text while they grow.

import { Brain, ChevronRight, FastForward } from "lucide-react";
import { useEffect, useId, useState } from "react";
import { endThinking } from "./live.ts";
import { useText } from "../i18n/i18n.ts";
import { Markdown } from "../markdown/markdown.tsx";
import type { Answer } from "../store/database.ts";
import { useIsOn } from "../store/local.ts";
import { Button } from "../ui/button.tsx";
import { notifyError } from "../ui/toast.tsx";

/** Most characters that are shown while there are more to come. */
const GROWING_SHOWN = 8000;

export function Thinking({ id, answer }: { readonly id: string; readonly answer: Answer }) {
  const text = useText();
  const isOpenFirst = useIsOn("open-thinking");
  const [choice, setChoice] = useState<boolean>();
  const isOpen = choice ?? isOpenFirst;
  const bodyId = useId();
  const isThinking = answer.status === "streaming" && answer.thinkingTo === undefined;
  const seconds = useSeconds(answer.thinkingFrom ?? answer.startedAt, answer.thinkingTo, isThinking);
  return (
    <section className="thinking">
      <div className="thinking-head">
        <button
          type="button"
          className={isThinking ? "thinking-line is-active" : "thinking-line"}
          aria-expanded={isOpen}
          aria-controls={bodyId}
          onClick={() => setChoice(!isOpen)}
        >
          <Brain />
          <span>
            {isThinking
              ? text("thinking.now", { seconds })
              : text(seconds === 0 ? "thinking.brief" : "thinking.done", { seconds })}
          </span>
          <ChevronRight className="chevron" />
        </button>
        {isThinking && (
          <Button
            size="small"
            kind="quiet"
            icon={<FastForward />}
            onClick={() => void endThinking(id).catch(notifyError)}
          >
            {text("thinking.answer-now")}
          </Button>
        )}
      </div>
      {isOpen && (
        <div id={bodyId} className="thoughts" role="group" aria-label={text("thinking.label")} tabIndex={0}>
          {isThinking ? <p className="as-text">{endOf(answer.reasoning)}</p> : <Markdown source={answer.reasoning} />}
        </div>
      )}
    </section>
  );
}

/** What was thought last: all of it, drawn anew each frame, would be more than a frame takes. */
function endOf(reasoning: string): string {
  return reasoning.length <= GROWING_SHOWN ? reasoning : `… ${reasoning.slice(-GROWING_SHOWN)}`;
}

/** Whole seconds since `from`, counting on while it runs. */
function useSeconds(from: number, to: number | undefined, isRunning: boolean): number {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (!isRunning) return;
    const timer = setInterval(() => setNow(Date.now()), 500);
    return () => clearInterval(timer);
  }, [isRunning]);
  return Math.max(0, Math.round(((to ?? (isRunning ? now : from)) - from) / 1000));
}
