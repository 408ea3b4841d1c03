// The gradients of a document's attention are the same bits whatever documents are beside it.

import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import {
  type AttentionGradientSizes,
  type AttentionGradients,
  attentionGradients,
} from "./attention-gradient-cases.ts";
import { bytesOf, Machine } from "./machine.ts";

const status = cpuBackendStatus();
describe.skipIf(!status.isAvailable)("gradients around attention", () => {
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
