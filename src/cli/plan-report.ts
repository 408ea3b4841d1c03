// A plan as people read it, on one screen, and as programs do.

import { activeShare, WEIGHT_PARTS, type WeightGroup, type WeightPart } from "../model/cost.ts";
import type { KvDType } from "../tensor/dtype.ts";
import { defined } from "../util/assert.ts";
import type { Cli } from "./cli.ts";
import {
  formatAmount,
  formatBytes,
  formatContext,
  formatCount,
  formatDuration,
  formatFields,
  formatTable,
  significant,
} from "./format.ts";
import { describeBuild, describeMachine } from "./machine.ts";
import { elementBytes, type MeasuredMachine, MODEL_ERROR, REACHED } from "./machine-speed.ts";
import type { Plan, Range } from "./plan.ts";
import type { PlannedMachine } from "./planned-machine.ts";
import type { PlannedModel } from "./planned-model.ts";

const PART_NAMES: Readonly<Record<WeightPart, string>> = {
  attention: "attention",
  dense: "dense feed-forward",
  experts: "experts",
  router: "routers",
  norms: "norms",
  lmHead: "LM head",
  embedding: "embedding",
  mtp: "MTP heads",
};

export function describePlan(model: PlannedModel, machine: PlannedMachine, plan: Plan, kvDType: KvDType): object {
  const { described, measured, backend, ramBytes, availableBytes, diskBytesPerSecond } = machine;
  return {
    build: describeBuild(),
    model: {
      name: model.name,
      config: model.config,
      numMtpHeads: model.numMtpHeads,
      weights: model.weights,
      bytes: total(model.weights, ({ bytes }) => bytes),
      bytesPerToken: Math.round(total(model.weights, ({ part, bytes }) => bytes * activeShare(part, model.config))),
    },
    machine: {
      ...(measured === null ? { described } : { ...describeMachine(), backend, measured }),
      ramBytes: ramBytes ?? null,
      availableBytes: Number.isFinite(availableBytes) ? availableBytes : null,
      diskBytesPerSecond,
    },
    kv: kvDType,
    ...plan,
    assumptions: assumptions(machine, plan),
    warnings: model.warnings,
  };
}

export function printPlan(
  { output, messages }: Cli,
  model: PlannedModel,
  machine: PlannedMachine,
  plan: Plan,
  kvDType: KvDType,
): void {
  const { bold, dim, yellow } = output.style;
  output.line(bold(output.untrusted(model.name)));
  output.line(formatTable(weightRows(model)).join("\n"));
  output.line(`\n${formatFields(describeFields(machine, plan)).join("\n")}\n`);
  output.line(formatTable(contextRows(plan, kvDType)).join("\n"));
  for (const line of [...draftLines(plan), ...assumptions(machine, plan)]) output.line(dim(line));
  for (const warning of model.warnings) messages.line(`${yellow("warning:")} ${messages.untrusted(warning)}`);
}

function weightRows({ config, weights }: PlannedModel): string[][] {
  const row = (name: string, groups: readonly WeightGroup[]): string[] => [
    name,
    [...new Set(groups.map(({ dtype }) => dtype))].join(", "),
    formatCount(total(groups, ({ parameters }) => parameters)),
    formatBytes(total(groups, ({ bytes }) => bytes)),
    formatBytes(total(groups, ({ part, bytes }) => bytes * activeShare(part, config))),
  ];
  const parts = WEIGHT_PARTS.map((part) =>
    row(
      PART_NAMES[part],
      weights.filter((group) => group.part === part),
    ),
  );
  return [
    ["weights", "types", "parameters", "bytes", "read per token"],
    ...parts.filter(([, types]) => types !== ""),
    row("together", weights).with(1, ""),
  ];
}

function describeFields(machine: PlannedMachine, plan: Plan): (readonly [string, string])[] {
  const { described, measured, backend, ramBytes, availableBytes } = machine;
  const fields: (readonly [string, string])[] = [];
  if (measured !== null) {
    const took = formatDuration(measured.milliseconds);
    fields.push(["machine", `${describeMachine().cpu}, ${backend}; measured in ${took}`]);
    fields.push(["kernels", kernelSpeeds(measured)]);
  } else if (described !== null) {
    const { bytesPerSecond, operationsPerSecond: rates } = described;
    const arithmetic =
      rates === undefined
        ? "arithmetic not given (--flops)"
        : `${formatAmount(rates.int8, "OP/s")} int8 and ${formatAmount(rates.f32, "FLOP/s")} f32`;
    fields.push(["machine", `as described: ${formatBytes(bytesPerSecond)}/s, ${arithmetic}`]);
  }
  const memory =
    ramBytes === undefined ? "not given (--ram)" : `${formatBytes(ramBytes)}, ${formatBytes(availableBytes)} available`;
  return [...fields, ["memory", memory], ["verdict", verdict(plan, ramBytes !== undefined)]];
}

/** What memory gives, and what each product reaches: reading with one row, computing with many. */
function kernelSpeeds({ products, bytesPerSecond }: MeasuredMachine): string {
  const speeds = products.map(({ op, dtype, points }) => {
    const [first, last] = [defined(points[0], "a point"), defined(points.at(-1), "a point")];
    const reading = formatBytes(elementBytes(dtype) / first.seconds.median);
    return `${op} ${dtype} ${reading}/s alone, ${formatAmount((2 * last.rows) / last.seconds.median, "FLOP/s")} in batches`;
  });
  return [`memory ${formatBytes(bytesPerSecond)}/s`, ...speeds].join("\n         ");
}

function verdict({ contexts }: Plan, isMemoryKnown: boolean): string {
  const alone = contexts.map(({ tokens, decode }) => ({ tokens, ...defined(decode[0], "a batch") }));
  const fitting = alone.findLast(({ memory }) => memory.fit === "fits");
  if (fitting !== undefined) {
    const what = `with ${formatContext(fitting.tokens)} tokens of context`;
    return isMemoryKnown
      ? `fits, ${what} in ${formatBytes(fitting.memory.bytes)}`
      : `needs ${formatBytes(fitting.memory.bytes)} ${what}`;
  }
  const partly = alone.findLast(({ memory }) => memory.fit === "experts from disk");
  if (partly === undefined) {
    return `too large: what every token reads does not fit; all of it takes ${formatBytes(defined(alone[0], "a context").memory.bytes)}`;
  }
  const share = percent(partly.memory.hitShare);
  return `larger than memory: with ${formatContext(partly.tokens)} tokens it holds ${share} of the experts, the others come from the disk`;
}

function contextRows({ contexts }: Plan, kvDType: KvDType): string[][] {
  const others = contexts[0]?.decode.slice(1) ?? [];
  const first = contexts[0]?.decode[0]?.batch ?? 1;
  // What the KV cache of another type takes stands beside it.
  const kvTypes = [...new Set<KvDType>([kvDType, "f16", "q8_0"])];
  const isPartial = contexts.some(({ decode }) => decode.some(({ memory }) => memory.fit === "experts from disk"));
  return [
    [
      "context",
      ...kvTypes.map((dtype) => `KV ${dtype}`),
      "memory",
      ...(isPartial ? ["experts held"] : []),
      "prefill tokens/s",
      first === 1 ? "decode tokens/s" : `${first} at once`,
      ...others.map(({ batch }) => `${batch} at once`),
    ],
    ...contexts.map((context) => [
      formatContext(context.tokens),
      ...kvTypes.map((dtype) => formatBytes(context.kvBytes[dtype])),
      formatBytes(defined(context.decode[0], "a batch").memory.bytes),
      ...(isPartial ? [percent(context.decode[0]?.memory.hitShare ?? 0)] : []),
      formatRange(context.prefill),
      ...context.decode.map(({ tokensPerSecond }) => formatRange(tokensPerSecond)),
    ]),
  ];
}

function draftLines({ speculation }: Plan): string[] {
  if (speculation.length === 0) return [];
  const costs = speculation.map(({ drafts, cost }) => `${drafts}: ${cost.toFixed(2)}`).join(", ");
  return [
    `Drafts per step and what such a step costs, in plain steps: ${costs}. More tokens per step than that is gain.`,
  ];
}

/** What the figures rest on, in sentences. */
function assumptions({ described, diskBytesPerSecond }: PlannedMachine, { contexts }: Plan): string[] {
  const readsDisk = contexts.some(({ decode }) => decode.some(({ memory }) => memory.fit === "experts from disk"));
  return [
    "Speeds are without drafts, and routing is taken as random.",
    ...(described === null
      ? [`Ranges: the spread of the measurement, and ${percent(MODEL_ERROR)} for what the model of cost leaves out.`]
      : [`Kernels are taken to reach ${reached("memory")} of the bandwidth.`]),
    ...(described?.operationsPerSecond === undefined
      ? []
      : [`Kernels are taken to reach ${reached("arithmetic")} of the arithmetic.`]),
    ...(readsDisk
      ? [`Experts that memory does not hold are read at ${formatBytes(diskBytesPerSecond)}/s (--disk).`]
      : []),
  ];
}

function reached(what: "memory" | "arithmetic"): string {
  const { slow, expected, fast } = REACHED;
  return `${percent(expected[what])}, in ranges ${percent(slow[what])} to ${percent(fast[what])},`;
}

function formatRange(range: Range | null): string {
  return range === null ? "–" : `${significant(range.expected)} (${significant(range.low)}–${significant(range.high)})`;
}

function percent(share: number): string {
  return `${Math.floor(100 * share)} %`;
}

function total(groups: readonly WeightGroup[], of: (group: WeightGroup) => number): number {
  return groups.reduce((sum, group) => sum + of(group), 0);
}
