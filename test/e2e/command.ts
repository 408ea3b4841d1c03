// Runs the real `mimo` as a child process, in surroundings of its own: no colours, empty cache and state folders.

import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const MIMO = fileURLToPath(new URL("../../bin/mimo.mjs", import.meta.url));

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export class Surroundings implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "mimo-cli-"));

  path(name: string): string {
    return join(this.folder, name);
  }

  spawn(args: readonly string[]): ChildProcessWithoutNullStreams {
    const { PATH, HOME } = process.env;
    const env = { PATH, HOME, NO_COLOR: "1", XDG_CACHE_HOME: this.path("cache"), XDG_STATE_HOME: this.path("state") };
    return spawn(process.execPath, [MIMO, ...args], { cwd: this.folder, env });
  }

  run(args: readonly string[], input = ""): Promise<CommandResult> {
    const child = this.spawn(args);
    child.stdin.end(input);
    return resultOf(child);
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function resultOf(child: ChildProcessWithoutNullStreams): Promise<CommandResult> {
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr })));
}
