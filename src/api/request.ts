// What a caller may ask of a generation, checked here and nowhere else; defaults stand in one place.

import type { SequenceRequest } from "../engine/sequence.ts";
import { DEFAULT_SAMPLING, type SamplingParams } from "../ops/sample/sample.ts";
import type { ChatMessage, ToolDefinition } from "../tokenizer/chat-request.ts";
import { MimoError } from "../util/errors.ts";
import type { ResponseFormat, ToolChoice } from "./constrain.ts";
import { freshSeed } from "../util/random.ts";

export interface GenerationOptions {
  /** Most tokens to generate. Default: as many as the context holds. */
  readonly maxTokens?: number | undefined;
  /** 0 is greedy. Default 0.8, as the model card recommends for writing and mathematics; 0.3 for tools. */
  readonly temperature?: number | undefined;
  /** Default 0.95. */
  readonly topP?: number | undefined;
  /** 0 is off, the default. */
  readonly topK?: number | undefined;
  /** 0 is off, the default. */
  readonly minP?: number | undefined;
  /** 1 is off, the default. */
  readonly repetitionPenalty?: number | undefined;
  readonly presencePenalty?: number | undefined;
  readonly frequencyPenalty?: number | undefined;
  /** Added to the logits of token ids. */
  readonly logitBias?: Readonly<Record<number, number>> | undefined;
  /** Same seed, same output, whatever else runs. Default: a fresh one. */
  readonly seed?: number | undefined;
  /** Strings that end the output and are not part of it. */
  readonly stop?: readonly string[] | undefined;
  /** Token ids that end the output, beside the model's own. */
  readonly stopTokenIds?: readonly number[] | undefined;
  /** Go on past the model's end-of-turn tokens. */
  readonly ignoreEos?: boolean | undefined;
  /** Report log-probabilities with so many alternatives per token. */
  readonly logprobs?: number | undefined;
  /** Tokens to draft per step with the MTP heads. Default "auto": the depth that measures fastest. */
  readonly speculation?: number | "auto" | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface ChatOptions extends GenerationOptions {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ToolDefinition[] | undefined;
  /** Default: what the checkpoint's template says (off for V2-Flash). */
  readonly thinking?: boolean | undefined;
  /** "auto" (the default), "none", "required", or { name }: exactly one call of that tool. */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether an answer may hold several calls. On by default. */
  readonly parallelToolCalls?: boolean | undefined;
  /** What the text of the answer is. Default: text. */
  readonly responseFormat?: ResponseFormat | undefined;
}

export interface CompleteOptions extends GenerationOptions {
  /** Text, in which special tokens are plain text; or token ids. */
  readonly prompt: string | readonly number[];
}

const COMMON_KEYS = [
  "maxTokens",
  "temperature",
  "topP",
  "topK",
  "minP",
  "repetitionPenalty",
  "presencePenalty",
  "frequencyPenalty",
  "logitBias",
  "seed",
  "stop",
  "stopTokenIds",
  "ignoreEos",
  "logprobs",
  "speculation",
  "signal",
] as const satisfies readonly (keyof GenerationOptions)[];

const ANSWER_KEYS = [
  "toolChoice",
  "parallelToolCalls",
  "responseFormat",
] as const satisfies readonly (keyof ChatOptions)[];
export const CHAT_KEYS: readonly string[] = [...COMMON_KEYS, "messages", "tools", "thinking", ...ANSWER_KEYS];
export const COMPLETE_KEYS: readonly string[] = [...COMMON_KEYS, "prompt"];

/** Limits that keep one request from being another's problem. */
const MAX_LOGPROBS = 20;
const MAX_STOPS = 16;

/** Throws `invalid_argument` for a key that is not among `known`. */
export function refuseUnknownKeys(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new MimoError("invalid_argument", `Unknown option "${unknown}".`, {
    param: unknown,
    remedy: `Known options: ${known.join(", ")}.`,
  });
}

export interface EngineContext {
  readonly eosTokenIds: readonly number[];
  readonly contextLength: number;
  readonly vocabSize: number;
}

/** The engine's form of a request. Throws `invalid_argument` naming the option. */
export function toSequenceRequest(
  options: GenerationOptions,
  prompt: readonly number[],
  context: EngineContext,
): Omit<SequenceRequest, "id"> {
  const { speculation = "auto" } = options;
  if (speculation !== "auto") checkInteger("speculation", speculation, 0, 16);
  if (options.logprobs !== undefined) checkInteger("logprobs", options.logprobs, 0, MAX_LOGPROBS);
  const maxTokens = checkInteger("maxTokens", options.maxTokens ?? context.contextLength, 1, Number.MAX_SAFE_INTEGER);
  const stopTokens = [...(options.stopTokenIds ?? []), ...(options.ignoreEos === true ? [] : context.eosTokenIds)];
  for (const id of stopTokens) checkInteger("stopTokenIds", id, 0, Number.MAX_SAFE_INTEGER);
  checkStops(options.stop ?? []);
  return {
    prompt,
    maxTokens,
    stopTokens,
    sampling: samplingOf(options, context),
    topLogprobs: options.logprobs,
    speculation,
  };
}

function checkStops(stop: unknown): void {
  if (!Array.isArray(stop) || !stop.every((one) => typeof one === "string" && one !== "")) {
    throw new MimoError("invalid_argument", "stop must be a list of strings that are not empty.", { param: "stop" });
  }
  if (stop.length <= MAX_STOPS) return;
  throw new MimoError("invalid_argument", `stop has ${stop.length} strings; at most ${MAX_STOPS} are allowed.`, {
    param: "stop",
  });
}

/** A completion's prompt as ids; the engine checks each of them. */
export function promptIds(prompt: unknown, encode: (text: string) => readonly number[]): readonly number[] {
  if (typeof prompt === "string") return encode(prompt);
  if (Array.isArray(prompt)) return prompt as readonly number[];
  throw new MimoError("invalid_argument", `prompt must be text or a list of token ids, found ${typeof prompt}.`, {
    param: "prompt",
  });
}

function samplingOf(options: GenerationOptions, { vocabSize }: EngineContext): SamplingParams {
  const bias = Object.entries(options.logitBias ?? {}).map(([id, value]): [number, number] => [
    checkInteger("logitBias", Number(id), 0, vocabSize - 1),
    checkNumber("logitBias", value, -100, 100),
  ]);
  return {
    temperature: checkNumber("temperature", options.temperature ?? DEFAULT_SAMPLING.temperature, 0, 100),
    topP: checkNumber("topP", options.topP ?? DEFAULT_SAMPLING.topP, 0, 1),
    topK: checkInteger("topK", options.topK ?? DEFAULT_SAMPLING.topK, 0, Number.MAX_SAFE_INTEGER),
    minP: checkNumber("minP", options.minP ?? DEFAULT_SAMPLING.minP, 0, 1),
    repetitionPenalty: checkNumber("repetitionPenalty", options.repetitionPenalty ?? 1, 0.01, 100),
    presencePenalty: checkNumber("presencePenalty", options.presencePenalty ?? 0, -2, 2),
    frequencyPenalty: checkNumber("frequencyPenalty", options.frequencyPenalty ?? 0, -2, 2),
    logitBias: new Map(bias),
    seed: checkInteger("seed", options.seed ?? freshSeed(), 0, Number.MAX_SAFE_INTEGER),
  };
}

function checkNumber(param: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && value >= min && value <= max) return value;
  throw new MimoError("invalid_argument", `${param} must be a number from ${min} to ${max}, found ${String(value)}.`, {
    param,
  });
}

function checkInteger(param: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new MimoError("invalid_argument", `${param} must be an integer ${range}, found ${String(value)}.`, { param });
}
