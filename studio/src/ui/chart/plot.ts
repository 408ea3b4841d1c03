// The drawing of a chart, by uPlot: loaded when the first chart is shown.

import UPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import type { Joined, Line } from "./lines.ts";

export interface PlotOptions {
  readonly lines: readonly Line[];
  /** The least span of values that fills the height, so that noise does not look like news. */
  readonly yRange: readonly [min: number, max: number] | undefined;
  readonly formatX: (x: number) => string;
  readonly formatY: (y: number) => string;
  /** Charts of one name show the same place. */
  readonly group: string;
  /** The place that is pointed at; undefined where none is. */
  readonly onPoint: (index: number | undefined) => void;
}

export interface Plot {
  readonly setData: (data: Joined) => void;
  readonly setSize: (width: number) => void;
  readonly show: (line: number, isShown: boolean) => void;
  readonly destroy: () => void;
}

const HEIGHT = 210;
const CHARACTER_WIDTH = 6.4;

export function createPlot(parent: HTMLElement, data: Joined, options: PlotOptions): Plot {
  const { lines, formatX, formatY, onPoint } = options;
  const colours = readColours(parent, ["--text-faint", "--line", ...lines.map(({ colour }) => colour)]);
  const [faint, rule] = colours as [string, string];
  const axis = {
    stroke: faint,
    font: `11px ${getComputedStyle(parent).fontFamily}`,
    grid: { stroke: rule, width: 1 },
    ticks: { show: false },
  } as const;
  const plot = new UPlot(
    {
      width: Math.max(80, parent.clientWidth),
      height: HEIGHT,
      padding: [10, 26, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: options.group } },
      scales: {
        x: { time: false },
        y: { range: (_, min, max) => yLimits(min, max, options.yRange) },
      },
      axes: [
        { ...axis, grid: { show: false }, gap: 8, size: 28, space: 80, values: (_, places) => places.map(formatX) },
        {
          ...axis,
          gap: 6,
          size: (_, labels) => 14 + CHARACTER_WIDTH * Math.max(2, ...(labels ?? []).map(({ length }) => length)),
          values: (_, values) => values.map((value) => (value === null ? "" : formatY(value))),
        },
      ],
      series: [
        {},
        ...lines.map((line, i) => ({
          stroke: colours[i + 2]!,
          width: 1.75,
          spanGaps: true,
          ...(line.look === "dashed" ? { dash: [7, 4] } : line.look === "dotted" ? { dash: [2, 4] } : {}),
          points: { show: line.look === "dots", size: 7, fill: colours[i + 2]! },
        })),
      ],
      hooks: { setCursor: [({ cursor }) => onPoint(cursor.idx ?? undefined)] },
    },
    data as UPlot.AlignedData,
    parent,
  );
  return {
    setData: (next) => plot.setData(next as UPlot.AlignedData),
    setSize: (width) => plot.setSize({ width: Math.max(80, width), height: HEIGHT }),
    show: (line, isShown) => plot.setSeries(line + 1, { show: isShown }),
    destroy: () => plot.destroy(),
  };
}

function yLimits(min: number | null, max: number | null, least: PlotOptions["yRange"]): [number, number] {
  const low = Math.min(min ?? 0, least?.[0] ?? Infinity);
  const high = Math.max(max ?? 1, least?.[1] ?? -Infinity);
  const room = (high - low) * 0.06 || 0.5;
  return [least !== undefined && low === least[0] ? low : low - room, high + room];
}

/** A canvas knows no variables, so that an element of the page is asked what they are now. */
function readColours(parent: HTMLElement, names: readonly string[]): readonly string[] {
  const probe = document.createElement("span");
  parent.append(probe);
  const colours = names.map((name) => {
    probe.style.color = `var(${name})`;
    return getComputedStyle(probe).color;
  });
  probe.remove();
  return colours;
}
