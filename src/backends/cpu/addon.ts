// Finds and loads the native addon build/mimo_cpu.node of this package, and says plainly why where it cannot.
//
// Loading happens on request, once per thread; nothing runs at import.

import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { MimoError } from "../../util/errors.ts";
import { packageRoot } from "../../util/package-root.ts";

/** A device inside the addon; ends with this object or with `destroy`. */
export type Device = object & { readonly device: unique symbol };

/** Functions of addon.cpp. They check every argument and throw errors whose `code` is one of ours. */
export interface Addon {
  /** Instruction-set variants that this machine can run, best first. */
  variants(): string[];
  /** Kernel names of a variant, in the order of the ids that commands use. */
  kernels(variant: string): string[];
  create(variant: string, threads: number): Device;
  destroy(device: Device): void;
  alloc(device: Device, byteLength: number): number;
  mapFile(device: Device, path: string): [handle: number, byteLength: number];
  free(device: Device, handle: number): void;
  /** `matrices` and `scales` are (handle, byteOffset) pairs. */
  prepareWeight(
    device: Device,
    dtypeCode: number,
    outFeatures: number,
    inFeatures: number,
    rowBytes: number,
    scaleRows: number,
    matrices: Float64Array,
    scales: Float64Array | null,
  ): number;
  /** 1 where the weight was packed into tiles, 0 where they cannot hold one of its values. */
  packWeight(device: Device, id: number): number;
  freeWeight(device: Device, id: number): void;
  /** 1 where the system promises to keep the weight in memory, otherwise 0. */
  lockWeight(device: Device, id: number): number;
  limitFetched(device: Device, bytes: number): void;
  upload(device: Device, handle: number, byteOffset: number, bytes: Uint8Array): void;
  download(device: Device, handle: number, byteOffset: number, bytes: Uint8Array): void;
  /** Runs the commands in the first `length` numbers, all threads together; returns when the last is done. */
  execute(device: Device, commands: Float64Array, length: number): void;
  stats(device: Device): [memories: number, weights: number, allocatedBytes: number];
  fetchStats(
    device: Device,
  ): [uses: number, hits: number, bytesRead: number, waitMs: number, heldBytes: number, limitBytes: number];
}

export type CpuBackendStatus =
  | { readonly isAvailable: true; readonly path: string; readonly variants: readonly string[] }
  | {
      readonly isAvailable: false;
      readonly path: string;
      readonly reason: string;
      readonly remedy: string;
    };

/** Whether the CPU backend can run here, with which instruction sets; else why not and what to do. */
export function cpuBackendStatus(): CpuBackendStatus {
  const path = join(packageRoot(), "build", "mimo_cpu.node");
  const unavailable = (reason: string, remedy: string) => ({ isAvailable: false, path, reason, remedy }) as const;
  if (!["linux", "darwin"].includes(process.platform) || !["x64", "arm64"].includes(process.arch)) {
    return unavailable(
      `The CPU addon does not support ${process.platform} on ${process.arch}.`,
      "Use Linux (on Windows: WSL) or macOS on x86-64 or arm64, or the reference backend.",
    );
  }
  if (!existsSync(path)) {
    return unavailable(
      `The CPU addon has not been built: ${path} does not exist.`,
      "Run `mimo doctor --build-addon` (with npx where mimo is not on the PATH), or use the reference backend.",
    );
  }
  let variants: readonly string[];
  try {
    variants = load(path).variants();
  } catch (error) {
    return unavailable(
      `The CPU addon ${path} could not be loaded: ${error instanceof Error ? error.message : String(error)}`,
      "Rebuild it for this machine with `mimo doctor --build-addon`.",
    );
  }
  if (variants.length > 0) return { isAvailable: true, path, variants };
  return unavailable(
    "This processor is too old for the CPU addon, which needs AVX2 and FMA (x86-64) or Armv8.2 (arm64).",
    "Use the reference backend.",
  );
}

/** The addon, or `backend_unavailable` with the remedy. */
export function loadAddon(): { readonly addon: Addon; readonly variants: readonly string[] } {
  const status = cpuBackendStatus();
  if (status.isAvailable) return { addon: load(status.path), variants: status.variants };
  throw new MimoError("backend_unavailable", status.reason, { remedy: status.remedy });
}

// `require` caches per path and thread.
function load(path: string): Addon {
  return createRequire(import.meta.url)(path) as Addon;
}
