// The log: a line for each request, as they end.

import { Pause, Play, Search } from "lucide-react";
import { useState } from "react";
import { type LogLine, matches, useLog } from "./log-lines.ts";
import { formatNumber, useText } from "../i18n/i18n.ts";
import { Button } from "../ui/button.tsx";
import { Segments } from "../ui/field.tsx";
import { formatClock, formatMilliseconds } from "../ui/format.ts";
import { Problem } from "../ui/problem.tsx";
import { TableScroll } from "../ui/table-scroll.tsx";

const KINDS = ["all", "failed"] as const;
const MAX_ROWS = 200;

export function LogTab() {
  const text = useText();
  const [isPaused, setPaused] = useState(false);
  const [filter, setFilter] = useState("");
  const [kind, setKind] = useState<(typeof KINDS)[number]>("all");
  const { lines, numHeld, error, retry } = useLog(isPaused);
  const found = lines.filter((line) => (kind === "all" || line.status >= 400) && matches(line, filter));
  return (
    <div className="board-stack">
      <div className="board-tools">
        <label className="search is-wide">
          <Search />
          <input
            type="search"
            aria-label={text("log.filter")}
            placeholder={text("log.filter")}
            value={filter}
            onChange={(event) => setFilter(event.target.value)}
          />
        </label>
        <Segments
          label={text("log.kind")}
          value={kind}
          onChange={setKind}
          choices={KINDS.map((value) => ({ value, label: text(`log.${value}`) }))}
        />
        <Button icon={isPaused ? <Play /> : <Pause />} aria-pressed={isPaused} onClick={() => setPaused(!isPaused)}>
          {isPaused && numHeld > 0 ? text("log.resume", { n: numHeld }) : text("log.pause")}
        </Button>
      </div>
      {error !== undefined && <Problem error={error} onRetry={retry} />}
      {found.length === 0 ? (
        <p className="board-empty">{text(lines.length === 0 ? "log.empty" : "log.none-found")}</p>
      ) : (
        <LogTable lines={found.slice(0, MAX_ROWS)} />
      )}
      {found.length > MAX_ROWS && <p className="card-note">{text("log.more", { n: found.length - MAX_ROWS })}</p>}
    </div>
  );
}

function LogTable({ lines }: { readonly lines: readonly LogLine[] }) {
  const text = useText();
  return (
    <TableScroll isCard label={text("server.log")}>
      <table className="table is-numbers is-dense">
        <thead>
          <tr>
            <th scope="col">{text("log.time")}</th>
            <th scope="col" className="cell-text">
              {text("log.request")}
            </th>
            <th scope="col">{text("log.status")}</th>
            <th scope="col">{text("log.first-token")}</th>
            <th scope="col">{text("log.took")}</th>
            <th scope="col">{text("log.tokens")}</th>
            <th scope="col" className="cell-text">
              {text("log.end")}
            </th>
            <th scope="col" className="cell-text">
              {text("usage.key")}
            </th>
          </tr>
        </thead>
        <tbody>
          {lines.map((line) => (
            <tr key={`${line.time} ${line.id}`} title={line.id}>
              <th scope="row">{formatClock(Date.parse(line.time))}</th>
              <td className="cell-text">
                <code>
                  {line.method} {line.route}
                </code>
              </td>
              <td>
                <span className={line.status < 400 ? "tag" : "tag is-bad"}>{line.status}</span>
              </td>
              <td>{line.firstTokenMs === undefined ? "" : formatMilliseconds(line.firstTokenMs)}</td>
              <td>{formatMilliseconds(line.ms)}</td>
              <td>{tokensText(line)}</td>
              <td className="cell-text">{line.finish ?? ""}</td>
              <td className="cell-text">{line.key ?? ""}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </TableScroll>
  );
}

/** "120 + 40": read and written. */
function tokensText({ promptTokens, completionTokens }: LogLine): string {
  if (promptTokens === undefined) return "";
  return `${formatNumber(promptTokens)} + ${formatNumber(completionTokens ?? 0)}`;
}
