// What the programs of this folder share on their command line: one model file, `--name value` options, files of token ids.

import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";

/** Options by name, with the model file as `model`. `defaults` names the known options; null marks one that must be given. */
export function readArguments(usage, defaults) {
  const options = Object.fromEntries(
    Object.entries(defaults).map(([name, value]) => [
      name,
      { type: typeof value === "boolean" ? "boolean" : "string" },
    ]),
  );
  try {
    const { values, positionals } = parseArgs({ options, allowPositionals: true });
    if (positionals.length !== 1) throw new Error(`Expected one model file, found ${positionals.length}.`);
    const chosen = { ...defaults, ...values };
    for (const [name, value] of Object.entries(chosen)) if (value === null) throw new Error(`--${name} is missing.`);
    return { ...chosen, model: positionals[0] };
  } catch (error) {
    console.error(`${error.message}\nUsage: ${usage}`);
    process.exit(2);
  }
}

/** A whole number of at least 1, from the text of option `name`. */
export function readCount(name, text) {
  const value = Number(text);
  if (Number.isSafeInteger(value) && value >= 1) return value;
  throw new Error(`--${name} must be a whole number above 0, not "${text}".`);
}

/** Token ids from a JSON file: an array, or an object with `ids` or `input_ids`. */
export function readIds(path, vocabularySize) {
  const json = JSON.parse(readFileSync(path, "utf8"));
  const ids = Array.isArray(json) ? json : (json.ids ?? json.input_ids);
  if (!Array.isArray(ids) || ids.length === 0) throw new Error(`${path}: expected token ids, "ids" or "input_ids".`);
  const wrong = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= vocabularySize);
  if (wrong === undefined) return ids;
  throw new Error(`${path}: ${wrong} is no token id of this model (0 to ${vocabularySize - 1}).`);
}
