// The machine to plan for: this one, measured, or another one, as it was described.

import { totalmem } from "node:os";
import { availableMemory } from "../backends/available-memory.ts";
import { createCpuBackend } from "../backends/cpu/native.ts";
import { activeShare } from "../model/cost.ts";
import type { Cli } from "./cli.ts";
import { watchInterrupt } from "./interrupt.ts";
import {
  type DescribedMachine,
  describedSpeed,
  type MeasuredMachine,
  measuredSpeed,
  type Product,
  type SpeedRange,
} from "./machine-speed.ts";
import { measureMachine } from "./measure-machine.ts";
import type { ModelFlags } from "./options.ts";
import type { PlannedModel } from "./planned-model.ts";
import { Progress } from "./progress.ts";

export interface MachineFlags extends Pick<ModelFlags, "threads" | "kv" | "activations"> {
  /** Bytes per second. */
  readonly bandwidth?: number;
  readonly flops?: { readonly int8: number; readonly f32: number };
  /** Bytes. */
  readonly ram?: number;
  /** Bytes per second. */
  readonly disk: number;
}

/** A machine and what was said or found of it. */
export interface PlannedMachine {
  readonly described: DescribedMachine | null;
  readonly measured: MeasuredMachine | null;
  /** Instruction set and threads of the measurement. */
  readonly backend: string | null;
  /** Undefined where nobody said. */
  readonly ramBytes: number | undefined;
  readonly availableBytes: number;
  readonly diskBytesPerSecond: number;
  readonly speed: SpeedRange;
}

/** What an operating system keeps of a memory that is described. */
const SYSTEM_BYTES = 2e9;
/** Products with a smaller share of what a token reads are taken to be like the largest ones. */
const MIN_MEASURED_SHARE = 0.05;
const MAX_MEASURED = 4;

/** Throws what the backend throws, and `aborted`. */
export async function planMachine(cli: Cli, model: PlannedModel, flags: MachineFlags): Promise<PlannedMachine> {
  const { ram, bandwidth, flops, kv = "f16", activations = "int16" } = flags;
  const diskBytesPerSecond = flags.disk;
  const left = ram === undefined ? undefined : Math.max(ram / 2, ram - SYSTEM_BYTES);
  if (bandwidth !== undefined) {
    const described = { bytesPerSecond: bandwidth, operationsPerSecond: flops };
    const speed = describedSpeed(described, { config: model.config, activations, kvDType: kv });
    const availableBytes = left ?? Infinity;
    return { described, measured: null, backend: null, ramBytes: ram, availableBytes, diskBytesPerSecond, speed };
  }
  // Before the measurement takes some of it.
  const availableBytes = left ?? availableMemory();
  using interrupt = watchInterrupt();
  using backend = createCpuBackend({ threads: flags.threads });
  const progress = new Progress(cli.messages, { label: "measuring this machine, step", format: String });
  try {
    const measured = await measureMachine(backend, {
      config: model.config,
      products: productsOf(model),
      activations,
      kvDType: kv,
      signal: interrupt.signal,
      onProgress: (done, total) => progress.update(done, total),
    });
    return {
      described: null,
      measured,
      backend: backend.description,
      ramBytes: ram ?? totalmem(),
      availableBytes,
      diskBytesPerSecond,
      speed: measuredSpeed(measured),
    };
  } finally {
    progress.clear();
  }
}

/** What a token spends its time with: the largest first, and at least one of each kind of product. */
function productsOf({ config, weights }: PlannedModel): Product[] {
  const sizes = new Map<string, Product & { bytes: number }>();
  for (const { part, dtype, bytes } of weights) {
    if (part === "norms" || part === "embedding" || part === "mtp") continue;
    const op = part === "experts" ? "experts" : "linear";
    const before = sizes.get(`${op} ${dtype}`);
    sizes.set(`${op} ${dtype}`, { op, dtype, bytes: (before?.bytes ?? 0) + bytes * activeShare(part, config) });
  }
  const largest = [...sizes.values()].toSorted((a, b) => b.bytes - a.bytes);
  const total = largest.reduce((sum, { bytes }) => sum + bytes, 0);
  const firstOf = new Set(["linear", "experts"].map((op) => largest.find((product) => product.op === op)));
  return largest
    .filter((product, i) => firstOf.has(product) || (i < MAX_MEASURED && product.bytes > MIN_MEASURED_SHARE * total))
    .map(({ op, dtype }) => ({ op, dtype }));
}
