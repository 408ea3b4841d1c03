// `mimo chat`, over a pipe and in a terminal of its own, with the model that comes along.

import { spawn, spawnSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Surroundings } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

const OPTIONS = ["--temperature", "0", "--max-tokens", "8"];

interface Saved {
  readonly thinking?: boolean;
  readonly settings: Record<string, unknown>;
  readonly messages: readonly { readonly role: string; readonly content: string }[];
}

const saved = (name: string): Saved => JSON.parse(readFileSync(here.path(name), "utf8")) as Saved;

describe("over a pipe", () => {
  test("answers each message and keeps the conversation", async () => {
    const input = ["Hello", "first \\", "second", '"""', "a", "b", '"""', "/save chat.json", "/save chat.md", ""].join(
      "\n",
    );
    const { exitCode, stderr } = await here.run(["chat", ...OPTIONS, "--preset", "en", "--system", "Be brief."], input);
    expect(exitCode).toBe(0);
    expect(stderr).toContain("models/nano");
    expect(stderr.match(/tokens\/s/g)?.length).toBe(6);
    const { messages } = saved("chat.json");
    expect(messages.map(({ role }) => role)).toEqual([
      "system",
      "user",
      "assistant",
      "user",
      "assistant",
      "user",
      "assistant",
    ]);
    expect(messages[0]?.content).toMatch(/^You are MiMo.*\n\nBe brief\.\n\nToday's date: \d{4}-\d\d-\d\d \w+day\. /);
    expect(messages.filter(({ role }) => role === "user").map(({ content }) => content)).toEqual([
      "Hello",
      "first \nsecond",
      "a\nb",
    ]);
    expect(readFileSync(here.path("chat.md"), "utf8")).toContain("## You\n\nHello");
  });

  test("standard output holds the answers alone", async () => {
    const generated = await here.run(["chat", ...OPTIONS], "Hello\n");
    const nano = fileURLToPath(new URL("../../models/nano", import.meta.url));
    const alone = await here.run(["generate", nano, "--chat", "Hello", ...OPTIONS]);
    expect(generated.stdout).toBe(alone.stdout);
  });

  test("settings change and are checked", async () => {
    const input =
      "/think on\n/set temperature 0.5\n/set max-tokens 3\n/set thinking-budget 2\n/reset\n/save settings.json\n";
    expect((await here.run(["chat", ...OPTIONS], input)).exitCode).toBe(0);
    expect(saved("settings.json")).toMatchObject({
      thinking: true,
      settings: { temperature: 0.5, maxTokens: 3, thinkingBudget: 2 },
      messages: [],
    });
    for (const line of [
      "/set temperature 1000",
      "/set thinking-budget -1",
      "/set colour blue",
      "/think perhaps",
      "/dance",
    ]) {
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

/** Types into a terminal and prints what it shows; `steps` are [pattern to wait for, text to type then]. */
const TERMINAL = `
import json, os, pty, re, select, sys, time
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
    deadline = time.time() + 20
    found = None
    while not found and time.time() < deadline and read(0.1): found = re.search(awaited.encode(), shown, re.DOTALL)
    if not found:
        os.kill(pid, 9)
        break
    sys.stdout.buffer.write(shown[: found.end()])
    shown = shown[found.end() :]
    os.write(terminal, typed.encode())
deadline = time.time() + 10
while time.time() < deadline and read(0.1): pass
sys.stdout.buffer.write(shown)
sys.stdout.flush()
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

function runInTerminal(args: readonly string[], steps: readonly (readonly [awaited: string, typed: string])[]) {
  const child = spawn("python3", ["-c", TERMINAL, JSON.stringify([here.command(args), steps])], {
    cwd: here.folder,
    env: here.env,
  });
  let shown = "";
  child.stdout.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  child.stderr.on("data", (chunk: Buffer) => (shown += chunk.toString()));
  return new Promise<{ exitCode: number | null; shown: string }>((resolve) =>
    child.once("close", (exitCode) => resolve({ exitCode, shown })),
  );
}

describe.skipIf(!PYTHON)("in a terminal", () => {
  test("edits lines, takes pastes whole, remembers them, and goes on after an error", async () => {
    const { exitCode, shown } = await runInTerminal(
      ["chat", ...OPTIONS],
      [
        ["› ", "Hallo\u007f\u007f\u007f\u007fello\r"],
        ["tokens/s", ""],
        ["› ", "\u001b[200~one\rtwo\u001b[201~\r"],
        ["tokens/s", ""],
        ["› ", "/dance\r"],
        ["What to do:", ""],
        ["› ", "/save terminal.json\r"],
        ["saved", ""],
        ["› ", "\u0004"],
      ],
    );
    expect({ exitCode, shown }).toEqual({
      exitCode: 0,
      shown: expect.stringContaining("There is no command /dance") as string,
    });
    const users = saved("terminal.json").messages.filter(({ role }) => role === "user");
    expect(users.map(({ content }) => content)).toEqual(["Hello", "one\ntwo"]);
    const history = readFileSync(here.path("state/mimo-flash/history"), "utf8");
    expect(history).toMatch(/Hello\none\ntwo\n/);
  });

  test("Ctrl-C stops an answer and keeps it; at an empty prompt it leaves", async () => {
    // With this seed, the answer would have hundreds of tokens.
    expect((await here.run(["init", "--preset", "tiny", "tiny"])).exitCode).toBe(0);
    const { exitCode, shown } = await runInTerminal(
      ["chat", "tiny", "--backend", "reference", "--seed", "2"],
      [
        ["› ", "Hello\r"],
        // The reader gives the terminal back when it has a message; what comes next is the answer.
        ["\\x1b\\[\\?2004l.", "\u0003"],
        ["stopped; what was written is kept", ""],
        ["› ", "/save stopped.json\r"],
        ["saved", ""],
        ["› ", "not sent\u0003"],
        ["› ", "\u0003"],
      ],
    );
    expect({ exitCode, shown }).toEqual({ exitCode: 0, shown: expect.stringContaining("saved") as string });
    expect(saved("stopped.json").messages.map(({ role }) => role)).toEqual(["user", "assistant"]);
  });
});
