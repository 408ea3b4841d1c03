import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { Command } from "commander";
import { describe, expect, test } from "vitest";
import { checkConfig } from "./config-file.ts";
import { withSettings } from "./document.ts";
import { nearest } from "./nearest.ts";
import { addSettingOptions, allSettings, type ResolveInput, resolveSettings, valuesOf } from "./resolve.ts";
import { SERVE_SETTINGS } from "./serve-settings.ts";
import { settingName, variableName } from "./setting.ts";
import { addForeignOptions, foreignNotes } from "./sglang.ts";

const DOCUMENT = fileURLToPath(new URL("../../../docs/serving.md", import.meta.url));

function parse(args: readonly string[]): Command {
  const command = new Command("serve")
    .argument("[model]")
    .exitOverride()
    .configureOutput({ outputError: () => {} });
  return addForeignOptions(addSettingOptions(command, SERVE_SETTINGS)).parse(args, { from: "user" });
}

function resolve(args: readonly string[], input: Partial<ResolveInput> = {}) {
  return resolveSettings(SERVE_SETTINGS, { flags: parse(args).opts(), variables: {}, ...input });
}

const fileOf = (serve: object) => ({
  path: "mimo.yaml",
  values: checkConfig({ serve }, "mimo.yaml", "serve", SERVE_SETTINGS),
});

describe("settings", () => {
  test("flag before environment before file before default", () => {
    const variables = { MIMO_PORT: "2", MIMO_MAX_QUEUE: "20", MIMO_HOST: "" };
    const file = fileOf({ port: 3, "max-queue": 30, "drain-seconds": 0.5, host: "localhost" });
    const settings = resolve(["--port", "1"], { variables, file });
    expect([settings["port"], settings["maxQueue"], settings["drainSeconds"], settings["kv"]]).toEqual([
      { value: 1, source: "flag --port" },
      { value: 20, source: "MIMO_MAX_QUEUE" },
      { value: 0.5, source: "mimo.yaml" },
      { value: undefined, source: "default" },
    ]);
    // An empty variable says nothing.
    expect(settings["host"]).toEqual({ value: "localhost", source: "mimo.yaml" });
    expect(valuesOf(SERVE_SETTINGS, resolve([]))).toMatchObject({ port: 9001, maxQueue: 256, inputPrice: 0.1 });
  });

  test("lists, switches, aliases and sizes are read from everywhere", () => {
    expect(resolve(["--allowed-host", "a", "--allowed-host", "b"])["allowedHost"]?.value).toEqual(["a", "b"]);
    expect(resolve([], { variables: { MIMO_ALLOWED_HOST: "a, b" } })["allowedHost"]?.value).toEqual(["a", "b"]);
    expect(resolve(["--strict-fields"])["strictFields"]?.value).toBe(true);
    expect(resolve([])["strictFields"]?.value).toBe(false);
    const variables = { MIMO_STRICT_FIELDS: "yes" };
    expect(resolve([], { variables })["strictFields"]?.value).toBe(true);
    expect(resolve(["--no-strict-fields"], { variables })["strictFields"]?.value).toBe(false);
    expect(resolve(["--context", "4096"])["contextLength"]).toEqual({ value: 4096, source: "flag --context" });
    expect(resolve(["--model-path", "m"])["model"]?.value).toBe("m");
    expect(resolve(["--expert-memory", "48G"])["expertMemory"]?.value).toBe(48e9);
    expect(resolve([], { file: fileOf({ "expert-memory": "all" }) })["expertMemory"]?.value).toBe(Infinity);
  });

  test.each([
    [["--port", "70000"], "--port"],
    [["--port", "x"], "--port"],
    [["--kv", "f8"], "--kv"],
    [["--expert-memory", "many"], "--expert-memory"],
    [["--no-such"], "--no-such"],
  ])("%j is refused", (args, name) => {
    expect(() => parse(args)).toThrow(name);
  });

  test("what is wrong in the environment is named", () => {
    expect(() => resolve([], { variables: { MIMO_PORT: "x" } })).toThrow("MIMO_PORT: ");
    expect(() => resolve([], { variables: { MIMO_LOG_LEVEL: "loud" } })).toThrow("MIMO_LOG_LEVEL: ");
  });

  test.each([
    [{ serve: { "max-qeue": 1 } }, "m.yaml: serve.max-qeue is not a setting; did you mean serve.max-queue?"],
    [{ sevre: {} }, "m.yaml: sevre is not a setting; did you mean serve?"],
    [{ serve: { entirelyUnheardOf: 1 } }, "m.yaml: serve.entirelyUnheardOf is not a setting."],
    // A file that lies in the working folder must not say what is executed.
    [{ serve: { "mcp-config": "mcp.json" } }, "m.yaml: serve.mcp-config is not a setting."],
    [{ serve: { port: "9001" } }, "m.yaml: serve.port: "],
    [{ serve: { "drain-seconds": -1 } }, "m.yaml: serve.drain-seconds: "],
    [{ serve: { "expert-memory": "many" } }, "m.yaml: serve.expert-memory: "],
    [[], "m.yaml: the file: "],
    ["serve", "m.yaml: the file: "],
  ])("a file with %j is refused", (content, message) => {
    expect(() => checkConfig(content, "m.yaml", "serve", SERVE_SETTINGS)).toThrow(message);
  });

  test("a file may say nothing", () => {
    expect(checkConfig({}, "m.yaml", "serve", SERVE_SETTINGS)).toEqual({});
    expect(checkConfig({ serve: null }, "m.yaml", "serve", SERVE_SETTINGS)).toEqual({});
  });

  test("every name is there once", () => {
    const keys = allSettings(SERVE_SETTINGS).map(([key]) => key);
    expect(new Set(keys).size).toBe(keys.length);
    expect([settingName("maxQueueSeconds"), variableName("maxQueueSeconds")]).toEqual([
      "max-queue-seconds",
      "MIMO_MAX_QUEUE_SECONDS",
    ]);
  });

  test("nearest", () => {
    expect(nearest("max-qeue", ["max-queue", "port"])).toBe("max-queue");
    expect(nearest("Port", ["max-queue", "port"])).toBe("port");
    expect(nearest("unheard-of", ["max-queue", "port"])).toBeUndefined();
  });

  // `npx vitest run src/cli/settings -u` writes it.
  test("the document is current", async () => {
    await expect(withSettings(readFileSync(DOCUMENT, "utf8"), SERVE_SETTINGS)).toMatchFileSnapshot(DOCUMENT);
  });
});

describe("flags of SGLang", () => {
  // As the model's card has it.
  const CARD = `
    --model-path XiaomiMiMo/MiMo-V2-Flash --served-model-name mimo-v2-flash --pp-size 1 --dp-size 2
    --enable-dp-attention --tp-size 8 --moe-a2a-backend deepep --page-size 1 --host 0.0.0.0 --port
    9001 --trust-remote-code --mem-fraction-static 0.75 --max-running-requests 128
    --chunked-prefill-size 16384 --reasoning-parser qwen3 --tool-call-parser mimo --context-length
    262144 --attention-backend fa3 --speculative-algorithm EAGLE --speculative-num-steps 3
    --speculative-eagle-topk 1 --speculative-num-draft-tokens 4 --enable-mtp
  `
    .trim()
    .split(/\s+/);

  test("the model's own command line is understood", () => {
    const command = parse(CARD);
    const settings = resolveSettings(SERVE_SETTINGS, { flags: command.opts(), variables: {} });
    expect(valuesOf(SERVE_SETTINGS, settings)).toMatchObject({
      model: "XiaomiMiMo/MiMo-V2-Flash",
      servedModelName: ["mimo-v2-flash"],
      port: 9001,
      maxRunningRequests: 128,
      chunkedPrefillSize: 16_384,
      contextLength: 262_144,
      speculativeNumSteps: 3,
    });
    const notes = foreignNotes(command);
    expect(notes.map((note) => note.split(" ")[0])).toEqual(
      expect.arrayContaining([
        "--tp-size",
        "--dp-size",
        "--trust-remote-code",
        "--mem-fraction-static",
        "--enable-mtp",
      ]),
    );
    expect(notes.join("")).not.toMatch(/parser|algorithm|topk/);
  });

  test.each([
    [["--tool-call-parser", "qwen25"], '--tool-call-parser "qwen25"'],
    [["--reasoning-parser", "deepseek-r1"], "--reasoning-parser"],
    [["--speculative-algorithm", "NGRAM"], "--speculative-algorithm"],
    [["--quantization", "fp8"], "--quantization"],
    [["--kv-cache-dtype", "fp8_e5m2"], "--kv-cache-dtype"],
  ])("%j is refused with what is right", (args, message) => {
    expect(() => foreignNotes(parse(args))).toThrow(message);
  });

  test("a secret is not repeated", () => {
    expect(() => foreignNotes(parse(["--api-key", "very-secret"]))).toThrow(/^(?!.*very-secret).*--api-key/);
  });
});
