// `mimo chat`, over a pipe and in a terminal of its own, with the tiny model it makes for itself.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Surroundings } from "./command.ts";

const here = new Surroundings();
afterAll(() => here[Symbol.dispose]());

const OPTIONS = ["--temperature", "0", "--max-tokens", "8"];

interface Saved {
  readonly thinking?: boolean;
  readonly settings: Record<string, unknown>;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

const saved = (name: string): Saved => JSON.parse(readFileSync(here.path(name), "utf8")) as Saved;

describe("over a pipe", () => {
  test("answers each message, keeps the conversation, and says that the weights are random", async () => {
    const input = ["Hello", 'first \\', "second", '"""', "a", "b", '"""', "/save chat.json", "/save chat.md", ""].join("\n");
    const { exitCode, stderr } = await here.run(["chat", ...OPTIONS, "--system", "Be brief."], input);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("weights are random");
    expect(stderr).toContain("mimo chat PATH");
    expect(stderr.match(/tokens\/s/g)?.length).toBe(6);
    const { messages } = saved("chat.json");
    expect(messages.map(({ role }) => role)).toEqual(["system", "user", "assistant", "user", "assistant", "user", "assistant"]);
    expect(messages.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual(["Hello", "first \nsecond", "a\nb"]);
    expect(readFileSync(here.path("chat.md"), "utf8")).toContain("## You\n\nHello");
  });

  test("standard output holds the answers alone", async () => {
    const generated = await here.run(["chat", ...OPTIONS], "Hello\n");
    const alone = await here.run(["generate", here.path("cache/mimo-flash/tiny-0.1.0"), "--chat", "Hello", ...OPTIONS]);
    expect(generated.stdout).toBe(alone.stdout);
  });

  test("settings change and are checked", async () => {
    const input = "/think on\n/set temperature 0.5\n/set max-tokens 3\n/reset\n/save settings.json\n";
    expect((await here.run(["chat", ...OPTIONS], input)).exitCode).toBe(0);
    expect(saved("settings.json")).toMatchObject({ thinking: true, settings: { temperature: 0.5, maxTokens: 3 }, messages: [] });
    for (const line of ["/set temperature 1000", "/set colour blue", "/think perhaps", "/dance"]) {
      const { exitCode, stderr } = await here.run(["chat", ...OPTIONS], `${line}\n`);
      expect({ line, exitCode }).toEqual({ line, exitCode: 2 });
      expect(stderr).toMatch(/error: .+\nWhy: .+\nWhat to do: .+\n$/);
    }
  });

  test("a model without a tokenizer is refused", async () => {
    const model = fileURLToPath(new URL("../golden/data/hf-bf16", import.meta.url));
    const { exitCode, stderr } = await here.run(["chat", model], "Hello\n");
    expect(exitCode).toBe(2);
    expect(stderr).toContain("has no tokenizer");
  });
});

const PYTHON = spawnSync("python3", ["-c", "import pty"]).status === 0;

/** Types into a terminal and prints what it shows; `steps` are [text to wait for, text to type then]. */
const TERMINAL = `
import json, os, pty, select, sys, time
command, steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(command[0], command)
shown = b""
def read(seconds):
    global shown
    if not select.select([terminal], [], [], seconds)[0]: return True
    try: chunk = os.read(terminal, 65536)
    except OSError: chunk = b""
    shown += chunk
    return chunk != b""
for awaited, typed in steps:
    start, deadline = len(shown), time.time() + 20
    mark = shown.find(awaited.encode())
    while mark < 0 and time.time() < deadline and read(0.1): mark = shown.find(awaited.encode())
    if mark < 0: break
    shown_before, shown = shown[: mark + len(awaited.encode())], shown[mark + len(awaited.encode()) :]
    sys.stdout.buffer.write(shown_before)
    os.write(terminal, typed.encode())
deadline = time.time() + 10
while time.time() < deadline and read(0.1): pass
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

function runInTerminal(args: readonly string[], steps: readonly (readonly [awaited: string, typed: string])[]) {
  const mimo = fileURLToPath(new URL("../../bin/mimo.mjs", import.meta.url));
  const command = [process.execPath, mimo, ...args];
  const { PATH, HOME } = process.env;
  const env = { PATH, HOME, TERM: "xterm", NO_COLOR: "1", XDG_CACHE_HOME: here.path("cache"), XDG_STATE_HOME: here.path("state") };
  const child = spawn("python3", ["-c", TERMINAL, JSON.stringify([command, steps])], { cwd: here.folder, env });
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  return new Promise<{ exitCode: number | null; shown: string }>((resolve) =>
    child.once("close", (exitCode) => resolve({ exitCode, shown })),
  );
}

describe.skipIf(!PYTHON)("in a terminal", () => {
  test("edits lines, takes pastes whole, remembers them, and goes on after an error", async () => {
    const { exitCode, shown } = await runInTerminal(["chat", ...OPTIONS], [
      ["› ", "Hallo\u007f\u007f\u007f\u007fello\r"],
      ["tokens/s", ""],
      ["› ", "\u001b[200~one\rtwo\u001b[201~\r"],
      ["tokens/s", ""],
      ["› ", "/dance\r"],
      ["What to do:", ""],
      ["› ", "/save terminal.json\r"],
      ["saved", ""],
      ["› ", "\u0004"],
    ]);
    expect({ exitCode, shown }).toEqual({ exitCode: 0, shown: expect.stringContaining("There is no command /dance") as string });
    const users = saved("terminal.json").messages.filter(({ role }) => role === "user");
    expect(users.map(({ content }) => content)).toEqual(["Hello", "one\ntwo"]);
    const history = readFileSync(here.path("state/mimo-flash/history"), "utf8");
    expect(history).toMatch(/Hello\none\ntwo\n/);
  });

  test("Ctrl-C stops an answer and keeps it; at an empty prompt it leaves", async () => {
    // Ends of turn are likely among random weights; a hot temperature and a long limit make an answer that lasts.
    const { exitCode, shown } = await runInTerminal(["chat", "--backend", "reference", "--seed", "5", "--speculation", "0"], [
      ["› ", "Hello\r"],
      ["Hello\r\n", ""],
      ["\u001b[?2004l", ""],
      ["", "\u0003"],
      ["stopped", ""],
      ["› ", "/save stopped.json\r"],
      ["saved", ""],
      ["› ", "\u0003"],
    ]);
    expect({ exitCode, shown }).toEqual({ exitCode: 0, shown: expect.stringContaining("stopped") as string });
  });
});
