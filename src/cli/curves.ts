// Curves as an SVG picture: panels below each other over one axis of steps, lines with a legend, marks at round numbers.

import { drawPicture, fixed, text } from "./picture.ts";

export interface Line {
  readonly name: string;
  /** [x, y] in the order of x; a y that is no number leaves a gap. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Panel {
  readonly title: string;
  readonly lines: readonly Line[];
}

const WIDTH = 860;
const PANEL_HEIGHT = 210;
const MARGIN = { left: 64, right: 150, top: 30, bottom: 26 } as const;
// Tell apart with every kind of colour vision (Okabe & Ito 2008).
const COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"] as const;
const NUM_MARKS = 5;
/** Points of a line: more than that, and neighbours are averaged. */
const MAX_POINTS = 600;

interface Scale {
  readonly low: number;
  readonly high: number;
  readonly marks: readonly number[];
}

export function drawCurves(title: string, panels: readonly Panel[], xLabel: string): string {
  const height = 40 + panels.length * PANEL_HEIGHT + 20;
  const xs = panels.flatMap(({ lines }) => lines.flatMap(({ points }) => points.map(([x]) => x)));
  const x = scaleOf(xs);
  return drawPicture(title, { width: WIDTH, height, left: MARGIN.left }, [
    ...panels.map((panel, i) => drawPanel(panel, 40 + i * PANEL_HEIGHT, x)),
    text((MARGIN.left + WIDTH - MARGIN.right) / 2, height - 8, xLabel, 'text-anchor="middle"'),
  ]);
}

function drawPanel({ title, lines }: Panel, top: number, x: Scale): string {
  const y = scaleOf(lines.flatMap(({ points }) => points.map((point) => point[1])));
  const [left, right] = [MARGIN.left, WIDTH - MARGIN.right];
  const [above, below] = [top + MARGIN.top, top + PANEL_HEIGHT - MARGIN.bottom];
  const atX = (value: number): number => left + ((value - x.low) / (x.high - x.low)) * (right - left);
  const atY = (value: number): number => below - ((value - y.low) / (y.high - y.low)) * (below - above);
  return [
    text(left, top + 20, title, 'font-weight="bold"'),
    ...y.marks.flatMap((mark) => [
      `<line x1="${left}" x2="${right}" y1="${fixed(atY(mark))}" y2="${fixed(atY(mark))}" stroke="#ddd"/>`,
      text(left - 6, atY(mark) + 4, short(mark), 'text-anchor="end"'),
    ]),
    ...x.marks.map((mark) => text(atX(mark), below + 16, short(mark), 'text-anchor="middle"')),
    ...lines.flatMap(({ name, points }, i) => {
      const colour = COLOURS[i % COLOURS.length]!;
      const path = thin(points).map(([px, py]) => `${fixed(atX(px))},${fixed(atY(py))}`);
      const legend = above + 12 + 16 * i;
      return [
        `<polyline fill="none" stroke="${colour}" stroke-width="1.5" points="${path.join(" ")}"/>`,
        `<line x1="${right + 12}" x2="${right + 30}" y1="${legend - 4}" y2="${legend - 4}" stroke="${colour}" stroke-width="3"/>`,
        text(right + 36, legend, name, ""),
      ];
    }),
  ].join("\n");
}

/** Round marks that enclose all values. */
function scaleOf(values: readonly number[]): Scale {
  const finite = values.filter(Number.isFinite);
  const low = finite.reduce((a, b) => Math.min(a, b), Infinity);
  const high = finite.reduce((a, b) => Math.max(a, b), -Infinity);
  if (!(low < high)) return { low: (finite[0] ?? 0) - 1, high: (finite[0] ?? 0) + 1, marks: finite.slice(0, 1) };
  const rough = (high - low) / NUM_MARKS;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const first = Math.floor(low / step);
  const last = Math.ceil(high / step);
  const marks = Array.from({ length: last - first + 1 }, (_, i) => (first + i) * step);
  return { low: first * step, high: last * step, marks };
}

/** At most MAX_POINTS means of neighbours, without what is no number. */
function thin(points: Line["points"]): (readonly [number, number])[] {
  const known = points.filter(([, y]) => Number.isFinite(y));
  const size = Math.ceil(known.length / MAX_POINTS);
  if (size <= 1) return known;
  return Array.from({ length: Math.ceil(known.length / size) }, (_, i) => {
    const part = known.slice(i * size, (i + 1) * size);
    const mean = (of: 0 | 1): number => part.reduce((sum, point) => sum + point[of], 0) / part.length;
    return [mean(0), mean(1)] as const;
  });
}

const short = (value: number): string => String(Number(value.toPrecision(4)));
