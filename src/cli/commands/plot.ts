// `mimo plot`: the curves of a training run, from its metrics, as a picture.

import { writeFileSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { Command } from "commander";
import { type Metrics, METRICS_FILE, parseMetrics } from "../../train/metrics-log.ts";
import type { Cli } from "../cli.ts";
import { drawCurves, type Line, type Panel } from "../curves.ts";
import { readTextFile } from "../files.ts";
import { plural } from "../format.ts";
import { examples } from "../options.ts";

interface PlotFlags {
  readonly out?: string;
}

export function plotCommand(cli: Cli): Command {
  return new Command("plot")
    .description("Draw the curves of a training run: losses, gradient, load of the experts, speed.")
    .argument("<run>", "the run's folder, such as runs/nano; it may still be training")
    .option("--out <file>", "the .svg file; default: curves.svg in the run's folder")
    .action((run: string, flags: PlotFlags) => plot(cli, run, flags))
    .addHelpText("after", examples(["mimo plot runs/nano", "Writes runs/nano/curves.svg."]));
}

async function plot(cli: Cli, run: string, { out = join(run, "curves.svg") }: PlotFlags): Promise<void> {
  const metrics = parseMetrics(await readTextFile(join(run, METRICS_FILE), cli), run);
  writeFileSync(out, drawCurves(basename(resolve(run)), panelsOf(metrics), "step"));
  cli.output.line(`Wrote ${out}: ${plural(metrics.length, "step")}.`);
}

function panelsOf(metrics: readonly Metrics[]): Panel[] {
  const line = (name: string, of: (one: Metrics) => number | undefined): Line => ({
    name,
    points: metrics.map((one) => [one.totalSteps, of(one) ?? Number.NaN]),
  });
  const heads = Math.max(...metrics.map(({ mtpLosses }) => mtpLosses.length));
  return [
    {
      title: "cross-entropy, nats per token",
      lines: [
        line("trunk", ({ loss }) => loss),
        line("held out", ({ heldoutLoss }) => heldoutLoss),
        ...Array.from({ length: heads }, (_, head) => line(`MTP head ${head + 1}`, ({ mtpLosses }) => mtpLosses[head])),
      ],
    },
    { title: "norm of the gradient", lines: [line("before clipping", ({ gradientNorm }) => gradientNorm)] },
    { title: "learning rate", lines: [line("learning rate", (one) => one.learningRate)] },
    {
      title: "load of the busiest expert above the mean (MaxVio)",
      lines: [
        line("worst layer", ({ maxViolation }) => Math.max(...maxViolation)),
        line("mean of layers", ({ maxViolation }) => maxViolation.reduce((a, b) => a + b, 0) / maxViolation.length),
      ],
    },
    {
      title: "elements with a gradient of zero",
      lines: [
        line("experts", ({ numZeros }) => numZeros.experts),
        line("router", ({ numZeros }) => numZeros.router),
        line("rest", ({ numZeros }) => numZeros.rest),
      ],
    },
    { title: "tokens per second", lines: [line("training", ({ tokensPerSecond }) => tokensPerSecond)] },
  ];
}
