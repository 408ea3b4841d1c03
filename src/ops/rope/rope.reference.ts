// The definition: angles in float64, sines and cosines rounded once to float32.

import type { HostArgs } from "../../backends/backend.ts";
import { hostF32, hostI32, hostScalars } from "../host.ts";

export function ropeTableReference(args: HostArgs): void {
  const positions = hostI32(args, 0);
  const out = hostF32(args, 1);
  const [T, d, theta] = hostScalars(args, 3) as [number, number, number];
  for (let t = 0; t < T; t++) {
    for (let i = 0; i < d / 2; i++) {
      const angle = positions[t]! * theta ** ((-2 * i) / d);
      out[t * d + i] = Math.cos(angle);
      out[t * d + d / 2 + i] = Math.sin(angle);
    }
  }
}

export function ropeReference(args: HostArgs): void {
  const x = hostF32(args, 0);
  const table = hostF32(args, 1);
  const [T, heads, H, d] = hostScalars(args, 4) as [number, number, number, number];
  const half = d / 2;
  for (let t = 0; t < T; t++) {
    for (let head = 0; head < heads; head++) {
      const base = (t * heads + head) * H;
      for (let i = 0; i < half; i++) {
        const cos = table[t * d + i]!;
        const sin = table[t * d + half + i]!;
        const a = x[base + i]!;
        const b = x[base + half + i]!;
        x[base + i] = a * cos - b * sin;
        x[base + half + i] = b * cos + a * sin;
      }
    }
  }
}
