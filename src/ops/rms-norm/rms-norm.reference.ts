// The definition, with the mean of squares in float64.

import type { HostArgs } from "../../backends/backend.ts";
import { hostF32, hostScalars } from "../host.ts";

export function rmsNormReference(args: HostArgs): void {
  const x = hostF32(args, 0);
  const weight = hostF32(args, 1);
  const out = hostF32(args, 2);
  const [T, D, epsilon, S, outColumn] = hostScalars(args, 5) as [number, number, number, number, number];
  for (let t = 0; t < T; t++) {
    let sum = 0;
    for (let d = 0; d < D; d++) sum += x[t * D + d]! ** 2;
    const scale = 1 / Math.sqrt(sum / D + epsilon);
    for (let d = 0; d < D; d++) out[t * S + outColumn + d] = x[t * D + d]! * scale * weight[d]!;
  }
}
