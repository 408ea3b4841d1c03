// Losses and gradients of the golden training case: what an independent float64 implementation found.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { packBatch } from "../../src/train/batch.ts";
import { Learner } from "../../src/train/learner.ts";
import { loadParameters } from "../../src/train/model-files.ts";
import type { Tensor } from "../../src/tensor/tensor.ts";
import { allBackends } from "../support.ts";

const FOLDER = fileURLToPath(new URL("./train-grad/", import.meta.url));
const EXPECTED = JSON.parse(readFileSync(`${FOLDER}/expected.json`, "utf8")) as {
  readonly arrays: Readonly<Record<string, readonly number[]>>;
  readonly input_ids: readonly number[];
  readonly loss_main: number;
  readonly loss_mtp: readonly number[];
  readonly grad_norm: Readonly<Record<string, number>>;
};

const OPTIONS = {
  beta1: 0.9,
  beta2: 0.95,
  epsilon: 1e-8,
  weightDecay: 0.1,
  clipNorm: 1,
  matrices: "adamw",
  momentum: 0.95,
} as const;

for (const { name, available, create } of allBackends) {
  describe.skipIf(!available)(`training on the ${name} backend`, () => {
    test("losses, norms of all gradients and some gradients in full", () => {
      using device = create();
      using checkpoint = openCheckpoint(FOLDER);
      using parameters = loadParameters(device, checkpoint, 3);
      using learner = new Learner(device, parameters, { ...OPTIONS, mtpMode: "parallel", maxDocuments: 4 });
      const batch = packBatch([{ tokens: Int32Array.from(EXPECTED.input_ids) }], EXPECTED.input_ids.length);
      const { loss, mtpLosses } = learner.accumulate([batch], { mtpWeight: 0.3, balanceWeight: 0 });
      expect(Math.abs(loss - EXPECTED.loss_main)).toBeLessThan(1e-5);
      mtpLosses.forEach((mtp, head) => expect(Math.abs(mtp - EXPECTED.loss_mtp[head]!)).toBeLessThan(1e-5));

      const gradients = new Map(
        parameters.all.flatMap(({ parameter, gradient, name: first }) =>
          Array.from({ length: parameter.count }, (_, index) => {
            const values = read(gradient);
            const size = values.length / parameter.count;
            const named = parameter.isExperts ? first.replace(/experts\.0\./, `experts.${index}.`) : first;
            return [named, values.subarray(index * size, (index + 1) * size)] as const;
          }),
        ),
      );
      const norms = Object.entries(EXPECTED.grad_norm);
      expect(norms.length).toBeGreaterThan(100);
      for (const [parameter, norm] of norms) {
        const found = Math.hypot(...gradients.get(parameter)!);
        expect(Math.abs(found - norm), `${parameter}: ${found}, expected ${norm}`).toBeLessThanOrEqual(
          1e-3 * norm + 1e-9,
        );
      }
      for (const array of Object.keys(EXPECTED.arrays)) {
        const expected = new Float32Array(new Uint8Array(readFileSync(`${FOLDER}/${array}.f32`)).buffer);
        const actual = gradients.get(array.replace(/^grad\./, ""))!;
        const largest = expected.reduce((max, value) => Math.max(max, Math.abs(value)), 0);
        expected.forEach((value, i) => expect(Math.abs(actual[i]! - value)).toBeLessThanOrEqual(1e-3 * largest));
      }

      function read(tensor: Tensor): Float32Array {
        const values = new Float32Array(tensor.shape.reduce((a, b) => a * b, 1));
        device.download(tensor, new Uint8Array(values.buffer));
        return values;
      }
    });
  });
}
