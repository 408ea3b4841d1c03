// What comparisons share: a machine that is idle, programs of the repository, and models, made where they are missing.
//
// What cannot go on says why and ends the process with 2.

import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { busyWarning, ROOT } from "../report.mjs";

/** @returns {never} */
export function fail(message) {
  console.error(message);
  process.exit(2);
}

/** Whether the machine is busy, which only `anyway` lets pass. */
export function checkMachine(anyway) {
  const warning = busyWarning();
  if (warning !== undefined && !anyway) fail(`${warning}\nNothing was measured. --anyway measures all the same.`);
  if (!existsSync(join(ROOT, "bench/peers/node_modules")))
    fail("The peer is not installed: run `npm ci` in bench/peers.");
  return warning !== undefined;
}

/** What a file of the repository prints. */
export function run(file, args) {
  const loader = file.endsWith(".ts") ? ["--import", join(ROOT, "scripts/ts-loader.mjs")] : [];
  const output = { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], maxBuffer: 1 << 26 };
  try {
    return execFileSync(process.execPath, [...loader, join(ROOT, file), ...args], output);
  } catch (error) {
    return fail(`${file} ${args.join(" ")} failed:\n${error.stderr ?? error.message}`);
  }
}

/** The file of a preset with random weights of a type, made by `mimo init` and `mimo convert`. */
export function provideModel(folder, preset, type) {
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
