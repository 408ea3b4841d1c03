// One side of the playground: its model and settings, its answer, and the code that makes the same request.

import { Braces } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import type { Body, Side } from "./input.ts";
import type { Run } from "./run.ts";
import type { ModelInfo } from "../api/models.ts";
import { SamplingFields, ThinkingFields } from "../chat/options-panel.tsx";
import { formatNumber, useText } from "../i18n/i18n.ts";
import { CopyButton } from "../markdown/code-block.tsx";
import { Markdown } from "../markdown/markdown.tsx";
import type { Answer, ChatSettings } from "../store/database.ts";
import { Button } from "../ui/button.tsx";
import { Select } from "../ui/field.tsx";

const CodeDialog = lazy(() => import("./code-dialog.tsx"));

export interface SideViewProps {
  readonly name: string;
  readonly side: Side;
  readonly onChange: (side: Side) => void;
  readonly models: readonly ModelInfo[];
  readonly body: Body | undefined;
  readonly run: Run;
}

export function SideView({ name, side, onChange, models, body, run }: SideViewProps) {
  const text = useText();
  const [isCodeOpen, setCodeOpen] = useState(false);
  const { settings } = side;
  const model = models.find(({ id }) => id === side.model) ?? models[0];
  const set = (fields: Partial<ChatSettings>): void => onChange({ ...side, settings: { ...settings, ...fields } });
  return (
    <section className="play-side" aria-label={text("play.side", { name })}>
      <header>
        <span className="play-name" aria-hidden="true">
          {name}
        </span>
        <Select
          aria-label={text("play.model")}
          value={model?.id ?? ""}
          onChange={({ target }) => onChange({ ...side, model: target.value })}
        >
          {models.map(({ id }) => (
            <option key={id}>{id}</option>
          ))}
        </Select>
        <Button size="small" icon={<Braces />} disabled={body === undefined} onClick={() => setCodeOpen(true)}>
          {text("play.code")}
        </Button>
      </header>
      <details className="play-settings">
        <summary>
          <span>{text("settings.title")}</span>
          <span className="field-note">{useSummary(settings)}</span>
        </summary>
        <div className="stack">
          <ThinkingFields settings={settings} set={set} />
          <SamplingFields settings={settings} set={set} model={model?.mimo} />
        </div>
      </details>
      <Output {...run} />
      {isCodeOpen && body !== undefined && (
        <Suspense fallback={null}>
          <CodeDialog body={body} model={model} onClose={() => setCodeOpen(false)} />
        </Suspense>
      )}
    </section>
  );
}

/** Settings that are not the server's own, in a line. */
function useSummary({ thinking, temperature, topP, maxTokens, seed }: ChatSettings): string {
  const text = useText();
  const parts = [
    thinking === undefined ? undefined : `${text("options.thinking")}: ${text(thinking ? "common.on" : "common.off")}`,
    ...(
      [
        ["options.temperature", temperature],
        ["options.top-p", topP],
        ["options.max-tokens", maxTokens],
        ["options.seed", seed],
      ] as const
    ).map(([label, value]) => (value === undefined ? undefined : `${text(label)} ${formatNumber(value)}`)),
  ].filter((part) => part !== undefined);
  return parts.length === 0 ? text("preset.default") : parts.join(" · ");
}

function Output({ message, isRunning, isJson }: Run) {
  const text = useText();
  if (message === undefined)
    return (
      <>
        <div className="play-output is-empty">{text("play.empty")}</div>
        <footer className="play-figures" />
      </>
    );
  const { answer, content } = message;
  const { reasoning, calls, status, error } = answer;
  return (
    <>
      <div className="play-output" aria-busy={isRunning} tabIndex={0} role="region" aria-label={text("play.answer")}>
        {isRunning && content === "" && reasoning === "" && calls.length === 0 && (
          <p className="waiting">
            <span className="pulse" />
            {text("answer.waiting")}
          </p>
        )}
        {reasoning !== "" && (
          <details className="play-thinking">
            <summary>{text("thinking.label")}</summary>
            <p className="as-text">{reasoning}</p>
          </details>
        )}
        {content !== "" &&
          (isJson ? <pre className="source">{content}</pre> : <Markdown source={content} isGrowing={isRunning} />)}
        {calls.map((call) => (
          <section key={call.id} className="call" aria-label={text("call.title", { name: call.name })}>
            <header>
              <strong>{call.name}</strong>
            </header>
            <pre>{call.arguments}</pre>
          </section>
        ))}
        {status === "failed" && (
          <p className="ending is-error" role="alert">
            {error}
          </p>
        )}
        {status === "stopped" && <p className="ending">{text("answer.stopped")}</p>}
        {answer.finishReason === "length" && <p className="ending">{text("answer.length")}</p>}
      </div>
      <footer className="play-figures">
        <Figures answer={answer} />
        {!isRunning && content !== "" && <CopyButton source={content} />}
      </footer>
    </>
  );
}

function Figures({ answer: { usage, timings } }: { readonly answer: Answer }) {
  const text = useText();
  if (usage === undefined || timings === undefined) return <span />;
  const round = (value: number): string => formatNumber(value, { maximumFractionDigits: value < 10 ? 1 : 0 });
  return (
    <span>
      {text("answer.stats", { tokens: usage.completion_tokens, rate: round(timings.predicted_per_second) })}
      {timings.first_token_ms !== null && ` · ${text("play.first-token", { ms: round(timings.first_token_ms) })}`}
    </span>
  );
}
