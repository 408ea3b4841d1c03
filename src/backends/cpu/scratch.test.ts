import { expect, it, describe } from "vitest";
import { createCpuBackend } from "./native.ts";
import { view, type Tensor } from "../../tensor/tensor.ts";
import { DTYPES, rowBytes, type DType, type KvDType } from "../../tensor/dtype.ts";
import type { Backend, Kernel, HostTensor } from "../backend.ts";
import { ATTENTION } from "../../ops/attention/attention.ts";
import { KV_WRITE, KV_COPY } from "../../ops/kv-write/kv-write.ts";
import { RMS_NORM } from "../../ops/rms-norm/rms-norm.ts";
import { ROPE, ROPE_TABLE } from "../../ops/rope/rope.ts";
import { ROUTER } from "../../ops/router/router.ts";
import { SWIGLU } from "../../ops/swiglu/swiglu.ts";
import { COPY_ROWS } from "../../ops/copy-rows/copy-rows.ts";

let seed = 1;
const rnd = () => { seed = (Math.imul(seed, 1664525) + 1013904223) | 0; return (seed >>> 0) / 2 ** 32; };
const gauss = () => Math.sqrt(-2 * Math.log(rnd() + 1e-12)) * Math.cos(6.283185 * rnd());
const f32 = (n: number, s = 1) => Float32Array.from({ length: n }, () => gauss() * s);
type Arr = Float32Array | Int32Array | Uint8Array;
const dt = (a: Arr): DType => (a instanceof Float32Array ? "f32" : a instanceof Int32Array ? "i32" : "f8_e4m3");

export function both(backends: Backend[], kernel: Kernel, tensors: (Arr | [Uint8Array, DType] | null)[], scalars: number[]) {
  const host = tensors.map((t): HostTensor | null => {
    if (t === null) return null;
    const [a, d] = Array.isArray(t) ? t : [t, dt(t)];
    const copy = new Uint8Array(a.byteLength); copy.set(new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
    return { dtype: d, bytes: copy };
  });
  kernel.reference({ tensors: host, weights: [], scalars });
  const outs = backends.map((backend) => {
    const dev = tensors.map((t): Tensor | null => {
      if (t === null) return null;
      const [a, d] = Array.isArray(t) ? t : [t, dt(t)];
      const mem = backend.alloc(a.byteLength);
      const tt = view(mem, d, [a.byteLength / DTYPES[d].blockBytes * DTYPES[d].blockElements]);
      backend.upload(tt, new Uint8Array(a.buffer, a.byteOffset, a.byteLength));
      return tt;
    });
    backend.run(kernel, { tensors: dev, scalars });
    return dev.map((t, i) => {
      if (t === null) return null;
      const bytes = new Uint8Array(host[i]!.bytes.byteLength);
      backend.download(t, bytes);
      backend.free(t.memory);
      return bytes;
    });
  });
  return { ref: host.map((h) => h?.bytes ?? null), outs };
}
const asF = (b: Uint8Array) => new Float32Array(b.buffer, b.byteOffset, b.byteLength / 4);
function err(a: Float32Array, b: Float32Array) {
  let m = 0, mag = 0; for (let i = 0; i < a.length; i++) { const d = Math.abs(a[i]! - b[i]!); if (!(d <= m)) m = d; mag = Math.max(mag, Math.abs(b[i]!)); }
  return [m, mag];
}
const variants = ["avx512", "avx2"];
const backends = [...variants.map((variant) => createCpuBackend({ variant, threads: 2 })), createCpuBackend({ threads: 1 }), createCpuBackend({ threads: 4 })];
function check(kernel: Kernel, tensors: any[], scalars: number[], outIndex: number[], tol: number) {
  const { ref, outs } = both(backends, kernel, tensors, scalars);
  for (const o of outIndex) {
    const errs = outs.map((out) => err(asF(out[o]!), asF(ref[o]!)));
    const same = outs.map((out) => Buffer.compare(out[o]!, outs[0]![o]!) === 0);
    console.log(kernel.name, scalars.join(","), errs[0], same.join(" "));
    for (const [m] of errs) expect(m).toBeLessThanOrEqual(tol);
    expect(same.every(Boolean)).toBe(true);
  }
}
describe("kernels", () => {
  it("small ops", () => {
    for (const D of [1, 7, 16, 33, 64, 4096]) {
      check(RMS_NORM, [f32(3 * D), f32(D), new Float32Array(3 * (2 * D + 3))], [3, D, 1e-5, 2 * D + 3, D], [2], 2e-6 * 8);
      check(SWIGLU, [f32(3 * D, 4), f32(3 * D), new Float32Array(3 * D)], [3 * D], [2], 1e-5);
    }
    check(SWIGLU, [f32(100001, 30), f32(100001), new Float32Array(100001)], [100001], [2], 1e-5);
    for (const [H, d] of [[192, 64], [16, 16], [40, 22], [6, 2]] as const) {
      check(ROPE_TABLE, [Int32Array.of(0, 1, 77, 262143), new Float32Array(4 * d)], [4, d, 5e6], [1], 1e-7);
      check(ROPE, [f32(4 * 5 * H), f32(4 * d)], [4, 5, H, d], [0], 1e-6);
    }
    for (const [E, K] of [[256, 8], [5, 2], [8, 8], [33, 1]] as const) for (const n of [0, 1]) {
      const { ref, outs } = both(backends, ROUTER, [f32(6 * E), f32(E, 0.1), new Int32Array(6 * K), new Float32Array(6 * K)], [6, E, K, 2.5, n]);
      for (const o of outs) { expect(Buffer.compare(o[2]!, ref[2]!)).toBe(0); expect(err(asF(o[3]!), asF(ref[3]!))[0]).toBeLessThan(2e-6); }
    }
    check(COPY_ROWS, [f32(70), Int32Array.of(3, 1, 0), new Float32Array(70), Int32Array.of(6, -1, 2)], [3, 10], [2], 0);
  });
  it("kv", () => {
    for (const dtype of ["f32", "f16", "bf16", "q8_0"] as KvDType[]) for (const [G, H, U] of [[4, 192, 128], [2, 20, 24], [1, 5, 7], [3, 33, 65]] as const) {
      const pad = (w: number) => Math.ceil(w / DTYPES[dtype].blockElements) * DTYPES[dtype].blockElements;
      const kb = rowBytes(dtype, pad(H))!, vb = rowBytes(dtype, pad(U))!;
      const T = 5, places = 4, blocks = 3;
      const k = f32(T * G * H, 3); k[0] = 1e6; k[1] = 1e-7; k[2] = 65519; k[3] = 65520;
      const args = [k, f32(T * G * U), Int32Array.of(11, -1, 0, 5, 6), [new Uint8Array(blocks * G * places * kb), dtype], [new Uint8Array(blocks * G * places * vb), dtype]] as any;
      const { ref, outs } = both(backends, KV_WRITE, args, [T, G, H, U, 0.707, places]);
      for (const o of outs) for (const i of [3, 4]) { expect(Buffer.compare(o[i]!, ref[i]!), `${dtype} ${H} ${i}`).toBe(0); }
      const r2 = both(backends, KV_COPY, [[ref[3]!, dtype], [ref[4]!, dtype], [new Uint8Array(2 * G * 8 * kb), dtype], [new Uint8Array(2 * G * 8 * vb), dtype], Int32Array.of(11, 0, 5), Int32Array.of(15, 2, -1)] as any, [3, G, kb, vb, places, 8]);
      for (const o of r2.outs) for (const i of [2, 3]) expect(Buffer.compare(o[i]!, r2.ref[i]!)).toBe(0);
    }
  });
  it("attention", () => {
    for (const dtype of ["f32", "f16", "bf16", "q8_0"] as KvDType[])
      for (const [N, G, H, U, window, sink, ctx] of [[8, 2, 192, 128, 0, false, 1300], [64, 4, 192, 128, 0, true, 700], [16, 2, 24, 20, 128, true, 1100], [4, 4, 5, 7, 3, false, 530], [40, 1, 33, 65, 0, false, 300], [6, 2, 16, 16, 0, true, 5], [24, 2, 64, 64, 200, true, 600]] as const) {
        const pad = (w: number) => Math.ceil(w / DTYPES[dtype].blockElements) * DTYPES[dtype].blockElements;
        const kb = rowBytes(dtype, pad(H))!, vb = rowBytes(dtype, pad(U))!;
        const places = 16, blocks = Math.ceil(ctx / places) + 2;
        // two segments sharing one table set: fill through kv_write
        const slots = Int32Array.from({ length: blocks * places }, (_, i) => i);
        const { ref } = both([], KV_WRITE, [f32(slots.length * G * H), f32(slots.length * G * U), slots, [new Uint8Array(blocks * G * places * kb), dtype], [new Uint8Array(blocks * G * places * vb), dtype]] as any, [slots.length, G, H, U, 0.707, places]);
        const stagePlaces = 8;
        const sl2 = Int32Array.from({ length: 8 }, (_, i) => i);
        const stage = both([], KV_WRITE, [f32(8 * G * H), f32(8 * G * U), sl2, [new Uint8Array(G * 8 * kb), dtype], [new Uint8Array(G * 8 * vb), dtype]] as any, [8, G, H, U, 0.707, stagePlaces]).ref;
        const perm = Array.from({ length: blocks - 1 }, (_, i) => (i * 7 + 3) % (blocks - 1));
        const rowsList = [[0, 0], [0, 1], [0, 2], [0, Math.min(ctx - 1, 200)], [1, ctx - 4], [1, ctx - 3], [1, ctx - 2], [1, ctx - 1], [0, ctx - 2], [0, ctx - 1]];
        const rows = Int32Array.from(rowsList.flat());
        const segs = Int32Array.of(0, perm.length, 2 ** 30, 0, 0, perm.length, ctx - 4, 3);
        const T = rowsList.length;
        check(ATTENTION, [f32(T * N * H), [ref[3], dtype], [ref[4], dtype], [stage[3], dtype], [stage[4], dtype], sink ? f32(N) : null, rows, segs, Int32Array.from(perm), new Float32Array(T * N * U)],
          [T, N, G, H, U, 1 / Math.sqrt(H), window, places, stagePlaces], [9], 1e-5);
      }
  });
});
