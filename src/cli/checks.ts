// What `mimo doctor` looks at, one function per check. A check never throws: what goes wrong is its finding.

import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { availableParallelism, freemem, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { load } from "../api/load.ts";
import type { BackendName } from "../backends/backend.ts";
import { cpuBackendStatus } from "../backends/cpu/addon.ts";
import { initCheckpoint } from "../convert/init.ts";
import { toMimoError } from "../util/errors.ts";
import { embeddedModel } from "./environment.ts";
import { formatBytes, plural } from "./format.ts";
import { describeBuild, describeMachine, measureMemoryBandwidth } from "./machine.ts";

export interface Check {
  readonly name: string;
  /** `warning`: it works, but not as well as it could. */
  readonly status: "ok" | "warning" | "failed";
  readonly finding: string;
  readonly remedy?: string | undefined;
}

/** Findings as they are made, the slow ones last. */
export async function* runChecks(): AsyncGenerator<Check> {
  yield checkProgram();
  yield checkMachine();
  yield checkAddon();
  yield checkModel();
  yield await checkBandwidth();
  yield await checkNumerics();
}

function checkProgram(): Check {
  const { version, commit } = describeBuild();
  const finding = `mimo ${version}${commit === undefined ? "" : ` (${commit})`}, Node.js ${process.versions.node}`;
  return { name: "program", status: "ok", finding };
}

function checkMachine(): Check {
  const { cpu, platform } = describeMachine();
  const memory = `${formatBytes(freemem())} of ${formatBytes(totalmem())} memory free`;
  return {
    name: "machine",
    status: "ok",
    finding: `${cpu}, ${plural(availableParallelism(), "logical core")}, ${memory}, ${platform}`,
  };
}

function checkAddon(): Check {
  const status = cpuBackendStatus();
  if (status.isAvailable)
    return {
      name: "cpu backend",
      status: "ok",
      finding: `instruction sets ${status.variants.join(", ")}; ${status.path}`,
    };
  // A missing addon is a slow program; one that is there and cannot be loaded is a broken one.
  const isBroken = existsSync(status.path);
  const finding = `${status.reason}${isBroken ? "" : " The reference backend runs instead, about a hundred times slower."}`;
  return { name: "cpu backend", status: isBroken ? "failed" : "warning", finding, remedy: status.remedy };
}

function checkModel(): Check {
  const path = embeddedModel();
  if (existsSync(join(path, "config.json"))) return { name: "own model", status: "ok", finding: path };
  const finding = `${path} is missing, so commands need a model by name`;
  return { name: "own model", status: "warning", finding, remedy: "Install the package again." };
}

async function checkBandwidth(): Promise<Check> {
  try {
    const finding = `about ${formatBytes(await measureMemoryBandwidth())}/s, copied by all cores together`;
    return { name: "memory speed", status: "ok", finding };
  } catch (error) {
    return { name: "memory speed", status: "warning", finding: `could not be measured: ${toMimoError(error).message}` };
  }
}

/** Largest difference between the backends, in shares of the largest logit: they round in different orders. */
const TOLERANCE = 1e-3;
const IDS = [7, 105, 110, 259, 40, 260, 12, 99, 3, 200, 31, 64];

/** Whether a tiny model gives the same logits on every backend there is, and finite ones. */
async function checkNumerics(): Promise<Check> {
  const folder = mkdtempSync(join(tmpdir(), "mimo-doctor-"));
  try {
    const path = join(folder, "tiny");
    await initCheckpoint({ preset: "tiny", out: path });
    const expected = await logitsOf(path, "reference");
    const magnitude = maxOf(expected);
    if (!Number.isFinite(magnitude))
      return { name: "self-check", status: "failed", finding: "the reference backend's logits are not finite" };
    if (!cpuBackendStatus().isAvailable)
      return { name: "self-check", status: "ok", finding: "a tiny model runs on the reference backend" };
    const actual = await logitsOf(path, "cpu");
    const difference = maxOf(expected.map((value, i) => value - (actual[i] ?? Number.NaN))) / magnitude;
    const finding = `a tiny model's logits on the cpu and the reference backend differ by ${difference.toExponential(1)} of the largest`;
    if (difference <= TOLERANCE) return { name: "self-check", status: "ok", finding };
    return {
      name: "self-check",
      status: "failed",
      finding,
      remedy: "Run `mimo doctor --build-addon`; if that does not help, please report it.",
    };
  } catch (error) {
    const { message, remedy } = toMimoError(error);
    return { name: "self-check", status: "failed", finding: message, remedy };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

async function logitsOf(path: string, backend: BackendName): Promise<Float32Array> {
  await using mimo = await load(path, { backend, kvDType: "f32", contextLength: 64, maxSequences: 1 });
  return (await mimo.logits(IDS)).values;
}

/** NaN where any value is. */
function maxOf(values: Float32Array): number {
  return values.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
}
