// Lines of a chart, before they are drawn: smoothed, thinned, and brought onto one axis.

export interface Line {
  readonly label: string;
  /** A colour of `styles/tokens.css`, such as `--series-1`. */
  readonly colour: string;
  /** Ascending. */
  readonly x: readonly number[];
  readonly y: readonly number[];
  /** `dots`: measured now and then, so that each one is shown. */
  readonly look?: "plain" | "dashed" | "dotted" | "dots";
}

/** What uPlot draws: an axis, and for each line a value, or a gap, at each of its places. */
export type Joined = [x: number[], ...lines: (number | null)[][]];

export function joinLines(lines: readonly Line[]): Joined {
  const x = [...new Set(lines.flatMap((line) => line.x))].toSorted((a, b) => a - b);
  const indexOf = new Map(x.map((value, i) => [value, i]));
  return [
    x,
    ...lines.map((line) => {
      const row = Array.from({ length: x.length }, (): number | null => null);
      for (const [i, value] of line.x.entries()) {
        const y = line.y[i]!;
        if (Number.isFinite(y)) row[indexOf.get(value)!] = y;
      }
      return row;
    }),
  ];
}

/** The mean of the past with weights that fade, `strength` 0 to 1; without the pull of a start at zero. */
export function smooth(values: readonly number[], strength: number): readonly number[] {
  if (strength === 0) return values;
  let mean = 0;
  let weight = 0;
  return values.map((value) => {
    mean = strength * mean + (1 - strength) * value;
    weight = strength * weight + (1 - strength);
    return mean / weight;
  });
}

/** At most `most` points: each the mean of its neighbours, at the place of the last of them. */
export function thin(line: Line, most: number): Line {
  if (line.x.length <= most) return line;
  const width = Math.ceil(line.x.length / most);
  const x: number[] = [];
  const y: number[] = [];
  for (let start = 0; start < line.x.length; start += width) {
    const values = line.y.slice(start, start + width);
    x.push(line.x[start + values.length - 1]!);
    y.push(values.reduce((sum, value) => sum + value, 0) / values.length);
  }
  return { ...line, x, y };
}

/** Evenly spread indices of a list, the last one among them. */
export function spread(length: number, most: number): readonly number[] {
  const step = Math.max(1, Math.ceil(length / most));
  return Array.from({ length: Math.ceil(length / step) }, (_, i) => length - 1 - i * step).toReversed();
}
