// Training kernels give the same bits on every number of threads and every instruction set: a run can be repeated on
// another machine of its kind. (For inference, test/properties states the same of whole models.)

import { describe, expect, test } from "vitest";
import { cpuBackendStatus } from "../../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../../src/backends/cpu/native.ts";
import { bytesOf, Machine } from "./machine.ts";
import { TRAINING_GROUPS } from "./training-groups.ts";

const status = cpuBackendStatus();

describe.skipIf(!status.isAvailable)("the cpu backend", () => {
  const variants = status.isAvailable ? status.variants : [];
  const machines = variants.flatMap((variant) => [1, 2, 3, 4, 5].map((threads) => ({ threads, variant })));

  test.each(TRAINING_GROUPS)("%s", (_, cases) => {
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
