// What was used, and what it costs: by day and by API key.

import { useCallback, useState } from "react";
import { byDay, byKey, daysUntil, type Amounts, sumOf, type UsageRow } from "./usage-rows.ts";
import { requestJson } from "../api/client.ts";
import { usePolled } from "../api/polled.ts";
import { formatNumber, formatTime, useText } from "../i18n/i18n.ts";
import { Segments } from "../ui/field.tsx";
import { formatCount, formatDollars } from "../ui/format.ts";
import { Problem } from "../ui/problem.tsx";
import { TableScroll } from "../ui/table-scroll.tsx";
import { Terms } from "../ui/terms.tsx";

const SPANS = ["7", "30", "90"] as const;
const EVERY_MS = 10_000;
/** More keys than colours share the last one. */
const COLOURS = 8;

interface UsageList {
  readonly prices_per_million: { readonly input: number; readonly cached_input: number; readonly output: number };
  readonly data: readonly UsageRow[];
}

export function UsageTab() {
  const text = useText();
  const [span, setSpan] = useState<(typeof SPANS)[number]>("30");
  const days = daysUntil(Date.now(), Number(span));
  const [from] = days;
  const read = useCallback(
    (signal: AbortSignal) => requestJson<UsageList>(`/v1/usage?from=${from}`, { signal }),
    [from],
  );
  const { value: usage, error, reload } = usePolled(read, EVERY_MS);
  const rows = usage?.data ?? [];
  const keys = byKey(rows).map(({ key }) => key);
  return (
    <div className="board-stack">
      <div className="board-tools">
        <Segments
          label={text("usage.span")}
          value={span}
          onChange={setSpan}
          choices={SPANS.map((value) => ({ value, label: text("usage.days", { n: Number(value) }) }))}
        />
      </div>
      {error !== undefined && <Problem error={error} onRetry={reload} />}
      {usage !== undefined && (
        <>
          <Totals total={sumOf(rows)} prices={usage.prices_per_million} />
          <Bars days={days} rows={rows} keys={keys} />
          <UsageTable rows={rows} />
        </>
      )}
    </div>
  );
}

interface TotalsProps {
  readonly total: Amounts;
  readonly prices: UsageList["prices_per_million"];
}

function Totals({ total, prices }: TotalsProps) {
  const text = useText();
  const note = text("usage.prices", {
    input: formatDollars(prices.input),
    cached: formatDollars(prices.cached_input),
    output: formatDollars(prices.output),
  });
  return (
    <>
      <Terms
        kind="tiles"
        terms={[
          { name: text("usage.requests"), value: formatCount(total.requests) },
          { name: text("usage.prompt"), value: formatCount(total.prompt_tokens) },
          { name: text("usage.cached"), value: formatCount(total.cached_tokens) },
          { name: text("usage.completion"), value: formatCount(total.completion_tokens) },
          { name: text("usage.cost"), value: formatDollars(total.cost) },
        ]}
      />
      <p className="card-note">{note}</p>
    </>
  );
}

function colourOf(index: number): string {
  return `var(--series-${Math.min(index + 1, COLOURS)})`;
}

interface BarsProps {
  readonly days: readonly string[];
  readonly rows: readonly UsageRow[];
  readonly keys: readonly (string | null)[];
}

/** Tokens of each day, a piece of a bar for each key. The table below says the same in numbers. */
function Bars({ days, rows, keys }: BarsProps) {
  const text = useText();
  const perDay = byDay(rows);
  const totals = days.map((day) => tokensOf(sumOf(perDay.get(day) ?? [])));
  const most = Math.max(1, ...totals);
  return (
    <figure className="card" aria-labelledby="bars-title">
      <figcaption className="card-head">
        <h2 id="bars-title">{text("usage.tokens-per-day")}</h2>
        <span className="card-note">{text("usage.most", { tokens: formatCount(most) })}</span>
      </figcaption>
      <div
        className="bars"
        role="img"
        aria-label={text("usage.bars", { n: totals.filter((total) => total > 0).length })}
      >
        {days.map((day, i) => (
          <div key={day} className="usage-bar" title={`${dayName(day)}: ${formatCount(totals[i]!)}`}>
            {(perDay.get(day) ?? []).map((row) => (
              <span
                key={row.key}
                style={{
                  height: `${(100 * tokensOf(row)) / most}%`,
                  background: colourOf(keys.indexOf(row.key)),
                }}
              />
            ))}
          </div>
        ))}
      </div>
      <div className="bar-days" aria-hidden="true">
        <span>{dayName(days[0]!)}</span>
        <span>{dayName(days.at(-1)!)}</span>
      </div>
      <ul className="layer-key">
        {keys.map((key, i) => (
          <li key={key}>
            <span className="swatch is-plain" style={{ color: colourOf(i) }} /> {key ?? text("usage.no-key")}
          </li>
        ))}
      </ul>
    </figure>
  );
}

function tokensOf({ prompt_tokens, completion_tokens }: Amounts): number {
  return prompt_tokens + completion_tokens;
}

function dayName(day: string): string {
  return formatTime(Date.parse(day), { month: "short", day: "numeric", timeZone: "UTC" });
}

function UsageTable({ rows }: { readonly rows: readonly UsageRow[] }) {
  const text = useText();
  if (rows.length === 0) return <p className="board-empty">{text("usage.none")}</p>;
  return (
    <TableScroll isCard label={text("server.usage")}>
      <table className="table is-numbers">
        <thead>
          <tr>
            <th scope="col">{text("usage.day")}</th>
            <th scope="col" className="cell-text">
              {text("usage.key")}
            </th>
            <th scope="col">{text("usage.requests")}</th>
            <th scope="col">{text("usage.prompt")}</th>
            <th scope="col">{text("usage.cached")}</th>
            <th scope="col">{text("usage.completion")}</th>
            <th scope="col">{text("usage.reasoning")}</th>
            <th scope="col">{text("usage.cost")}</th>
          </tr>
        </thead>
        <tbody>
          {rows.toReversed().map((row) => (
            <tr key={JSON.stringify([row.day, row.key])}>
              <th scope="row">{row.day}</th>
              <td className="cell-text">{row.key ?? text("usage.no-key")}</td>
              <td>{formatNumber(row.requests)}</td>
              <td>{formatNumber(row.prompt_tokens)}</td>
              <td>{formatNumber(row.cached_tokens)}</td>
              <td>{formatNumber(row.completion_tokens)}</td>
              <td>{formatNumber(row.reasoning_tokens)}</td>
              <td>{formatDollars(row.cost)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableScroll>
  );
}
