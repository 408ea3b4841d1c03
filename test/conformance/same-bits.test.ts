// Training kernels give the same bits on every number of threads and every instruction set: a run can be repeated on
// another machine of its kind. (For inference, test/properties states the same of whole models.)

import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import {
  attentionBackwardCases,
  kvWriteBackwardCases,
  rmsNormBackwardCases,
  ropeBackwardCases,
} from "./attention-gradient-cases.ts";
import { type Case, expertFp8Cases } from "./cases.ts";
import { bytesOf, Machine } from "./machine.ts";
import {
  expertsBackwardCases,
  expertsBackwardFp8Cases,
  linearBackwardInputCases,
  linearBackwardWeightCases,
} from "./product-gradient-cases.ts";
import {
  copyRowsBackwardCases,
  embeddingBackwardCases,
  routerBackwardCases,
  swigluBackwardCases,
} from "./row-gradient-cases.ts";
import {
  adamWCases,
  balanceLossCases,
  crossEntropyCases,
  fp8RoundCases,
  gradientNormCases,
  muonCases,
} from "./training-step-cases.ts";

const GROUPS: readonly (readonly [name: string, cases: () => Case[]])[] = [
  ["linear_backward_input", linearBackwardInputCases],
  ["linear_backward_weight", linearBackwardWeightCases],
  ["experts, f32 with FP8 activations", expertFp8Cases],
  ["experts_backward", expertsBackwardCases],
  ["experts_backward in FP8", expertsBackwardFp8Cases],
  ["rms_norm_backward", rmsNormBackwardCases],
  ["rope_backward", ropeBackwardCases],
  ["kv_write_backward", kvWriteBackwardCases],
  ["attention_backward", attentionBackwardCases],
  ["embedding_backward", embeddingBackwardCases],
  ["copy_rows_backward", copyRowsBackwardCases],
  ["swiglu_backward", swigluBackwardCases],
  ["router_backward", routerBackwardCases],
  ["balance_loss", balanceLossCases],
  ["cross_entropy", crossEntropyCases],
  ["gradient_norm", gradientNormCases],
  ["adamw", adamWCases],
  ["muon", muonCases],
  ["fp8_round", fp8RoundCases],
];

const status = cpuBackendStatus();

describe.skipIf(!status.isAvailable)("the cpu backend", () => {
  const variants = status.isAvailable ? status.variants : [];
  const machines = variants.flatMap((variant) => [1, 2, 3, 4, 5].map((threads) => ({ threads, variant })));

  test.each(GROUPS)("%s", (_, cases) => {
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
        const what = `${all[i]!.op}, ${all[i]!.shape}, ${JSON.stringify(machines[other + 1])}`;
        expect(Buffer.compare(bytes, first![i]!), what).toBe(0);
      });
    });
  });
});
