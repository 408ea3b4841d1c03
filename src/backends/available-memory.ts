// How much memory this process may still take: what the machine has free, and what its control groups leave.
//
// Pages of files count as free everywhere, since the system gives them up: a group that has only read a large file is
// not full. Knows where Linux keeps such numbers; elsewhere there are no groups.

import { readFileSync } from "node:fs";
import { freemem } from "node:os";

/** Bytes. `read` gives a file's text, or undefined where there is no such file. */
export function availableMemory(
  free: number = freemem(),
  read: (path: string) => string | undefined = readText,
): number {
  return Math.max(0, Math.min(free, ...groupsOf(read("/proc/self/cgroup") ?? "").map((group) => leftIn(group, read))));
}

interface Group {
  readonly folder: string;
  readonly limit: string;
  readonly usage: string;
  /** Keys of memory.stat, the group's children included. */
  readonly files: readonly string[];
}

const VERSION_1: Omit<Group, "folder"> = {
  limit: "memory.limit_in_bytes",
  usage: "memory.usage_in_bytes",
  files: ["total_active_file", "total_inactive_file"],
};
const VERSION_2: Omit<Group, "folder"> = {
  limit: "memory.max",
  usage: "memory.current",
  files: ["active_file", "inactive_file"],
};

/** This process's group and all that it lies in: each limits it. A container may see none of them but the root. */
function groupsOf(text: string): Group[] {
  return text.split("\n").flatMap((line) => {
    const [id, controllers = "", path = "/"] = line.split(":");
    const isFirst = controllers.split(",").includes("memory");
    if (!isFirst && id !== "0") return [];
    const root = isFirst ? "/sys/fs/cgroup/memory" : "/sys/fs/cgroup";
    const names = path.split("/").filter((name) => name !== "");
    return Array.from({ length: names.length + 1 }, (_, depth) => ({
      folder: [root, ...names.slice(0, depth)].join("/"),
      ...(isFirst ? VERSION_1 : VERSION_2),
    }));
  });
}

/** Infinity where the group has no limit, or does not tell. */
function leftIn({ folder, limit, usage, files }: Group, read: (path: string) => string | undefined): number {
  const most = Number.parseInt(read(`${folder}/${limit}`) ?? "", 10);
  const used = Number.parseInt(read(`${folder}/${usage}`) ?? "", 10);
  if (Number.isNaN(most) || Number.isNaN(used)) return Infinity;
  const stat = new Map(
    (read(`${folder}/memory.stat`) ?? "").split("\n").map((line) => line.split(" ") as [string, string]),
  );
  return most - used + files.reduce((sum, key) => sum + Number(stat.get(key) ?? 0), 0);
}

function readText(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}
