// The curves of the chosen runs.

import { useMemo } from "react";
import { type Curve, type CurveOptions, linesOf, mean, mostHeads, type ShownRun } from "./curves.ts";
import { formatLoss, formatRate, formatWhole } from "./numbers.ts";
import { formatNumber, useLanguage, useText } from "../i18n/i18n.ts";
import { Chart } from "../ui/chart/chart.tsx";
import type { Line } from "../ui/chart/lines.ts";
import { formatCount } from "../ui/format.ts";

interface Board {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly formatY: (value: number) => string;
  readonly yRange?: readonly [number, number];
}

export interface ChartsProps {
  readonly runs: readonly ShownRun[];
  readonly options: CurveOptions;
}

export function Charts({ runs, options }: ChartsProps) {
  const text = useText();
  const language = useLanguage();
  const boards = useMemo(() => boardsOf(runs, options, text), [runs, options, text, language]);
  return (
    <div className="chart-grid">
      {boards.map((board) => (
        <Chart
          key={board.title}
          {...board}
          xLabel={text(options.axis === "steps" ? "training.step" : "training.tokens")}
          formatX={options.axis === "steps" ? formatWhole : formatCount}
          group="training"
        />
      ))}
    </div>
  );
}

function boardsOf(
  runs: readonly ShownRun[],
  options: CurveOptions,
  text: ReturnType<typeof useText>,
): readonly Board[] {
  const heads = Array.from({ length: mostHeads(runs) }, (_, head): Curve => ({
    label: text("training.head", { n: head + 1 }),
    read: ({ mtpLosses }) => mtpLosses[head],
  }));
  const lines = (...curves: readonly Curve[]): readonly Line[] => linesOf(runs, curves, options);
  const boards: readonly Board[] = [
    {
      title: text("training.loss"),
      lines: lines(
        { label: text("training.loss-trained"), read: ({ loss }) => loss },
        { label: text("training.heldout"), read: ({ heldoutLoss }) => heldoutLoss, isSparse: true },
      ),
      formatY: formatLoss,
    },
    { title: text("training.mtp-losses"), lines: lines(...heads), formatY: formatLoss },
    {
      title: text("training.expert-load"),
      lines: lines(
        { label: text("training.worst-layer"), read: ({ maxViolation }) => Math.max(...maxViolation) },
        { label: text("training.mean-layer"), read: ({ maxViolation }) => mean(maxViolation) },
      ),
      formatY: formatNumber,
      yRange: [0, 1],
    },
    {
      title: text("training.learning-rate"),
      lines: linesOf(runs, [{ label: text("training.learning-rate"), read: ({ learningRate }) => learningRate }], {
        ...options,
        smoothing: 0,
      }),
      formatY: formatRate,
      yRange: [0, 0],
    },
    {
      title: text("training.gradient"),
      lines: lines({ label: text("training.gradient"), read: ({ gradientNorm }) => gradientNorm }),
      formatY: formatNumber,
      yRange: [0, 1],
    },
    {
      title: text("training.speed"),
      lines: lines({ label: text("training.speed"), read: ({ tokensPerSecond }) => tokensPerSecond }),
      formatY: formatWhole,
      yRange: [0, 1],
    },
  ];
  return boards.filter((board) => board.lines.length > 0);
}
