// The definition: rows are decoded, nothing is computed.

import type { HostArgs } from "../../backends/backend.ts";
import { hostF32, hostI32, hostScalars, hostWeight } from "../host.ts";

export function embeddingReference(args: HostArgs): void {
  const ids = hostI32(args, 0);
  const out = hostF32(args, 1);
  const weight = hostWeight(args, 0);
  const [T, D] = hostScalars(args, 2) as [number, number];
  for (let t = 0; t < T; t++) weight.decodeRow(0, ids[t]!, out.subarray(t * D, (t + 1) * D));
}
