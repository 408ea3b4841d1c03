// From the lines of runs to the lines of charts.
//
// One run alone has a colour for each curve; of several, each has its colour, and its curves differ in their look.

import type { StepMetrics } from "./runs.ts";
import { type Line, smooth, thin } from "../ui/chart/lines.ts";

export interface ShownRun {
  readonly name: string;
  /** Number of its colour. */
  readonly colour: number;
  readonly steps: readonly StepMetrics[];
}

export interface CurveOptions {
  readonly axis: "steps" | "tokens";
  /** 0 to 1. */
  readonly smoothing: number;
}

/** A kind of curve: its name, and what it shows of a step; undefined where that was not measured. */
export interface Curve {
  readonly label: string;
  readonly read: (step: StepMetrics) => number | undefined;
  /** Measured now and then. */
  readonly isSparse?: boolean;
}

const MAX_POINTS = 1200;
const LOOKS = ["plain", "dashed", "dotted"] as const;
const COLOURS = 8;

export function linesOf(runs: readonly ShownRun[], curves: readonly Curve[], options: CurveOptions): readonly Line[] {
  const lines = runs.flatMap((run) => {
    const places = placesOf(run.steps, options.axis);
    return curves.map((curve, i): Line => {
      const points = run.steps.flatMap((step, k) => {
        const value = curve.read(step);
        return value === undefined ? [] : [[places[k]!, value] as const];
      });
      const values = points.map(([, value]) => value);
      const line: Line = {
        label: labelOf(run, curve, runs.length, curves.length),
        colour: seriesColour(runs.length === 1 ? run.colour + i : run.colour),
        x: points.map(([place]) => place),
        y: curve.isSparse === true ? values : smooth(values, options.smoothing),
        look: curve.isSparse === true ? "dots" : runs.length === 1 ? "plain" : LOOKS[i % LOOKS.length]!,
      };
      return thin(line, MAX_POINTS);
    });
  });
  return lines.filter(({ x }) => x.length > 0);
}

function labelOf(run: ShownRun, curve: Curve, numRuns: number, numCurves: number): string {
  if (numRuns === 1) return curve.label;
  return numCurves === 1 ? run.name : `${run.name} · ${curve.label}`;
}

export function seriesColour(index: number): string {
  return `--series-${(index % COLOURS) + 1}`;
}

/** Steps or tokens up to each line. */
function placesOf(steps: readonly StepMetrics[], axis: CurveOptions["axis"]): readonly number[] {
  if (axis === "steps") return steps.map(({ totalSteps }) => totalSteps);
  let seen = 0;
  return steps.map(({ tokens }) => (seen += tokens));
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

export function mostHeads(runs: readonly ShownRun[]): number {
  return Math.max(0, ...runs.map(({ steps }) => steps.at(-1)?.mtpLosses.length ?? 0));
}
