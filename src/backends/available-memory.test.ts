// Free memory within control groups, as Linux writes them down.

import { totalmem } from "node:os";
import { expect, test } from "vitest";
import { availableMemory } from "./available-memory.ts";

const GB = 1e9;

function available(free: number, files: Readonly<Record<string, string>>): number {
  return availableMemory(free, (path) => files[path]);
}

/** A group of version 2. */
function group(folder: string, max: string, used: number, files: number): Record<string, string> {
  return {
    [`${folder}/memory.max`]: `${max}\n`,
    [`${folder}/memory.current`]: `${used}\n`,
    [`${folder}/memory.stat`]: `anon ${used - files}\nfile ${files}\nactive_file ${files / 4}\ninactive_file ${(3 * files) / 4}\n`,
  };
}

test("on a machine without groups, what is free is available", () => {
  expect(available(5 * GB, {})).toBe(5 * GB);
});

test("on this machine, some memory is available", () => {
  expect(availableMemory()).toBeGreaterThan(0);
  expect(availableMemory()).toBeLessThanOrEqual(totalmem());
});

test("a group leaves what others in it have not taken; pages of files can be had", () => {
  const files = {
    "/proc/self/cgroup": "0::/a\n",
    ...group("/sys/fs/cgroup/a", String(4 * GB), 3 * GB, 2 * GB),
  };
  expect(available(20 * GB, files)).toBe(3 * GB);
  expect(available(GB, files)).toBe(GB);
});

test("the groups around it limit too, and one that is over its limit leaves nothing", () => {
  const files = {
    "/proc/self/cgroup": "0::/a/b\n",
    ...group("/sys/fs/cgroup/a/b", "max", 2 * GB, 0),
    ...group("/sys/fs/cgroup/a", String(4 * GB), 3 * GB, 0),
  };
  expect(available(20 * GB, files)).toBe(GB);
  expect(available(20 * GB, { ...files, "/sys/fs/cgroup/a/memory.current": String(5 * GB) })).toBe(0);
});

test("a container that sees only its own group as the root is limited by it, in both versions", () => {
  expect(available(20 * GB, { "/proc/self/cgroup": "0::/\n", ...group("/sys/fs/cgroup", String(2 * GB), GB, 0) })).toBe(
    GB,
  );
  expect(
    available(20 * GB, {
      "/proc/self/cgroup": "5:cpu,cpuacct:/x\n4:memory:/docker/abc\n0::/\n",
      "/sys/fs/cgroup/memory/memory.limit_in_bytes": String(4 * GB),
      "/sys/fs/cgroup/memory/memory.usage_in_bytes": String(3 * GB),
      "/sys/fs/cgroup/memory/memory.stat": `cache 1\ntotal_inactive_file ${GB / 2}\ntotal_active_file ${GB / 4}\n`,
    }),
  ).toBe(1.75 * GB);
});
