// What comparisons share: a command line, a machine that is idle, programs of the repository, and models, made where they
// are missing.
//
// What cannot go on says why and ends the process with 2.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { loadavg } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { busyWarning, describeMachine, readCommit, ROOT } from "../report.mjs";

/** @returns {never} */
function fail(message) {
  console.error(message);
  process.exit(2);
}

/** Options as they were written, with their defaults: false for a flag. `--help` prints the usage and ends the process. */
export function readCommand(usage, defaults, { allowPositionals = false } = {}) {
  const option = (value) =>
    value === false ? { type: "boolean", default: false } : { type: "string", default: value };
  const options = Object.fromEntries(Object.entries(defaults).map(([name, value]) => [name, option(value)]));
  const parsed = parse({ allowPositionals, options: { ...options, anyway: option(false), help: option(false) } });
  if (parsed.values.help) {
    console.log(usage);
    process.exit();
  }
  return { options: parsed.values, positionals: parsed.positionals, readCount };

  function parse(config) {
    try {
      return parseArgs(config);
    } catch (error) {
      return fail(`${error.message}\n${usage}`);
    }
  }

  function readCount(name, least = 1) {
    const text = parsed.values[name];
    const value = Number(text);
    return /^\d+$/.test(text) && Number.isSafeInteger(value) && value >= least
      ? value
      : fail(`--${name} must be a whole number of at least ${least}.\n${usage}`);
  }
}

/** Begins to measure, on a busy machine only with `anyway`. What is returned says when and on what, once it is over. */
export function begin({ anyway }) {
  const warning = busyWarning();
  if (warning !== undefined && !anyway) fail(`${warning}\nNothing was measured. --anyway measures all the same.`);
  const [before] = loadavg();
  const commit = readCommit();
  return () => ({
    date: new Date().toISOString().slice(0, 10),
    commit,
    machine: describeMachine(),
    loadAverage: { before, after: loadavg()[0] },
    wasBusy: warning !== undefined,
  });
}

/** The files that were named, or those of a preset in each of the types. */
export function provideModels(positionals, { models, types }, preset) {
  if (!existsSync(join(ROOT, "bench/peers/node_modules")))
    fail("The peer is not installed: run `npm ci` in bench/peers.");
  return positionals.length > 0 ? positionals : types.split(",").map((type) => provideModel(models, preset, type));
}

/** What a program prints. */
export function execute(program, args, remedy = "") {
  const output = { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 };
  try {
    return execFileSync(program, args, output);
  } catch (error) {
    return fail(`${program} ${args.join(" ")} failed:\n${error.stderr ?? error.message}${remedy}`);
  }
}

/** What a file of the repository prints. */
export function run(file, args) {
  const loader = file.endsWith(".ts") ? ["--import", join(ROOT, "scripts/ts-loader.mjs")] : [];
  return execute(process.execPath, [...loader, join(ROOT, file), ...args]);
}

/** The file of a preset with random weights of a type, made by `mimo init` and `mimo convert`. */
function provideModel(folder, preset, type) {
  const path = (dtype) => join(folder, `${preset}-${dtype}.gguf`);
  if (existsSync(path(type))) return path(type);
  mkdirSync(folder, { recursive: true });
  if (!existsSync(path("bf16"))) {
    console.error(`Making ${path("bf16")} …`);
    run("bin/mimo.mjs", ["init", "--preset", preset, "--type", "bf16", path("bf16")]);
  }
  if (type !== "bf16") {
    console.error(`Making ${path(type)} …`);
    run("bin/mimo.mjs", ["convert", path("bf16"), path(type), "--type", type]);
  }
  return path(type);
}
