// One token under the glass: where it came from, what was refused in its place, and what else it could have been.

import { useMemo } from "react";
import { percent, round, visible } from "./figures.tsx";
import { entropyOf, type Odds, type Step, tokensOf, type Trace, type TracedToken } from "./trace.ts";
import { useText } from "../i18n/i18n.ts";

/** Everything about one token. Always of the same height, so that nothing moves under the pointer. */
export function Glass({ trace, at }: { readonly trace: Trace; readonly at: number | undefined }) {
  const text = useText();
  const token = useMemo(() => (at === undefined ? undefined : tokenAt(trace.steps, at)), [trace, at]);
  if (at === undefined || token === undefined)
    return (
      <section className="glass is-empty" aria-label={text("tokens.glass")}>
        <p className="field-note">{text("tokens.hint")}</p>
      </section>
    );
  const odds = trace.odds[at];
  return (
    <section className="glass" aria-label={text("tokens.glass")} aria-live="polite">
      <header>
        <code>{visible(token.text)}</code>
        <span className="field-note">
          {text("tokens.number", { n: at + 1 })} ·{" "}
          {token.head === undefined ? text("tokens.written") : text("tokens.drafted", { n: token.head })}
        </span>
      </header>
      <p className="field-note glass-rejected">
        {token.rejected.map((draft, i) => (
          <span key={i}>
            {text("tokens.refused", { n: token.rejectedFrom + i })} <s>{visible(draft)}</s>{" "}
          </span>
        ))}
      </p>
      {odds === undefined ? (
        <p className="field-note">{text("tokens.no-odds")}</p>
      ) : (
        <>
          <p className="glass-figures">
            <span>
              {text("tokens.by-probability")} <strong>{percent(Math.exp(odds.logprob), 1)}</strong>
            </span>
            <span>
              {text("tokens.by-entropy")} <strong>{text("tokens.bits", { bits: round(entropyOf(odds), 2) })}</strong>
            </span>
          </p>
          <Alternatives odds={odds} written={token.text} />
        </>
      )}
    </section>
  );
}

function Alternatives({ odds, written }: { readonly odds: Odds; readonly written: string }) {
  const text = useText();
  return (
    <table className="alternatives" aria-label={text("tokens.alternatives")}>
      <tbody>
        {odds.texts.map((alternative, i) => (
          <tr key={i} aria-current={alternative === written ? "true" : undefined}>
            <th scope="row">
              <code>{visible(alternative)}</code>
            </th>
            <td>
              <span className="alternative-bar" style={{ width: `${100 * Math.exp(odds.logprobs[i]!)}%` }} />
            </td>
            <td>{percent(Math.exp(odds.logprobs[i]!), 1)}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function tokenAt(steps: readonly Step[], at: number): TracedToken | undefined {
  let first = 0;
  for (const step of steps) {
    if (at < first + step.tokens.length) return tokensOf(step)[at - first];
    first += step.tokens.length;
  }
  return undefined;
}
