// A chart of lines, for eyes and for ears: a drawing, a legend of buttons that says the values and hides lines, and the
// same numbers as a table.

import { type ReactNode, useEffect, useId, useMemo, useRef, useState } from "react";
import { joinLines, type Joined, type Line, spread } from "./lines.ts";
import type { Plot } from "./plot.ts";
import { useLanguage, useText } from "../../i18n/i18n.ts";
import { TableScroll } from "../table-scroll.tsx";
import { useIsDark } from "../theme.ts";

export interface ChartProps {
  readonly title: string;
  /** What the places are. */
  readonly xLabel: string;
  readonly lines: readonly Line[];
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
  readonly yRange?: readonly [min: number, max: number];
  /** Charts of one name show the same place. */
  readonly group: string;
}

const TABLE_ROWS = 40;

export function Chart({ title, xLabel, lines, formatX, formatY, yRange, group }: ChartProps) {
  const text = useText();
  const [hidden, setHidden] = useState<ReadonlySet<string>>(new Set());
  const [pointed, setPointed] = useState<number>();
  const data = useMemo(() => joinLines(lines), [lines]);
  const isEmpty = data[0].length === 0;
  const place = usePlot({ data, lines, hidden, yRange, formatX, formatY, group, onPoint: setPointed });
  const titleId = useId();
  const toggle = (label: string): void => setHidden(hidden.symmetricDifference(new Set([label])));
  const valueOf = (i: number): string => {
    const row = data[i + 1] as (number | null)[];
    // What was measured last, up to there.
    const value = row.slice(0, (pointed ?? row.length) + 1).findLast((one) => one !== null);
    return value === undefined || value === null ? "" : formatY(value);
  };
  return (
    <figure className="chart" aria-labelledby={titleId}>
      <figcaption>
        <h3 id={titleId}>{title}</h3>
        <span className="chart-place">{pointed === undefined || isEmpty ? "" : formatX(data[0][pointed] ?? 0)}</span>
      </figcaption>
      <div className="chart-frame">
        <div ref={place} className="chart-plot" aria-hidden="true" />
        {isEmpty && <p className="chart-empty">{text("chart.empty")}</p>}
      </div>
      <div className="chart-legend" role="group" aria-label={text("chart.lines", { title })}>
        {lines.map((line, i) => (
          <button
            key={line.label}
            type="button"
            aria-pressed={!hidden.has(line.label)}
            className="legend-entry"
            onClick={() => toggle(line.label)}
          >
            <Swatch line={line} />
            {line.label}
            <span className="legend-value">{valueOf(i)}</span>
          </button>
        ))}
      </div>
      <DataTable title={title} xLabel={xLabel} lines={lines} data={data} formatX={formatX} formatY={formatY} />
    </figure>
  );
}

export function Swatch({ line }: { readonly line: Pick<Line, "colour" | "look"> }) {
  return <span className={`swatch is-${line.look ?? "plain"}`} style={{ color: `var(${line.colour})` }} />;
}

interface PlotSource {
  readonly data: Joined;
  readonly lines: readonly Line[];
  readonly hidden: ReadonlySet<string>;
  readonly yRange: ChartProps["yRange"];
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
  readonly group: string;
  readonly onPoint: (index: number | undefined) => void;
}

/** Keeps a drawing in an element: made anew where its lines or its colours are others, else given what is new. */
function usePlot(source: PlotSource) {
  const place = useRef<HTMLDivElement>(null);
  const plot = useRef<Plot>(undefined);
  const latest = useRef(source);
  latest.current = source;
  const isDark = useIsDark();
  const language = useLanguage();
  const { lines, group, data, hidden } = source;
  const shape = JSON.stringify([lines.map(({ label, colour, look }) => [label, colour, look]), group]);

  useEffect(() => {
    const element = place.current;
    let isGone = false;
    const resized = new ResizeObserver(() => plot.current?.setSize(element?.clientWidth ?? 0));
    void import("./plot.ts").then(({ createPlot }) => {
      if (isGone || element === null) return;
      plot.current = createPlot(element, latest.current.data, {
        ...latest.current,
        formatX: (x) => latest.current.formatX(x),
        formatY: (y) => latest.current.formatY(y),
      });
      hideLines(plot.current, latest.current);
      resized.observe(element);
    });
    return () => {
      isGone = true;
      resized.disconnect();
      plot.current?.destroy();
      plot.current = undefined;
    };
  }, [shape, isDark, language]);

  useEffect(() => plot.current?.setData(data), [data]);
  useEffect(() => {
    if (plot.current !== undefined) hideLines(plot.current, latest.current);
  }, [hidden]);
  return place;
}

function hideLines(plot: Plot, { lines, hidden }: PlotSource): void {
  for (const [i, { label }] of lines.entries()) plot.show(i, !hidden.has(label));
}

interface DataTableProps extends Pick<ChartProps, "title" | "xLabel" | "lines" | "formatX" | "formatY"> {
  readonly data: Joined;
}

/** Made when it is opened: it is long, and few read it. */
function DataTable({ title, xLabel, lines, data, formatX, formatY }: DataTableProps) {
  const text = useText();
  const [isOpen, setOpen] = useState(false);
  const [places, ...columns] = data;
  const cell = (value: number | null | undefined): ReactNode =>
    value === null || value === undefined ? "" : formatY(value);
  return (
    <details className="chart-table" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{text("chart.table")}</summary>
      {isOpen && (
        <TableScroll label={title}>
          <table className="table is-numbers">
            <thead>
              <tr>
                <th scope="col">{xLabel}</th>
                {lines.map(({ label }) => (
                  <th key={label} scope="col">
                    {label}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {spread(places.length, TABLE_ROWS).map((i) => (
                <tr key={i}>
                  <th scope="row">{formatX(places[i]!)}</th>
                  {columns.map((column, k) => (
                    <td key={lines[k]!.label}>{cell(column[i])}</td>
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </TableScroll>
      )}
    </details>
  );
}
