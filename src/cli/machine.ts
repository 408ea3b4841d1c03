// The machine that a measurement was taken on, and how fast its memory is.

import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { availableParallelism, cpus, totalmem } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { packageRoot } from "../util/package-root.ts";
import { packageVersion } from "./environment.ts";

export interface Machine {
  readonly cpu: string;
  readonly numLogicalCores: number;
  readonly memoryBytes: number;
  readonly platform: string;
  readonly node: string;
}

export function describeMachine(): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    numLogicalCores: availableParallelism(),
    memoryBytes: totalmem(),
    platform: `${process.platform} ${process.arch}`,
    node: process.versions.node,
  };
}

export interface Build {
  readonly version: string;
  /** In a checkout with git; undefined elsewhere. */
  readonly commit: string | undefined;
}

export function describeBuild(): Build {
  return { version: packageVersion(), commit: gitCommit() };
}

function gitCommit(): string | undefined {
  if (!existsSync(join(packageRoot(), ".git"))) return undefined;
  const git = (...args: string[]): string =>
    execFileSync("git", ["-C", packageRoot(), ...args], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
    }).trim();
  try {
    return (
      git("rev-parse", "--short", "HEAD") +
      (git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+changes")
    );
  } catch {
    return undefined;
  }
}

const COPY_BYTES = 1 << 26;
const COPY_MS = 400;

/** Each thread copies a buffer too large for its cache, again and again, and tells the bytes it read and wrote. */
const COPY_SOURCE = `
  const { parentPort, workerData: { bytes, ms } } = require("node:worker_threads");
  const source = new Uint8Array(bytes).fill(1);
  const target = new Uint8Array(bytes).fill(2);
  const end = performance.now() + ms;
  const started = performance.now();
  let moved = 0;
  while (performance.now() < end) { target.set(source); moved += 2 * bytes; }
  parentPort.postMessage(moved / (performance.now() - started));
`;

/** Bytes per second that all cores together copy, reads and writes counted: what decoding cannot exceed by much. */
export async function measureMemoryBandwidth(): Promise<number> {
  const copies = Array.from({ length: availableParallelism() }, async () => {
    const worker = new Worker(COPY_SOURCE, { eval: true, workerData: { bytes: COPY_BYTES, ms: COPY_MS } });
    return new Promise<number>((resolve, reject) => {
      worker.once("message", resolve);
      worker.once("error", reject);
    });
  });
  const rates = await Promise.all(copies);
  return 1000 * rates.reduce((sum, rate) => sum + rate, 0);
}
