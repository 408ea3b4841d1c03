// The CPU backend without any op: memory, files, the command queue, threads, and misuse. Skipped where the addon
// cannot run.

import { mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, describe, expect, it } from "vitest";
import { packedBytes } from "../../model/packing.ts";
import { type DType, DTYPES, rowBytes } from "../../tensor/dtype.ts";
import { type Memory, type Tensor, view } from "../../tensor/tensor.ts";
import { MimoError } from "../../util/errors.ts";
import type { Backend, Kernel } from "../backend.ts";
import { cpuBackendStatus, loadAddon } from "./addon.ts";
import { linear } from "../../ops/linear/linear.ts";
import { createCpuBackend } from "./native.ts";

const status = cpuBackendStatus();
const folder = mkdtempSync(join(tmpdir(), "mimo-native-"));
afterAll(() => rmSync(folder, { recursive: true }));

function bytesTensor(memory: Memory, length = memory.byteLength, byteOffset = 0): Tensor {
  return view(memory, "f8_e4m3", [length], byteOffset);
}

function download(backend: Backend, tensor: Tensor): Uint8Array {
  const bytes = new Uint8Array(tensor.shape[0] ?? 0);
  backend.download(tensor, bytes);
  return bytes;
}

function pattern(length: number, seed = 1): Uint8Array {
  return Uint8Array.from({ length }, (_, i) => (i * 31 + seed * 17 + (i >> 8)) & 255);
}

function codeOf(action: () => unknown): string {
  try {
    action();
  } catch (error) {
    return error instanceof MimoError ? error.code : `not a MimoError: ${String(error)}`;
  }
  return "nothing was thrown";
}

describe.skipIf(!status.isAvailable)("the CPU backend", () => {
  const backends: Backend[] = [];
  const create = (options: Parameters<typeof createCpuBackend>[0] = { threads: 2 }): Backend => {
    const backend = createCpuBackend(options);
    backends.push(backend);
    return backend;
  };
  afterAll(() => backends.forEach((backend) => backend[Symbol.dispose]()));

  it("counts what is held, down to zero", () => {
    const backend = create();
    const a = backend.alloc(1000);
    const b = backend.alloc(0);
    const weight = backend.prepareWeight({
      dtype: "f32",
      outFeatures: 2,
      inFeatures: 16,
      matrices: [view(a, "f32", [2, 16]), view(a, "f32", [2, 16], 128)],
    });
    expect(weight).toMatchObject({
      dtype: "f32",
      numMatrices: 2,
      outFeatures: 2,
      inFeatures: 16,
      byteLength: 256,
    });
    expect(backend.stats()).toEqual({ memories: 2, weights: 1, allocatedBytes: 1000 });
    backend.freeWeight(weight);
    backend.free(a);
    backend.free(b);
    expect(backend.stats()).toEqual({ memories: 0, weights: 0, allocatedBytes: 0 });
  });

  it("gives zeroed memory, committed when it is touched", () => {
    const backend = create();
    const huge = backend.alloc(2 ** 40);
    expect(download(backend, bytesTensor(huge, 64, 2 ** 39))).toEqual(new Uint8Array(64));
    backend.free(huge);
    expect(codeOf(() => backend.alloc(2 ** 52))).toBe("out_of_memory");
  });

  it.each([1, 2, 3, 4])("copies with %i threads", (threads) => {
    const backend = create({ threads });
    const length = 1_000_003;
    const bytes = pattern(length);
    const [a, b, c] = [backend.alloc(length), backend.alloc(length + 8), backend.alloc(length)] as const;
    backend.upload(bytesTensor(a), bytes);
    backend.copy(bytesTensor(a), bytesTensor(b, length, 8));
    backend.copy(bytesTensor(b, length, 8), bytesTensor(c));
    expect(Buffer.compare(download(backend, bytesTensor(c)), bytes)).toBe(0);
    expect(download(backend, bytesTensor(b, 8))).toEqual(new Uint8Array(8));
  });

  it("runs commands in order over many flushes and many commands in one flush", () => {
    const backend = create({ threads: 3 });
    const numCells = 64;
    const memory = backend.alloc(numCells);
    const cell = (i: number) => bytesTensor(memory, 1, i % numCells);
    for (let round = 1; round <= 200; round++) {
      backend.upload(cell(0), Uint8Array.of(round));
      for (let i = 0; i < (round === 100 ? 5_000 : numCells - 1); i++) {
        if ((i + 1) % numCells !== 0) backend.copy(cell(i), cell(i + 1));
      }
      expect(download(backend, cell(numCells - 1))[0]).toBe(round);
    }
  });

  it("maps files, one map per file, and survives their replacement", () => {
    const backend = create();
    const path = join(folder, "weights");
    const bytes = pattern(10_000, 3);
    writeFileSync(path, bytes);
    const first = backend.mapFile(path);
    const second = backend.mapFile(path);
    expect(first.byteLength).toBe(10_000);
    expect(backend.stats()).toMatchObject({ memories: 2, allocatedBytes: 0 });
    backend.free(first);
    writeFileSync(`${path}.new`, new Uint8Array(5));
    renameSync(`${path}.new`, path);
    expect(Buffer.compare(download(backend, bytesTensor(second)), bytes)).toBe(0);
    expect(codeOf(() => backend.upload(bytesTensor(second, 1), new Uint8Array(1)))).toBe("invalid_argument");
    expect(() => backend.copy(bytesTensor(second, 1), bytesTensor(second, 1, 5))).toThrow(/mapped file/);
    backend.free(second);
    expect(backend.stats().memories).toBe(0);
  });

  it("refuses to read a mapped file that was cut short", () => {
    const backend = create();
    const path = join(folder, "truncated");
    writeFileSync(path, pattern(100_000));
    const file = backend.mapFile(path);
    const target = backend.alloc(100_000);
    truncateSync(path, 10);
    expect(codeOf(() => download(backend, bytesTensor(file)))).toBe("io_failed");
    backend.copy(bytesTensor(file), bytesTensor(target));
    expect(codeOf(() => backend.sync())).toBe("io_failed");
  });

  it("names the file that cannot be mapped", () => {
    const backend = create();
    const missing = join(folder, "missing");
    expect(codeOf(() => backend.mapFile(missing))).toBe("not_found");
    expect(() => backend.mapFile(missing)).toThrow(missing);
    expect(codeOf(() => backend.mapFile(folder))).toBe("io_failed");
  });

  it("keeps a weight's memory alive until the weight is freed", () => {
    const backend = create();
    const memory = backend.alloc(4096);
    const weight = backend.prepareWeight({
      dtype: "f32",
      outFeatures: 1,
      inFeatures: 1024,
      matrices: [view(memory, "f32", [1, 1024])],
    });
    backend.free(memory);
    expect(backend.stats()).toEqual({ memories: 0, weights: 1, allocatedBytes: 0 });
    backend.freeWeight(weight);
    expect(codeOf(() => backend.freeWeight(weight))).toBe("invalid_argument");
  });

  it("replays what was recorded on what the memory holds by then", () => {
    const backend = create();
    const [a, b] = [bytesTensor(backend.alloc(64)), bytesTensor(backend.alloc(64))];
    backend.upload(a, new Uint8Array(64).fill(1));
    const replay = backend.record(() => backend.copy(a, b));
    expect(download(backend, b)).toEqual(new Uint8Array(64).fill(1));
    backend.upload(a, new Uint8Array(64).fill(2));
    replay();
    expect(download(backend, b)).toEqual(new Uint8Array(64).fill(2));
    backend.free(a.memory);
    replay();
    expect(codeOf(() => backend.sync())).toBe("invalid_argument");
  });

  it("keeps a packed weight in memory of its own, released with it", () => {
    const backend = create();
    const memory = backend.alloc(40 * 32 * 4);
    const source = { dtype: "f32", outFeatures: 40, inFeatures: 32, packed: true } as const;
    const weight = backend.prepareWeight({ ...source, matrices: [view(memory, "f32", [40, 32])] });
    backend.free(memory);
    // Three tiles of sixteen rows hold forty.
    expect(backend.stats()).toEqual({ memories: 0, weights: 1, allocatedBytes: 48 * 32 * 4 });
    backend.freeWeight(weight);
    expect(backend.stats()).toEqual({ memories: 0, weights: 0, allocatedBytes: 0 });
  });

  it.each((Object.keys(DTYPES) as DType[]).filter((dtype) => dtype !== "i32"))(
    "packs %s into as many bytes as are planned",
    (dtype) => {
      const backend = create();
      const bytes = rowBytes(dtype, 512)! * 16;
      const memory = backend.alloc(bytes);
      const scales = view(backend.alloc(16), "f32", [1, 4]);
      const weight = backend.prepareWeight({
        dtype,
        outFeatures: 16,
        inFeatures: 512,
        matrices: [view(memory, dtype, [16, 512])],
        packed: true,
        ...(dtype === "f8_e4m3" ? { scales: [scales], scaleRows: 128 } : {}),
      });
      const before = backend.stats().allocatedBytes - bytes - 16;
      expect(weight.isPacked).toBe(true);
      expect(before).toBeCloseTo(packedBytes(dtype, bytes), 6);
    },
  );

  it.each([
    ["a code that is not a number", 0x7f, 1],
    ["a scale beyond what tiles hold", 0x38, 1024],
  ])("leaves an FP8 matrix with %s where it lies, and computes with it", (_, code, scale) => {
    const backend = create();
    const codes = new Uint8Array(16 * 32).fill(0x38); // ones
    codes[5] = code;
    const [matrix, scales] = [backend.alloc(16 * 32), backend.alloc(4)];
    backend.upload(view(matrix, "f8_e4m3", [16, 32]), codes);
    backend.upload(view(scales, "f32", [1, 1]), new Uint8Array(Float32Array.of(scale).buffer));
    const weight = backend.prepareWeight({
      dtype: "f8_e4m3",
      outFeatures: 16,
      inFeatures: 32,
      matrices: [view(matrix, "f8_e4m3", [16, 32])],
      scales: [view(scales, "f32", [1, 1])],
      scaleRows: 128,
      packed: true,
    });
    const x = view(backend.alloc(32 * 4), "f32", [1, 32]);
    backend.upload(x, new Uint8Array(new Float32Array(32).fill(1).buffer));
    const out = view(backend.alloc(16 * 4), "f32", [1, 16]);
    linear(backend, { x, weight, out });
    const products = new Float32Array(16);
    backend.download(out, new Uint8Array(products.buffer));
    expect(products[0]).toEqual(code === 0x7f ? Number.NaN : scale * 32);
    expect(products[1]).toBe(scale * 32);
  });

  it("throws for handles that were freed, offsets out of bounds, and unknown kernels", () => {
    const backend = create();
    const freed = backend.alloc(64);
    const other = backend.alloc(64);
    backend.free(freed);
    const reused = backend.alloc(64);
    expect(reused.handle).not.toBe(freed.handle);
    expect(codeOf(() => backend.free(freed))).toBe("invalid_argument");
    expect(codeOf(() => download(backend, bytesTensor(freed)))).toBe("invalid_argument");
    backend.copy(bytesTensor(freed), bytesTensor(other));
    expect(codeOf(() => backend.sync())).toBe("invalid_argument");
    const beyond: Tensor = { memory: other, byteOffset: 60, dtype: "f32", shape: [2] };
    expect(codeOf(() => backend.download(beyond, new Uint8Array(8)))).toBe("invalid_argument");
    const matrix: Tensor = { memory: other, byteOffset: 0, dtype: "f32", shape: [2, 16] };
    const weight = { dtype: "f32", outFeatures: 2, inFeatures: 16, matrices: [matrix] } as const;
    expect(codeOf(() => backend.prepareWeight(weight))).toBe("invalid_argument");
    const unknown: Kernel = { name: "no_such_kernel", reference: () => undefined };
    expect(codeOf(() => backend.require([unknown]))).toBe("kernel_missing");
    expect(codeOf(() => backend.run(unknown, { tensors: [] }))).toBe("kernel_missing");
  });

  it("throws `disposed` after it was disposed, and releases what was still held", () => {
    const backend = createCpuBackend({ threads: 2 });
    backend.alloc(1 << 20);
    backend[Symbol.dispose]();
    backend[Symbol.dispose]();
    expect(codeOf(() => backend.alloc(1))).toBe("disposed");
  });

  it("refuses bad options", () => {
    expect(codeOf(() => createCpuBackend({ threads: 0 }))).toBe("invalid_argument");
    expect(codeOf(() => createCpuBackend({ threads: 1.5 }))).toBe("invalid_argument");
    expect(codeOf(() => createCpuBackend({ variant: "mmx" }))).toBe("invalid_argument");
  });

  it("offers the same kernels in every variant", () => {
    const { addon, variants } = loadAddon();
    for (const variant of variants) expect(addon.kernels(variant)).toEqual(addon.kernels(variants[0] ?? ""));
  });

  it("checks every command before the first one runs", () => {
    const { addon, variants } = loadAddon();
    const device = addon.create(variants[0] ?? "", 1);
    const handle = addon.alloc(device, 64);
    const bad: readonly (readonly number[])[] = [
      [0, 2, 0],
      [-1, 0, 0, 0],
      [1e9, 0, 0, 0],
      [NaN, 0, 0, 0],
      [0, 1e15, 0, 0],
      [0, 0.5, 0, 0],
      [0, 2, 0, 1, handle, 0, 0],
      [0, 1, 0, 0, handle, 65, 0],
      [0, 1, 0, 0, handle, -1, 0],
      [0, 1, 0, 0, handle, 0, 23],
      [0, 1, 0, 0, handle + 1, 0, 0],
      [0, 1, 0, 0, Infinity, 0, 0],
      [0, 0, 1, 0, 1],
    ];
    for (const command of bad) {
      expect(() => addon.execute(device, Float64Array.from(command), command.length)).toThrow();
    }
    expect(() => addon.execute(device, new Float64Array(4), 5)).toThrow(/length/);
    expect(() => addon.alloc({} as typeof device, 1)).toThrow(/device/);
    expect(() => addon.upload(device, handle, 0, "text" as unknown as Uint8Array)).toThrow(/Uint8Array/);
    expect(() => addon.alloc(device, "1" as unknown as number)).toThrow();
    addon.destroy(device);
  });

  it("works in several threads at once, also when they end without disposing", async () => {
    const path = JSON.stringify(status.path);
    const code = `
      const { parentPort } = require("node:worker_threads");
      const addon = require(${path});
      const device = addon.create(undefined, 2);
      const [a, b] = [addon.alloc(device, 1e6), addon.alloc(device, 1e6)];
      const copy = addon.kernels(undefined).indexOf("copy");
      addon.upload(device, a, 0, new Uint8Array(1e6).fill(7));
      const commands = Float64Array.of(copy, 2, 0, 1, a, 0, 3, b, 0, 3, 1e6);
      for (let i = 0; i < 100; i++) addon.execute(device, commands, commands.length);
      const bytes = new Uint8Array(1e6);
      addon.download(device, b, 0, bytes);
      parentPort.postMessage(bytes.every((byte) => byte === 7));`;
    const outcomes = Array.from({ length: 4 }, async () => {
      const worker = new Worker(code, { eval: true });
      const exited = new Promise<number>((resolve) => worker.once("exit", resolve));
      const isRight = await new Promise<boolean>((resolve, reject) => {
        worker.once("message", resolve);
        worker.once("error", reject);
      });
      return [isRight, await exited];
    });
    expect(await Promise.all(outcomes)).toEqual(Array.from({ length: 4 }, () => [true, 0]));
  });
});
