// Options that several commands share, and their way into the library's: one name, one meaning, one default each.
// Ranges are the library's to check; here text becomes numbers.

import { type Command, InvalidArgumentError, Option } from "commander";
import type { LoadOptions } from "../api/load.ts";
import type { GenerationOptions } from "../api/request.ts";
import { type Packing, PACKINGS } from "../model/packing.ts";
import { ACTIVATIONS, type Activations } from "../ops/linear/quantise-activations.ts";
import { KV_DTYPES, type KvDType } from "../tensor/dtype.ts";

export interface ModelFlags {
  readonly backend?: NonNullable<LoadOptions["backend"]>;
  readonly threads?: number;
  readonly context?: number;
  readonly kv?: KvDType;
  readonly mtp?: "parallel" | "chained";
  readonly activations?: Activations;
  readonly packing?: Packing;
  readonly expertMemory?: number;
}

export interface SamplingFlags {
  readonly temperature?: number;
  readonly topP?: number;
  readonly topK?: number;
  readonly minP?: number;
  readonly seed?: number;
  readonly maxTokens?: number;
  readonly speculation?: number | "auto";
}

export const backendOption = (): Option =>
  new Option("--backend <name>", "what computes; default: cpu where its addon is built").choices(["cpu", "reference"]);

export const threadsOption = (): Option =>
  new Option("--threads <n>", "threads of the cpu backend; default: the physical cores").argParser(parseInteger);

export const kvOption = (): Option =>
  new Option("--kv <dtype>", "element type of the KV cache; default: f16").choices(KV_DTYPES);

export const activationsOption = (preset: Activations): Option =>
  new Option(
    "--activations <type>",
    "how activations meet quantised weights: f32 as they are, int16 rounded to 15 bits (faster, logits differ by about 3e-4), int8 (fastest for several tokens at once, as llama.cpp rounds)",
  )
    .choices(ACTIVATIONS)
    .default(preset);

export const packingOption = (): Option =>
  new Option(
    "--packing <which>",
    "weights to copy into the fastest layout: all, dense (all but experts) or none; default: what fits into memory",
  ).choices(PACKINGS);

export const mtpModeOption = (flag = "--mtp"): Option =>
  new Option(`${flag} <mode>`, "what MTP heads after the first read; default: parallel").choices([
    "parallel",
    "chained",
  ]);

export const expertMemoryOption = (): Option =>
  new Option(
    "--expert-memory <size>",
    'memory for the most used experts of a model that does not fit, such as 48G; "all" leaves it to the system; default: what is free',
  ).argParser(parseMemory);

export const speculationOption = (preset = "auto"): Option =>
  new Option(
    "--speculation <depth>",
    `tokens to draft per step with the MTP heads: auto, 0, 1, 2 or 3; default: ${preset}`,
  ).argParser(parseSpeculation);

export const thinkingBudgetOption = (): Option =>
  new Option(
    "--thinking-budget <tokens>",
    "most tokens of thinking, then the answer follows; default: no limit",
  ).argParser(parseInteger);

/** On the command line only: what the file names is executed, so no file of a folder that one happens to be in may name it. */
export const mcpConfigOption = (): Option =>
  new Option(
    "--mcp-config <file>",
    'MCP servers whose tools the studio may call: {"mcpServers": {…}} as JSON',
  ).helpGroup("Server:");

export function addModelOptions(command: Command): Command {
  return command
    .optionsGroup("Model:")
    .addOption(backendOption())
    .addOption(threadsOption())
    .option("--context <tokens>", "tokens that prompt and answer may have together", parseInteger)
    .addOption(kvOption())
    .addOption(mtpModeOption())
    .addOption(activationsOption("int16"))
    .addOption(packingOption())
    .addOption(expertMemoryOption());
}

export function addSamplingOptions(command: Command): Command {
  return command
    .optionsGroup("Sampling:")
    .option("--temperature <number>", "0 always takes the most probable token; default: 0.8", parseNumber)
    .option("--top-p <share>", "keep the most probable tokens up to this share; default: 0.95", parseNumber)
    .option("--top-k <n>", "keep the n most probable tokens; default: 0, all", parseInteger)
    .option("--min-p <share>", "drop tokens below this share of the most probable one; default: 0", parseNumber)
    .option("--seed <n>", "same seed, same answer; default: a fresh one", parseInteger)
    .option("--max-tokens <n>", "most tokens of an answer; default: what the context holds", parseInteger)
    .addOption(speculationOption());
}

export function toLoadOptions(flags: ModelFlags): LoadOptions {
  return {
    backend: flags.backend,
    threads: flags.threads,
    contextLength: flags.context,
    kvDType: flags.kv,
    mtp: flags.mtp,
    packing: flags.packing,
    expertMemory: flags.expertMemory,
    activations: flags.activations,
  };
}

export function toGenerationOptions(flags: SamplingFlags): GenerationOptions {
  const { temperature, topP, topK, minP, seed, maxTokens, speculation } = flags;
  return { temperature, topP, topK, minP, seed, maxTokens, speculation };
}

export function parseNumber(text: string): number {
  const value = text.trim() === "" ? Number.NaN : Number(text);
  if (Number.isFinite(value)) return value;
  throw new InvalidArgumentError("Expected a number.");
}

export function parseInteger(text: string): number {
  const value = parseNumber(text);
  if (Number.isSafeInteger(value)) return value;
  throw new InvalidArgumentError("Expected a whole number.");
}

/** "4K" as 4096: lengths are in binary thousands. */
export function parseTokens(text: string): number {
  const [, digits, scale] = /^(\d+)(k?)$/i.exec(text.trim()) ?? [];
  if (digits !== undefined) return Number(digits) * (scale === "" ? 1 : 1024);
  throw new InvalidArgumentError("Expected a number of tokens such as 512 or 4K.");
}

/** "48G" in bytes, in decimal units as everywhere; "all" is no limit. */
export function parseMemory(text: string): number {
  if (text === "all") return Infinity;
  const [, number, unit = ""] = /^([\d.]+)\s*([kmgt]?)b?$/i.exec(text.trim()) ?? [];
  const bytes = Math.round(Number(number) * 1000 ** " kmgt".indexOf(unit.toLowerCase()));
  if (Number.isSafeInteger(bytes)) return bytes;
  throw new InvalidArgumentError("Expected a size such as 48G, or all.");
}

export function parseSpeculation(text: string): number | "auto" {
  return text === "auto" ? text : parseInteger(text);
}

/** Element types are often written as llama.cpp does: Q4_K. */
export function lowerCase(text: string): string {
  return text.toLowerCase();
}

/** "512,4096" as numbers. */
export function parseList<T>(parse: (text: string) => T): (text: string) => T[] {
  return (text) => text.split(",").map((part) => parse(part.trim()));
}

/** For an option that may be given several times. */
export function collect(text: string, list: readonly string[] | undefined): readonly string[] {
  return [...(list ?? []), text];
}

/** Text after a command's help that teaches by example. */
export function examples(...lines: readonly (readonly [command: string, explanation: string])[]): string {
  return `\nExamples:\n${lines.map(([command, explanation]) => `  $ ${command}\n      ${explanation}`).join("\n")}\n`;
}
