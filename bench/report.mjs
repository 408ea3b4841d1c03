// What benchmark scripts share: whether the machine is idle, which commit is measured, tables and files of results.

import { execFileSync } from "node:child_process";
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = fileURLToPath(new URL("../", import.meta.url));

/** More than a quarter of the cores at work for others spoils a comparison. */
const BUSY_SHARE = 0.25;

/** A sentence where something else is running; undefined on an idle machine. */
export function busyWarning() {
  const [load] = loadavg();
  const cores = availableParallelism();
  if (load <= BUSY_SHARE * cores) return undefined;
  return `Warning: the load average is ${load.toFixed(2)} on ${cores} cores. Something else is running, and figures will be wrong: wait until it is below ${(BUSY_SHARE * cores).toFixed(2)}.`;
}

/** What figures were measured on. */
export function describeMachine() {
  return {
    cpu: cpus()[0]?.model,
    cores: availableParallelism(),
    memoryBytes: totalmem(),
    node: process.version,
  };
}

/** Padded, so that it is read as text as well; the first column is flush left, the others flush right. */
export function markdownTable(header, rows) {
  const cells = [header, ...rows];
  const widths = header.map((_, column) => Math.max(3, ...cells.map((row) => row[column].length)));
  const line = (row) =>
    `| ${row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join(" | ")} |`;
  const rule = widths.map((width, i) => (i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [line(header), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

/** To be asked before anything is written: results change the tree, too. */
export function readCommit() {
  const git = (...args) => execFileSync("git", ["-C", ROOT, ...args], { encoding: "utf8" }).trim();
  const changes = git("status", "--porcelain", "--untracked-files=no") === "" ? "" : "+changes";
  return git("rev-parse", "--short", "HEAD") + changes;
}

/** Beside and renamed: a file of results is whole or as it was. */
export function writeResults(path, report) {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(`${path}.part`, `${JSON.stringify(report, null, 2)}\n`);
  renameSync(`${path}.part`, path);
}
