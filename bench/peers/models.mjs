// The models that comparisons measure: random weights, made where they are missing, the same for both sides.

import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";

/** The file of a type, made by `mimo init` and `mimo convert`; `run` executes a file of the repository with arguments. */
export function provideModel(run, folder, preset, type) {
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
