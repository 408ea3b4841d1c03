// The gradients around attention are the same bits on every number of threads and every instruction set, and those of a
// document are the same whatever documents are beside it.

import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import {
  type AttentionGradientSizes,
  attentionBackwardCases,
  type AttentionGradients,
  attentionGradients,
  kvWriteBackwardCases,
  rmsNormBackwardCases,
  ropeBackwardCases,
} from "./attention-gradient-cases.ts";
import { bytesOf, Machine } from "./machine.ts";

const status = cpuBackendStatus();
const GROUPS = {
  rms_norm_backward: rmsNormBackwardCases,
  rope_backward: ropeBackwardCases,
  kv_write_backward: kvWriteBackwardCases,
  attention_backward: attentionBackwardCases,
};

describe.skipIf(!status.isAvailable)("gradients around attention", () => {
  const variants = status.isAvailable ? status.variants : [];
  const machines = [
    ...[1, 2, 3, 4, 5].map((threads) => ({ threads, variant: variants[0]! })),
    ...variants.slice(1).map((variant) => ({ threads: 2, variant })),
  ];

  test.each(Object.entries(GROUPS))("%s: threads and instruction sets", (_, cases) => {
    const all = cases();
    const [first, ...others] = machines.map((options) => {
      using backend = createCpuBackend(options);
      return all.map((one) => {
        using machine = new Machine(backend);
        return bytesOf(one.run(machine, one.rows.at(-1)!));
      });
    });
    others.forEach((results, other) => {
      results.forEach((bytes, i) => {
        const what = `${all[i]!.shape}, ${JSON.stringify(machines[other + 1])}`;
        expect(Buffer.compare(bytes, first![i]!), what).toBe(0);
      });
    });
  });

  const windows = [0, 128].map((window) => ({ window }));
  test.each(windows)("attention_backward: a document alone and in a batch, window $window", ({ window }) => {
    const sizes: AttentionGradientSizes = { N: 4, G: 2, H: 24, U: 16, window, sinks: false };
    const documents = [40, 1300, 129].map((rows, i) => ({ seed: 3600 + 10 * i, rows }));
    using backend = createCpuBackend({ threads: 2 });
    const run = (chosen: typeof documents): AttentionGradients => {
      using machine = new Machine(backend);
      return attentionGradients(machine, sizes, chosen);
    };
    const together = run(documents);
    const alone = documents.map((document) => run([document]));
    for (const which of ["dQ", "dK", "dV"] as const) {
      // Rows lie in the order of the documents, blocks of the cache in reverse.
      const parts = (which === "dQ" ? alone : alone.toReversed()).map((one) => bytesOf(one[which]));
      expect(Buffer.compare(Buffer.concat(parts), bytesOf(together[which])), which).toBe(0);
    }
  });
});
