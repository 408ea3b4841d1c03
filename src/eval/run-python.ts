// Runs a Python program of a model in a child process, with limits of time, memory and file size, in an empty folder of
// its own that is removed afterwards, and with none of our environment but PATH.
//
// That stops accidents: endless loops, floods of memory and files. It is no wall against malice: the program has the
// user's rights, files and network. So nobody runs one without having asked for it. Python sets the limits itself,
// before the program is read; where a system has none of that kind, only time is limited.
// Refuses to know what programs are for.

import { spawn } from "node:child_process";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { MimoError } from "../util/errors.ts";

export interface PythonOptions {
  /** PATH, in which python3 is looked for. */
  readonly path: string;
  readonly timeoutMs?: number;
  readonly memoryBytes?: number;
}

const DEFAULT_TIMEOUT_MS = 10_000;
const DEFAULT_MEMORY_BYTES = 2 ** 30;
const MAX_FILE_BYTES = 2 ** 24;
/** Says that the program came to its end: exit(0) in the middle of it does not. */
const AT_THE_END = 86;

const LIMITED = `
import os, sys, traceback
try:
    import resource
    def limit(name, most):
        try:
            resource.setrlimit(getattr(resource, name), (most, most))
        except (AttributeError, ValueError, OSError):
            pass
    limit("RLIMIT_AS", int(sys.argv[1]))
    limit("RLIMIT_FSIZE", ${MAX_FILE_BYTES})
    limit("RLIMIT_CORE", 0)
except ImportError:
    pass
with open("program.py", encoding="utf-8") as file:
    source = file.read()
try:
    exec(compile(source, "program.py", "exec"), {"__name__": "__main__"})
except BaseException:
    traceback.print_exc()
    sys.stderr.flush()
    os._exit(1)
os._exit(${AT_THE_END})
`;

/** What went wrong in a program; undefined where it came to its end. Throws `not_found` where there is no python3. */
export async function runPython(program: string, options: PythonOptions): Promise<string | undefined> {
  const { path, timeoutMs = DEFAULT_TIMEOUT_MS, memoryBytes = DEFAULT_MEMORY_BYTES } = options;
  const folder = await mkdtemp(join(tmpdir(), "mimo-python-"));
  try {
    await writeFile(join(folder, "program.py"), program);
    const errorFile = join(folder, "stderr.txt");
    const errors = await open(errorFile, "w");
    try {
      const args = ["-I", "-c", LIMITED, String(memoryBytes)];
      const stdio = ["ignore", "ignore", errors.fd] as const;
      // A group of its own, so that what the program starts ends with it.
      const child = spawn("python3", args, { cwd: folder, env: { PATH: path }, stdio: [...stdio], detached: true });
      const end = await endOf(child, timeoutMs);
      if (end === AT_THE_END) return undefined;
      if (end === "timeout") return `The program did not end within ${timeoutMs / 1000} s.`;
    } finally {
      await errors.close();
    }
    const lastLine = (await readFile(errorFile, "utf8")).trimEnd().split("\n").at(-1)!;
    return `The program failed: ${lastLine === "" ? "it ended too early" : lastLine}.`;
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

async function endOf(child: ReturnType<typeof spawn>, timeoutMs: number): Promise<number | "timeout" | null> {
  const kill = (): void => {
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch {
      // The group has ended already.
    }
  };
  let isLate = false;
  const timer = setTimeout(() => {
    isLate = true;
    kill();
  }, timeoutMs);
  try {
    return await new Promise((resolve, reject) => {
      child.once("error", (cause) => {
        reject(
          new MimoError("not_found", `python3 cannot be started: ${cause.message}.`, {
            remedy: "Install Python 3, and see that PATH leads to python3.",
            cause,
          }),
        );
      });
      child.once("exit", (code) => resolve(isLate ? "timeout" : code));
    });
  } finally {
    clearTimeout(timer);
    if (child.pid !== undefined) kill();
  }
}
