// Runs the real `mimo` as a child process, in surroundings of its own: no colours, an empty state folder.
//
// It is the bundle of the published package, made anew: it starts in a tenth of the time that the sources take.

import { type ChildProcess, type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const ROOT = fileURLToPath(new URL("../../", import.meta.url));

export interface CommandResult {
  readonly exitCode: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

interface BuildScript {
  readonly bundle: (folder: string) => Promise<void>;
}

export class Surroundings implements Disposable {
  readonly folder = mkdtempSync(join(tmpdir(), "mimo-cli-"));
  /** Inside the package, so that the bundle finds packages, addon and models as the published one does. */
  readonly #bundle: string;
  readonly env: Readonly<Record<string, string | undefined>>;

  static async create(): Promise<Surroundings> {
    mkdirSync(join(ROOT, "build"), { recursive: true });
    const bundle = mkdtempSync(join(ROOT, "build", "e2e-"));
    const script = (await import(new URL("../../scripts/build.mjs", import.meta.url).href)) as BuildScript;
    await script.bundle(bundle);
    return new Surroundings(bundle);
  }

  private constructor(bundle: string) {
    this.#bundle = bundle;
    const { PATH, HOME } = process.env;
    this.env = {
      PATH,
      HOME,
      TERM: "xterm",
      NO_COLOR: "1",
      XDG_STATE_HOME: this.path("state"),
    };
  }

  /** What to execute for `mimo ARGS`. */
  command(args: readonly string[]): readonly [string, ...string[]] {
    return [process.execPath, join(this.#bundle, "main.js"), ...args];
  }

  path(name: string): string {
    return join(this.folder, name);
  }

  spawn(args: readonly string[]): ChildProcessWithoutNullStreams {
    const [program, ...rest] = this.command(args);
    return spawn(program, rest, { cwd: this.folder, env: this.env });
  }

  run(args: readonly string[], input = ""): Promise<CommandResult> {
    const child = this.spawn(args);
    child.stdin.end(input);
    return resultOf(child);
  }

  [Symbol.dispose](): void {
    for (const folder of [this.folder, this.#bundle]) rmSync(folder, { recursive: true, force: true });
  }
}

export function resultOf(child: ChildProcessWithoutNullStreams): Promise<CommandResult> {
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => (stdout += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (stderr += chunk.toString()));
  return new Promise((resolve) => child.once("close", (exitCode) => resolve({ exitCode, stdout, stderr })));
}

/** The URL of a server that is starting. */
export function urlOf(child: ChildProcess): Promise<string> {
  let text = "";
  return new Promise((resolve, reject) => {
    child.stderr?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      const url = /http:\S+(?=\/v1)/.exec(text)?.[0];
      if (url !== undefined) resolve(url);
    });
    child.once("close", () => reject(new Error(text)));
  });
}
