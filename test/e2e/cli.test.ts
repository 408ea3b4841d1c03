// Every command of `mimo`, run as people and scripts run it: real files, real processes, exit codes and streams.

import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { defined } from "../../src/util/assert.ts";
import { goldenCase, maxDifference } from "../golden/golden.ts";
import { resultOf, Surroundings } from "./command.ts";

const here = await Surroundings.create();
const run = (args: readonly string[], input?: string) => here.run(args, input);

async function runJson(args: readonly string[]): Promise<Record<string, unknown>> {
  const { exitCode, stdout, stderr } = await run([...args, "--json"]);
  expect({ exitCode, stderr: exitCode === 0 ? "" : stderr }).toEqual({ exitCode: 0, stderr: "" });
  return JSON.parse(stdout) as Record<string, unknown>;
}

/** The three parts of an error, and nothing else. */
function partsOf(stderr: string): { what: string; why: string; remedy: string } {
  const [what = "", why = "", remedy = "", ...rest] = stderr.split("\n");
  expect(rest).toEqual([""]);
  return { what, why, remedy };
}

beforeAll(async () => {
  const { exitCode, stdout } = await run(["init", "--preset", "tiny", "--seed", "1", "tiny"]);
  expect(exitCode).toBe(0);
  expect(stdout).toMatch(/^Wrote tiny: [\d.]+ MB in [\d.]+ m?s/);
});

afterAll(() => here[Symbol.dispose]());

describe("help and mistakes", () => {
  test("help goes to standard output, with examples", async () => {
    for (const args of [[], ["--help"], ["help"], ["chat", "--help"], ["generate", "-h"]]) {
      const { exitCode, stdout, stderr } = await run(args);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
      expect(stdout).toContain("Usage: mimo");
      expect(stdout).toContain("Examples:\n  $ ");
    }
  });

  test("the sources run as they are", () => {
    const mimo = fileURLToPath(new URL("../../bin/mimo.mjs", import.meta.url));
    const { status, stdout } = spawnSync(process.execPath, [mimo, "inspect", "tiny"], {
      cwd: here.folder,
      encoding: "utf8",
    });
    expect({ status, stdout }).toEqual({ status: 0, stdout: expect.stringContaining("GssssGs") as string });
  });

  test("the version is the package's", async () => {
    const { version } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      version: string;
    };
    expect((await run(["--version"])).stdout).toBe(`${version}\n`);
  });

  test.each([
    [["generatee"], "Did you mean generate?"],
    [["inspect", "tiny", "--tensor"], "Did you mean --tensors?"],
    [["generate", "tiny", "--prompt", "x", "--kv", "q3"], "mimo COMMAND --help"],
    [["generate", "tiny", "--prompt", "x", "--seed", "1.5"], "mimo COMMAND --help"],
    [["generate", "tiny", "--prompt", "x", "--chat", "y"], "mimo COMMAND --help"],
    [["generate", "tiny", "--prompt", "x", "--temperature", "-1"], "mimo COMMAND --help"],
    [["generate", "tiny", "--prompt", "x", "--think"], "--chat TEXT"],
    [["generate", "tiny", "--prompt", "x", "--thinking-budget", "5"], "--chat TEXT"],
    [["init", "tiny"], "mimo COMMAND --help"],
  ])("%j is refused with a hint", async (args, hint) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: 2, stdout: "" });
    const { what, why, remedy } = partsOf(stderr);
    expect(what).toBe("error: The command cannot run as given.");
    expect(why).toMatch(/^Why: ./);
    expect(remedy).toContain(hint);
  });

  test("a missing file and a damaged one have exit codes of their own", async () => {
    const missing = await run(["inspect", "nowhere"]);
    expect(missing.exitCode).toBe(3);
    expect(partsOf(missing.stderr).why).toContain("nowhere");
    writeFileSync(here.path("broken.gguf"), "no GGUF at all");
    const broken = await run(["generate", "broken.gguf", "--prompt", "x"]);
    expect(broken.exitCode).toBe(4);
    expect(partsOf(broken.stderr).why).toContain("broken.gguf");
  });

  test("--json makes the error JSON, --debug adds the stack", async () => {
    const { exitCode, stderr } = await run(["inspect", "nowhere", "--json"]);
    const { error } = JSON.parse(stderr) as { error: Record<string, unknown> };
    expect(error).toMatchObject({ code: "not_found", exitCode });
    expect(Object.keys(error)).toEqual(expect.arrayContaining(["message", "remedy"]));
    for (const args of [
      ["--debug", "inspect", "nowhere"],
      ["inspect", "nowhere", "--debug"],
    ]) {
      expect((await run(args)).stderr).toMatch(/\n\s+at /);
    }
  });
});

describe("inspect", () => {
  test("tells architecture, sizes and memory", async () => {
    const { exitCode, stdout } = await run(["inspect", "tiny"]);
    expect(exitCode).toBe(0);
    for (const part of [
      "MiMoV2FlashForCausalLM",
      "2 global (G), 5 sliding (s, window 16)",
      "GssssGs",
      "Deeeeee",
      "<|im_end|>",
      "at 4K",
    ]) {
      expect(stdout).toContain(part);
    }
  });

  test("JSON adds up", async () => {
    const inspection = await runJson(["inspect", "tiny", "--tensors"]);
    const { parameters, bytes, dtypes, tensors, numMtpHeads } = inspection as {
      parameters: Record<string, number>;
      bytes: Record<string, number>;
      dtypes: { byteLength: number }[];
      tensors: { byteLength: number }[];
      numMtpHeads: number;
    };
    const total = (entries: readonly { byteLength: number }[]): number =>
      entries.reduce((sum, { byteLength }) => sum + byteLength, 0);
    expect(total(dtypes)).toBe(bytes["total"]);
    expect(total(tensors)).toBe(bytes["total"]);
    expect(defined(parameters["trunk"], "trunk") + defined(parameters["mtp"], "mtp")).toBe(parameters["total"]);
    expect(parameters["activePerToken"]).toBeLessThan(defined(parameters["trunk"], "trunk"));
    expect(numMtpHeads).toBe(3);
  });

  test.each(["hf-fp8-fused-kv", "gguf-q4_k_m"])("reads %s", async (name) => {
    const { parameters, tokenizer } = await runJson(["inspect", goldenCase(name).path]);
    expect((parameters as Record<string, number>)["total"]).toBeGreaterThan(1e6);
    expect(tokenizer).toBeNull();
  });
});

describe("init and convert", () => {
  test("refuse what exists, unless told to overwrite", async () => {
    const args = ["init", "--preset", "tiny", "again.gguf", "--type", "q8_0"];
    expect((await run(args)).exitCode).toBe(0);
    const refused = await run(args);
    expect(refused.exitCode).toBe(2);
    expect(partsOf(refused.stderr).why).toContain("exists already");
    const written = await runJson([...args, "--overwrite"]);
    expect(written).toMatchObject({ path: "again.gguf", numMtpHeads: 3 });
  });

  test("a folder becomes a GGUF file of the same parameters", async () => {
    const { exitCode, stdout } = await run(["convert", "tiny", "tiny-q8_0.gguf", "--type", "q8_0"]);
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^Wrote tiny-q8_0\.gguf: /);
    const before = await runJson(["inspect", "tiny"]);
    const after = await runJson(["inspect", "tiny-q8_0.gguf"]);
    expect(after["parameters"]).toEqual(before["parameters"]);
  });
});

describe("generate", () => {
  // The same backend everywhere: where the addon is missing, the default one warns.
  const greedy = ["--temperature", "0", "--max-tokens", "12", "--backend", "reference"];

  test("one JSON object with text, usage and timings", async () => {
    const answer = await runJson(["generate", "tiny", "--chat", "Hello", ...greedy, "--logprobs", "2"]);
    expect(answer).toMatchObject({
      model: "tiny",
      reasoning: "",
      toolCalls: [],
      finishReason: expect.stringMatching(/stop|length/),
    });
    const { usage, logprobs, timings } = answer as {
      usage: { completionTokens: number };
      logprobs: { top: unknown[] }[];
      timings: Record<string, number>;
    };
    expect(logprobs).toHaveLength(usage.completionTokens);
    expect(logprobs[0]?.top).toHaveLength(2);
    expect(timings["tokensPerSecond"]).toBeGreaterThanOrEqual(0);
  });

  test("streams the same text, alone on standard output, from every kind of prompt", async () => {
    const { text } = await runJson(["generate", "tiny", "--prompt", "Once upon", ...greedy]);
    writeFileSync(here.path("prompt.txt"), "Once upon");
    const expected = { exitCode: 0, stdout: String(text).endsWith("\n") ? text : `${String(text)}\n`, stderr: "" };
    expect(await run(["generate", "tiny", ...greedy], "Once upon\n")).toEqual(expected);
    expect(await run(["generate", "tiny", "--file", "prompt.txt", ...greedy])).toEqual(expected);
    expect(await run(["generate", "tiny", "--prompt", "Once upon", ...greedy, "--speculation", "0"])).toEqual(expected);
  });

  test("messages come from a .json file, ids from another, tools from a third", async () => {
    const messages = [{ role: "user", content: "Hello" }];
    writeFileSync(here.path("messages.json"), JSON.stringify({ messages }));
    writeFileSync(here.path("ids.json"), "[72, 101, 108]");
    const tool = { type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } };
    writeFileSync(here.path("tools.json"), JSON.stringify([tool]));
    const plain = await runJson(["generate", "tiny", "--chat", "Hello", ...greedy]);
    const fromFile = await runJson(["generate", "tiny", "--file", "messages.json", ...greedy]);
    expect(fromFile["text"]).toBe(plain["text"]);
    const withTools = await runJson(["generate", "tiny", "--chat", "Hello", "--tools", "tools.json", ...greedy]);
    const promptTokens = (answer: Record<string, unknown>) =>
      (answer["usage"] as { promptTokens: number }).promptTokens;
    expect(promptTokens(withTools)).toBeGreaterThan(promptTokens(plain));
    expect(promptTokens(await runJson(["generate", "tiny", "--ids", "ids.json", ...greedy]))).toBe(3);
  });

  test("stops at a stop text and at the token limit", async () => {
    const { text } = await runJson(["generate", "tiny", "--prompt", "x", ...greedy]);
    const [first = ""] = String(text);
    const stopped = await runJson(["generate", "tiny", "--prompt", "x", ...greedy, "--stop", "never", "--stop", first]);
    expect(stopped).toMatchObject({ text: "", finishReason: "stop" });
  });

  test("Ctrl-C keeps what was written and exits with 130", async () => {
    const child = here.spawn(["generate", "tiny", "--prompt", "x", "--max-tokens", "4000", "--backend", "reference"]);
    const result = resultOf(child);
    child.stdin.end();
    // npm passes on what the terminal has sent already: two signals at once are one press.
    child.stdout.once("data", () => child.kill("SIGINT") && child.kill("SIGINT"));
    const { exitCode, stdout, stderr } = await result;
    expect({ exitCode, message: stderr }).toEqual({ exitCode: 130, message: "Stopped.\n" });
    expect(stdout.length).toBeGreaterThan(0);
  });

  test("a reader that goes away ends it quietly", async () => {
    const child = here.spawn(["generate", "tiny", "--prompt", "x", "--max-tokens", "4000", "--backend", "reference"]);
    const result = resultOf(child);
    child.stdin.end();
    child.stdout.once("data", () => child.stdout.destroy());
    expect(await result).toMatchObject({ exitCode: 0, stderr: "" });
  });
});

describe("logits", () => {
  test("are the golden ones, trunk and MTP head", async () => {
    const { path, array } = goldenCase("hf-bf16");
    for (const [name, args] of [
      ["logits", []],
      ["mtp1_logits", ["--mtp", "1"]],
      ["mtp1_chained_logits", ["--mtp", "1", "--mtp-mode", "chained"]],
    ] as const) {
      const ids = `${path}/expected.json`;
      const { shape } = await runJson([
        "logits",
        path,
        "--ids",
        ids,
        "--out",
        `${name}.f32`,
        "--backend",
        "reference",
        ...args,
      ]);
      const expected = defined(array(name), name);
      expect(shape).toEqual([expected.length / 256, 256]);
      const bytes = readFileSync(here.path(`${name}.f32`));
      expect(maxDifference(expected, new Float32Array(new Uint8Array(bytes).buffer))).toBeLessThan(1e-3);
    }
  });

  test("refuse a file without ids", async () => {
    writeFileSync(here.path("no-ids.json"), '{"ids": [1]}');
    const { exitCode, stderr } = await run(["logits", "tiny", "--ids", "no-ids.json", "--out", "x.f32"]);
    expect(exitCode).toBe(2);
    expect(partsOf(stderr).remedy).toContain("input_ids");
  });
});

describe("plan", () => {
  const DESCRIBED = ["--bandwidth", "400GB/s", "--flops", "20T"];

  test("the published model on a machine that is described: one screen, nothing measured", async () => {
    const { exitCode, stdout, stderr } = await run(["plan", "flash", "--type", "q4_k", "--ram", "256GB", ...DESCRIBED]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    expect(stdout.split("\n").length).toBeLessThan(30);
    for (const part of [
      "310B",
      "400 GB/s",
      "fits, with 256K tokens",
      "KV q8_0",
      "8 at once",
      "routing is taken as random",
    ])
      expect(stdout).toContain(part);
  });

  test("a memory that is too small: experts from the disk, or nothing at all", async () => {
    const planned = async (ram: string) =>
      (await run(["plan", "flash", "--type", "q4_k", "--ram", ram, ...DESCRIBED])).stdout;
    expect(await planned("96GB")).toMatch(/larger than memory.*\n[^]*experts held[^]*--disk/);
    expect(await planned("4GB")).toContain("too large");
  });

  test("a checkpoint on this machine, as JSON that adds up", async () => {
    const plan = await runJson(["plan", "tiny", "--contexts", "512,1024", "--batch", "1,2"]);
    const { model, machine, contexts } = plan as {
      model: { bytes: number; weights: { bytes: number }[] };
      machine: { availableBytes: number };
      contexts: {
        tokens: number;
        prefill: { expected: number; low: number; high: number };
        decode: { batch: number; memory: { fit: string }; tokensPerSecond: { expected: number } }[];
      }[];
    };
    const { bytes } = await runJson(["inspect", "tiny"]);
    expect(model.bytes).toBe((bytes as { total: number }).total);
    expect(model.weights.reduce((sum, group) => sum + group.bytes, 0)).toBe(model.bytes);
    expect(machine.availableBytes).toBeGreaterThan(0);
    expect(contexts.map(({ tokens }) => tokens)).toEqual([512, 1024]);
    for (const { prefill, decode } of contexts) {
      expect(prefill.low).toBeLessThan(prefill.expected);
      expect(prefill.high).toBeGreaterThan(prefill.expected);
      expect(decode.map(({ batch }) => batch)).toEqual([1, 2]);
      for (const { memory, tokensPerSecond } of decode) {
        expect(memory.fit).toBe("fits");
        expect(tokensPerSecond.expected).toBeGreaterThan(0);
      }
    }
  });

  test.each([
    [["plan", "tiny", "--type", "q4_k"], 2, "Leave --type away"],
    [["plan", "nowhere"], 3, "Check"],
    [["plan", "flash", "--flops", "20T"], 2, "--bandwidth"],
    [["plan", "flash", "--bandwidth", "400Gb/s"], 2, "--help"],
    [["plan", "tiny", "--contexts", "999999", ...DESCRIBED], 2, "--contexts"],
    [["plan", "tiny", "--batch", "0", ...DESCRIBED], 2, "--help"],
  ])("%j is refused with a hint", async (args, code, hint) => {
    const { exitCode, stdout, stderr } = await run(args);
    expect({ exitCode, stdout }).toEqual({ exitCode: code, stdout: "" });
    expect(partsOf(stderr).remedy).toContain(hint);
  });
});

describe("bench and doctor", () => {
  test("bench measures every combination", async () => {
    const run = await runJson([
      "bench",
      "tiny",
      "--contexts",
      "32,64",
      "--batch",
      "1,2",
      "--tokens",
      "4",
      "--rounds",
      "1",
    ]);
    const { results, machine } = run as { results: Record<string, unknown>[]; machine: object };
    expect(results).toHaveLength(8);
    expect(Object.keys(machine)).toEqual(expect.arrayContaining(["cpu", "backend", "node"]));
    for (const { prefill, decode } of results as { prefill: { median: number }; decode: { median: number } }[]) {
      expect(prefill.median).toBeGreaterThan(0);
      expect(decode.median).toBeGreaterThan(0);
    }
    expect(results.filter((result) => "bytesPerSecond" in result)).toHaveLength(2);
  });

  test("bench tells what was read of a model that exceeds the memory it may have", async () => {
    const flags = ["--contexts", "16", "--speculation", "0", "--tokens", "4", "--rounds", "1"];
    const { results, settings } = await runJson(["bench", "tiny", ...flags, "--expert-memory", "4m"]);
    expect(settings).toMatchObject({ expertMemory: 4e6 });
    const [{ experts }] = results as [{ experts: Record<string, number> }];
    // Six layers with experts, of which two run.
    expect(experts).toMatchObject({ usesPerToken: 12 });
    expect(experts["heldBytes"]).toBeLessThanOrEqual(4e6);
    expect(experts["bytesReadPerToken"]).toBeGreaterThan(0);
    const { stdout } = await run(["bench", "tiny", ...flags, "--expert-memory", "4MB"]);
    expect(stdout).toMatch(/experts held +used\/token +hits +read\/token/);
    expect((await run(["bench", "tiny", "--expert-memory", "much"])).stderr).toContain(
      "Expected a size such as 48G, or all.",
    );
  });

  test("bench refuses contexts that the model does not have", async () => {
    const { exitCode, stderr } = await run(["bench", "tiny", "--contexts", "9999"]);
    expect(exitCode).toBe(2);
    expect(partsOf(stderr).remedy).toContain("--contexts");
  });

  test("bench train measures steps, their phases and their arithmetic", async () => {
    const flags = ["--batch", "2", "--length", "32", "--rounds", "2", "--threads", "1"];
    const result = await runJson(["bench", "train", "--preset", "tiny", ...flags]);
    expect(result).toMatchObject({
      model: { name: "tiny" },
      settings: { batch: 2, length: 32, mtpHeads: 1, rounds: 2, precision: "f32", matrices: "adamw" },
      machine: { backend: expect.stringContaining("1 thread") as string },
    });
    const { tokensPerSecond, milliseconds, arithmetic, memory } = result as Record<string, Record<string, number>>;
    expect(Object.keys(milliseconds!)).toEqual(["step", "forward", "losses", "backward", "update"]);
    for (const figures of [tokensPerSecond, milliseconds, arithmetic, memory]) {
      for (const value of Object.values(figures!)) expect(value).toBeGreaterThan(0);
    }
  });

  test("bench train takes a recipe, and refuses what no model has", async () => {
    const recipe = fileURLToPath(new URL("../../recipes/pico/recipe.yaml", import.meta.url));
    const flags = ["--batch", "1", "--length", "32", "--rounds", "1"];
    const { stdout } = await run(["bench", "train", "--recipe", recipe, "--mtp-heads", "0", ...flags]);
    expect(stdout).toMatch(/tokens\/s .*\narithmetic .*FLOP\/s, \d+ % of the/);
    expect(stdout).toContain("1 × 32 random tokens, 0 MTP heads, f32, muon");
    const refusals = [
      [["--recipe", recipe, "--preset", "tiny"], "cannot be used with"],
      [["--mtp-heads", "4"], "expected 0 to 3, found 4"],
      [["--batch", "0"], "must be positive, found 0"],
      [["--preset", "tiny", "--length", "5000"], "context of 4096"],
    ] as const;
    for (const [args, message] of refusals) {
      expect(await run(["bench", "train", ...args])).toMatchObject({
        exitCode: 2,
        stderr: expect.stringContaining(message) as string,
      });
    }
  });

  test("doctor finds nothing broken", async () => {
    const { ok, checks } = await runJson(["doctor"]);
    expect(ok).toBe(true);
    expect((checks as { name: string; status: string }[]).find(({ name }) => name === "self-check")?.status).toBe("ok");
  });
});
