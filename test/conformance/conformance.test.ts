// Every native kernel against its definition, op × backend × dtype × shape, and against itself for other batch sizes.
// What was measured is printed as one table at the end.

import { afterAll, describe, expect, test } from "vitest";
import { cpuBackendStatus, loadAddon } from "../../src/backends/cpu/addon.ts";
import { createReferenceBackend } from "../../src/backends/reference/reference.ts";
import { KV_DTYPES } from "../../src/tensor/dtype.ts";
import { allBackends } from "../support.ts";
import { attentionCases, kvCopyCases, kvWriteCases } from "./cache-cases.ts";
import {
  type Case,
  clearCases,
  copyCases,
  copyRowsCases,
  embeddingCases,
  EXPERT_DTYPES,
  expertCases,
  fetchCases,
  linearCases,
  logprobRowsCases,
  rmsNormCases,
  ropeCases,
  routerCases,
  sampleRowsCases,
  swigluCases,
  WEIGHT_DTYPES,
} from "./cases.ts";
import { bytesOf, Machine } from "./machine.ts";
import { type Entry, formatTable, type Values } from "./report.ts";
import { TRAINING_GROUPS } from "./training-groups.ts";

/** Op and dtype → its cases, made when they are run: some hold much material. */
const GROUPS: readonly (readonly [name: string, cases: () => Case[]])[] = [
  ...WEIGHT_DTYPES.map((dtype) => [`embedding, ${dtype}`, () => embeddingCases(dtype)] as const),
  ...WEIGHT_DTYPES.map((dtype) => [`linear, ${dtype}`, () => linearCases(dtype)] as const),
  ...EXPERT_DTYPES.map((dtype) => [`experts, ${dtype}`, () => expertCases(dtype)] as const),
  ...KV_DTYPES.map((dtype) => [`kv_write, ${dtype}`, () => kvWriteCases(dtype)] as const),
  ...KV_DTYPES.map((dtype) => [`kv_copy, ${dtype}`, () => kvCopyCases(dtype)] as const),
  ...KV_DTYPES.map((dtype) => [`attention, ${dtype}`, () => attentionCases(dtype)] as const),
  ["rms_norm", rmsNormCases],
  ["rope", ropeCases],
  ["router", routerCases],
  ["swiglu", swigluCases],
  ["copy_rows", copyRowsCases],
  ["sample_rows", sampleRowsCases],
  ["logprob_rows", logprobRowsCases],
  ["copy", copyCases],
  ["clear", clearCases],
  ["fetch", fetchCases],
  ...TRAINING_GROUPS,
];

const entries: Entry[] = [];
afterAll(() => console.log(formatTable(entries)));

/** The first rows of a result. */
function firstRows(values: Values, rows: number, of: number): Values {
  return values.subarray(0, (values.length / of) * rows);
}

for (const { name, available, create } of allBackends.filter((backend) => backend.name !== "reference")) {
  describe.skipIf(!available)(`the ${name} backend`, () => {
    test.each(GROUPS)("%s", (_, cases) => {
      using reference = createReferenceBackend();
      using native = create();
      for (const one of cases()) {
        const run = (backend: typeof native, T: number, packed = false): Values => {
          using machine = new Machine(backend, { packed });
          return one.run(machine, T);
        };
        const most = one.rows.at(-1)!;
        const known = Math.min(most, one.referenceRows ?? most);
        const expected = run(reference, known);
        const whole = run(native, most);
        for (const T of one.rows) {
          const actual = T === most ? whole : run(native, T);
          const compared = Math.min(T, known);
          const measured = one.measure(firstRows(actual, compared, T), firstRows(expected, compared, known));
          const shape = one.rows.length === 1 ? one.shape : `${one.shape}, T ${T}`;
          entries.push({ ...measured, op: one.op, backend: name, dtype: one.dtype, shape, tolerance: one.tolerance });
          expect(measured.normalised, `${one.op}, ${one.dtype}, ${shape}`).toBeLessThanOrEqual(one.tolerance);
          // Batch-invariance: a row's bits do not depend on the rows beside it.
          const same = Buffer.compare(bytesOf(actual), bytesOf(firstRows(whole, T, most)));
          expect(same, `${one.op}, ${one.dtype}, ${shape} is not the beginning of T ${most}`).toBe(0);
          if (one.op !== "linear" && one.op !== "experts") continue;
          const packed = Buffer.compare(bytesOf(actual), bytesOf(run(native, T, true)));
          expect(packed, `${one.op}, ${one.dtype}, ${shape} gives other bits with packed weights`).toBe(0);
        }
      }
      expect(native.stats()).toMatchObject({ memories: 0, weights: 0 });
    });
  });
}

test.skipIf(!cpuBackendStatus().isAvailable)("no native kernel is left out", () => {
  const { addon, variants } = loadAddon();
  const covered = new Set(GROUPS.flatMap(([, cases]) => cases().map(({ op }) => op)));
  expect([...covered].toSorted()).toEqual(addon.kernels(variants[0]!).toSorted());
});
