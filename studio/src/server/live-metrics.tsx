// How the server fares: figures of now, curves of the last minutes, and how long answers take.

import { useCallback, useMemo, useRef } from "react";
import * as of from "./metrics.ts";
import type { Measurement } from "./metrics.ts";
import { request } from "../api/client.ts";
import { usePolled } from "../api/polled.ts";
import { formatNumber, type MessageKey, useText } from "../i18n/i18n.ts";
import { Chart } from "../ui/chart/chart.tsx";
import type { Line } from "../ui/chart/lines.ts";
import { formatBytes, formatClock, formatMilliseconds, formatPercent } from "../ui/format.ts";
import { Problem } from "../ui/problem.tsx";
import { TableScroll } from "../ui/table-scroll.tsx";
import { Terms } from "../ui/terms.tsx";

const EVERY_MS = 1000;
const KEPT_MS = 5 * 60_000;
/** Of a rate: long enough to be calm, short enough to be news. */
const RATE_MS = 3000;
/** Of what is only known at the end of an answer. */
const ANSWERS_MS = 30_000;

export function LiveMetrics() {
  const text = useText();
  const kept = useRef<readonly Measurement[]>([]);
  const read = useCallback(async (signal: AbortSignal) => {
    const response = await request("/metrics", { signal });
    const next = of.parseMetrics(await response.text(), Date.now());
    kept.current = [...kept.current.filter(({ time }) => time > next.time - KEPT_MS), next];
    return kept.current;
  }, []);
  const { value: measured, error, reload } = usePolled(read, EVERY_MS);
  const latest = measured?.at(-1);
  if (measured === undefined || latest === undefined)
    return error === undefined ? null : <Problem error={error} onRetry={reload} />;
  return (
    <section className="board-stack" aria-labelledby="metrics-title">
      <h2 id="metrics-title" className="board-title">
        {text("server.now")}
      </h2>
      {error !== undefined && <Problem error={error} onRetry={reload} />}
      <Tiles measured={measured} latest={latest} />
      <Curves measured={measured} />
      <Latencies latest={latest} />
    </section>
  );
}

/** The latest measurement that is at least so old; the first one, where all are younger. */
function before(measured: readonly Measurement[], time: number, ms: number): Measurement {
  return measured.findLast((one) => one.time <= time - ms) ?? measured[0]!;
}

function numberOr(value: number, format: (value: number) => string): string {
  return Number.isFinite(value) ? format(value) : "–";
}

interface Measured {
  readonly measured: readonly Measurement[];
}

function Tiles({ measured, latest }: Measured & { readonly latest: Measurement }) {
  const text = useText();
  const rate = of.perSecond(before(measured, latest.time, RATE_MS), latest, "written_tokens_total");
  const ever = of.parseMetrics("", 0);
  const tiles: readonly (readonly [MessageKey, string])[] = [
    ["server.rate", numberOr(rate, rounded)],
    ["server.running", formatNumber(of.valueOf(latest, "num_requests_running"))],
    ["server.waiting", formatNumber(of.valueOf(latest, "num_requests_waiting"))],
    ["server.kv-use", formatPercent(of.valueOf(latest, "kv_cache_usage_perc"))],
    ["server.accept-length", numberOr(of.acceptLength(ever, latest), formatNumber)],
    ["server.cache-hits", numberOr(of.share(ever, latest, "prefix_cache_hits", "prefix_cache_queries"), formatPercent)],
    ["server.memory", formatBytes(of.valueOf(latest, "process_resident_memory_bytes"))],
  ];
  return <Terms kind="tiles" terms={tiles.map(([key, value]) => ({ name: text(key), value }))} />;
}

function rounded(value: number): string {
  return formatNumber(value, { maximumFractionDigits: value < 10 ? 1 : 0 });
}

function Curves({ measured }: Measured) {
  const text = useText();
  const lines = useMemo(() => {
    const x = measured.map(({ time }) => time);
    const line = (key: MessageKey, colour: number, read: (one: Measurement) => number): Line => ({
      label: text(key),
      colour: `--series-${colour}`,
      x,
      y: measured.map(read),
    });
    const rate = (name: string) => (one: Measurement) => of.perSecond(before(measured, one.time, RATE_MS), one, name);
    return {
      tokens: [line("server.rate", 1, rate("written_tokens_total"))],
      requests: [
        line("server.running", 2, (one) => of.valueOf(one, "num_requests_running")),
        line("server.waiting", 5, (one) => of.valueOf(one, "num_requests_waiting")),
      ],
      kv: [line("server.kv-use", 3, (one) => of.valueOf(one, "kv_cache_usage_perc"))],
      drafts: [line("server.accept-length", 4, (one) => of.acceptLength(before(measured, one.time, ANSWERS_MS), one))],
    };
  }, [measured, text]);
  const shared = { xLabel: text("chart.time"), formatX: formatClock, group: "server" } as const;
  return (
    <div className="chart-grid">
      <Chart {...shared} title={text("server.rate")} lines={lines.tokens} formatY={rounded} yRange={[0, 1]} />
      <Chart {...shared} title={text("server.requests")} lines={lines.requests} formatY={rounded} yRange={[0, 4]} />
      <Chart {...shared} title={text("server.kv-use")} lines={lines.kv} formatY={formatPercent} yRange={[0, 0.1]} />
      <Chart
        {...shared}
        title={text("server.accept-length")}
        lines={lines.drafts}
        formatY={formatNumber}
        yRange={[1, 2]}
      />
    </div>
  );
}

const LATENCIES = {
  time_to_first_token_seconds: "server.first-token",
  inter_token_latency_seconds: "server.between-tokens",
  request_queue_time_seconds: "server.queue-time",
  e2e_request_latency_seconds: "server.whole-answer",
} as const satisfies Record<string, MessageKey>;

function Latencies({ latest }: { readonly latest: Measurement }) {
  const text = useText();
  const ms = (seconds: number): string => numberOr(1000 * seconds, formatMilliseconds);
  const atMost = (seconds: number): string => numberOr(1000 * seconds, (value) => `≤ ${formatMilliseconds(value)}`);
  return (
    <section className="card" aria-labelledby="latency-title">
      <div className="card-head">
        <h3 id="latency-title">{text("server.latency")}</h3>
        <span className="card-note">{text("server.latency-note")}</span>
      </div>
      <TableScroll label={text("server.latency")}>
        <table className="table is-numbers">
          <thead>
            <tr>
              <th scope="col">{text("server.time-of")}</th>
              <th scope="col">{text("server.mean")}</th>
              <th scope="col">{text("server.median")}</th>
              <th scope="col">{text("server.p95")}</th>
              <th scope="col">{text("server.answers")}</th>
            </tr>
          </thead>
          <tbody>
            {Object.entries(LATENCIES).map(([name, key]) => {
              const histogram = of.histogramOf(latest, name);
              return (
                <tr key={name}>
                  <th scope="row">{text(key)}</th>
                  <td>{ms(histogram.sum / histogram.count)}</td>
                  <td>{atMost(of.limitOf(histogram, 0.5))}</td>
                  <td>{atMost(of.limitOf(histogram, 0.95))}</td>
                  <td>{formatNumber(histogram.count)}</td>
                </tr>
              );
            })}
          </tbody>
        </table>
      </TableScroll>
    </section>
  );
}
