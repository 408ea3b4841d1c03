// Muon: one step of momentum whose direction is made orthogonal, for matrices.   (Jordan et al. 2024; scaled as in Liu et
// al. 2025, arXiv 2502.16982, equation 4, so that AdamW's learning rate and decay serve)
//
//   g = gradient · gradientScale             m = momentum · m + g             x = g + momentum · m
//   x /= ‖x‖ + 1e-7,  then five times   a = x · xᵀ,  x = 3.4445 · x + (−4.775 · a + 2.0315 · a²) · x
//   parameter −= learningRate · (0.2 · √max(M, N) · x + weightDecay · parameter)
//
// parameter, gradient, m [E, M, N] f32: each of the E matrices by itself. Where M > N, a = xᵀ · x stands on the right. The
// iteration brings singular values near one, between 0.6 and 1.2, without computing any. The gradient is zero afterwards.
// Tolerance f32: of the step 1e-5, as products of five rounds meet; m 1e-6.

import type { Backend, HostArgs, Kernel } from "../../backends/backend.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { hostF32, hostScalars } from "../host.ts";
import { bindShapes } from "../shapes.ts";

/** tensors [parameter, gradient, m] · scalars [E, M, N, step length, momentum, decay of the step, gradientScale] */
export const MUON: Kernel = { name: "muon", reference: muonReference };

export interface MuonOptions {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
  /** By which the gradient is multiplied first: less than one to clip it. */
  readonly gradientScale: number;
}

export function muon(
  backend: Backend,
  args: MuonOptions & { readonly parameter: Tensor; readonly gradient: Tensor; readonly m: Tensor },
): void {
  const { parameter, gradient, m, learningRate, momentum, weightDecay, gradientScale } = args;
  const { E, M, N } = bindShapes<"E" | "M" | "N">("muon", [
    ["parameter", parameter, "f32", "E", "M", "N"],
    ["gradient", gradient, "f32", "E", "M", "N"],
    ["m", m, "f32", "E", "M", "N"],
  ]);
  const length = learningRate * 0.2 * Math.sqrt(Math.max(M, N));
  const scalars = [E, M, N, length, momentum, learningRate * weightDecay, gradientScale];
  backend.run(MUON, { tensors: [parameter, gradient, m], scalars });
}

const ROUNDS = 5;
const [A, B, C] = [3.4445, -4.775, 2.0315] as const;

function muonReference(args: HostArgs): void {
  const [parameter, gradient, momentum] = [hostF32(args, 0), hostF32(args, 1), hostF32(args, 2)];
  const [E, M, N, length, beta, decay, scale] = hostScalars(args, 7) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const size = M * N;
  for (let e = 0; e < E; e++) {
    let x = new Float64Array(size);
    for (let i = 0; i < size; i++) {
      const at = e * size + i;
      const g = gradient[at]! * scale;
      momentum[at] = beta * momentum[at]! + g;
      x[i] = g + beta * momentum[at];
      gradient[at] = 0;
    }
    x = orthogonalise(x, M, N);
    for (let i = 0; i < size; i++) {
      const at = e * size + i;
      parameter[at]! -= length * x[i]! + decay * parameter[at]!;
    }
  }
}

function orthogonalise(matrix: Float64Array, M: number, N: number): Float64Array<ArrayBuffer> {
  if (M > N) return transpose(orthogonalise(transpose(matrix, M, N), N, M), N, M);
  const norm = Math.hypot(...matrix);
  let x = matrix.map((value) => value / (norm + 1e-7));
  for (let round = 0; round < ROUNDS; round++) {
    const a = product(x, transpose(x, M, N), M, N, M);
    const a2 = product(a, a, M, M, M);
    const b = a.map((value, i) => B * value + C * a2[i]!);
    const bx = product(b, x, M, M, N);
    x = x.map((value, i) => A * value + bx[i]!);
  }
  return x as Float64Array<ArrayBuffer>;
}

function transpose(matrix: Float64Array, M: number, N: number): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: M * N }, (_, i) => matrix[(i % M) * N + Math.floor(i / M)]!);
}

/** [M, R] · [R, N] */
function product(left: Float64Array, right: Float64Array, M: number, R: number, N: number): Float64Array {
  const out = new Float64Array(M * N);
  for (let m = 0; m < M; m++) {
    for (let r = 0; r < R; r++) {
      for (let n = 0; n < N; n++) out[m * N + n]! += left[m * R + r]! * right[r * N + n]!;
    }
  }
  return out;
}
