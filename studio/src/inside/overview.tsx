// An answer in figures: speed, what of the prompt was cached, what drafting gained, and the room that it takes.

import { Bar, bytes, percent, round } from "./figures.tsx";
import { acceptanceOf, type Trace } from "./trace.ts";
import type { ModelInfo } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import type { Answer } from "../store/database.ts";
import { type Term, Terms } from "../ui/terms.tsx";

export interface OverviewProps {
  readonly answer: Answer;
  readonly model: ModelInfo | undefined;
}

export function Overview({ answer, model }: OverviewProps) {
  const figures = figuresOf(answer);
  return (
    <div className="stack inside-overview">
      <Speed {...figures} />
      <Prompt {...figures} />
      {(model?.meta.n_mtp_heads ?? 1) > 0 && <Drafts answer={answer} {...figures} />}
      {model !== undefined && <Room model={model} {...figures} />}
    </div>
  );
}

interface Figures {
  readonly rate: number | undefined;
  readonly firstTokenMs: number | undefined;
  readonly promptRate: number | undefined;
  readonly acceptLength: number | undefined;
  readonly promptTokens: number | undefined;
  readonly cachedTokens: number | undefined;
  readonly answerTokens: number | undefined;
  /** Whether the prompt is being read, and how much of it was. */
  readonly isReading: boolean;
  readonly processedTokens: number | undefined;
}

/** As the server measured; while the answer is on its way, as the page does. */
function figuresOf({ status, timings, usage, trace, progress, startedAt, firstTokenAt }: Answer): Figures {
  const soFar = trace?.numTokens;
  const isReading = status === "streaming" && firstTokenAt === undefined;
  const promptTokens = usage?.prompt_tokens ?? trace?.prompt?.tokens ?? progress?.total;
  const seconds = firstTokenAt === undefined ? 0 : (Date.now() - firstTokenAt) / 1000;
  const measured = soFar !== undefined && seconds > 0.2 ? (soFar - 1) / seconds : undefined;
  return {
    rate: timings?.predicted_per_second ?? measured,
    firstTokenMs: timings?.first_token_ms ?? (firstTokenAt === undefined ? undefined : firstTokenAt - startedAt),
    promptRate: timings?.prompt_per_second,
    acceptLength: timings?.accept_length ?? (trace && acceptLengthOf(trace)),
    promptTokens,
    isReading,
    processedTokens: isReading ? (progress?.processed ?? 0) : promptTokens,
    cachedTokens: timings?.cache_n ?? usage?.prompt_tokens_details?.cached_tokens ?? progress?.cached,
    answerTokens: usage?.completion_tokens ?? soFar,
  };
}

function acceptLengthOf({ steps, numTokens }: Trace): number | undefined {
  // The first token comes with the prompt.
  return steps.length < 2 ? undefined : (numTokens - 1) / (steps.length - 1);
}

function Speed({ rate, firstTokenMs, promptRate, acceptLength }: Figures) {
  const text = useText();
  const term = (name: string, value: number | undefined, unit: string, digits: number): Term => ({
    name,
    value: value === undefined ? "–" : round(value, value < 10 ? digits : 0),
    unit,
  });
  return (
    <Terms
      kind="tiles"
      terms={[
        term(text("inside.rate"), rate, text("inside.per-second"), 1),
        term(text("inside.first-token"), firstTokenMs, "ms", 0),
        term(text("inside.prompt-rate"), promptRate, text("inside.per-second"), 1),
        term(text("inside.accept-length"), acceptLength, text("inside.per-step"), 2),
      ]}
    />
  );
}

function Prompt({ isReading, promptTokens: total = 0, processedTokens: processed = 0, cachedTokens = 0 }: Figures) {
  const text = useText();
  const read = Math.max(0, processed - cachedTokens);
  const description = text("inside.prompt-parts", { cached: cachedTokens, read, total });
  return (
    <section className="stack">
      <h3>{text("inside.prompt")}</h3>
      <Bar
        label={text(isReading ? "inside.reading" : "inside.cache-hit")}
        value={total === 0 ? "–" : percent((isReading ? processed : cachedTokens) / total)}
        description={description}
        parts={[
          { kind: "cached", share: total === 0 ? 0 : cachedTokens / total },
          { kind: "read", share: total === 0 ? 0 : read / total },
        ]}
      />
      <p className="field-note">{description}</p>
    </section>
  );
}

function Drafts({ answer, answerTokens }: Figures & { readonly answer: Answer }) {
  const text = useText();
  const { timings, trace } = answer;
  const counted = acceptanceOf(trace?.steps ?? []);
  const shares = timings?.accepted_per_position ?? counted.map(({ drafted, held }) => held / drafted);
  const drafted = timings?.draft_n ?? counted.reduce((sum, head) => sum + head.drafted, 0);
  const held = timings?.draft_n_accepted ?? counted.reduce((sum, head) => sum + head.held, 0);
  return (
    <section className="stack">
      <h3>{text("inside.drafts")}</h3>
      {drafted === 0 ? (
        <p className="field-note">{answer.status === "streaming" ? "–" : text("inside.no-drafts")}</p>
      ) : (
        <>
          {shares.map((share, i) => (
            <Bar
              key={i}
              label={text("inside.head", { n: i + 1 })}
              value={percent(share)}
              description={text("inside.held", { share: percent(share) })}
              parts={[{ kind: `head-${Math.min(i + 1, 3)}`, share }]}
            />
          ))}
          <p className="field-note">{text("inside.drafts-sum", { drafted, held, tokens: answerTokens ?? 0 })}</p>
        </>
      )}
    </section>
  );
}

function Room({ model, processedTokens = 0, answerTokens = 0 }: Figures & { readonly model: ModelInfo }) {
  const text = useText();
  const { context_length: length, mimo } = model;
  const used = processedTokens + answerTokens;
  return (
    <section className="stack">
      <h3>{text("inside.context")}</h3>
      <Bar
        label={text("inside.context-used")}
        value={percent(used / length, 1)}
        description={text("inside.context-parts", { used, length })}
        parts={[
          { kind: "read", share: processedTokens / length },
          { kind: "answer", share: answerTokens / length },
        ]}
      />
      <p className="field-note">{text("inside.context-parts", { used, length })}</p>
      {mimo !== undefined && <Cache used={used} length={length} architecture={mimo} />}
    </section>
  );
}

interface CacheProps {
  readonly used: number;
  readonly length: number;
  readonly architecture: NonNullable<ModelInfo["mimo"]>;
}

function Cache({ used, length, architecture }: CacheProps) {
  const text = useText();
  const { kv, layers, sliding_window: window } = architecture;
  const numGlobal = layers.filter(({ attention }) => attention === "global").length;
  const most = length * kv.global_bytes_per_token;
  const global = used * kv.global_bytes_per_token;
  const sliding = used === 0 ? 0 : kv.sliding_bytes_per_sequence;
  const scale = Math.max(most, kv.sliding_bytes_per_sequence);
  return (
    <>
      <Bar
        label={text("inside.kv-global", { n: numGlobal })}
        value={bytes(global)}
        description={text("inside.kv-of", { used: bytes(global), most: bytes(most) })}
        parts={[{ kind: "global", share: global / scale }]}
      />
      <Bar
        label={text("inside.kv-sliding", { n: layers.length - numGlobal })}
        value={bytes(sliding)}
        description={bytes(sliding)}
        parts={[{ kind: "sliding", share: sliding / scale }]}
      />
      <p className="field-note">{text("inside.kv-note", { window, most: bytes(most) })}</p>
    </>
  );
}
