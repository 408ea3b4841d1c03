// What a caller may ask of a generation, checked here and nowhere else; defaults stand in one place.

import type { GuardSpec } from "../engine/guard.ts";
import type { SequenceRequest } from "../engine/sequence.ts";
import { DEFAULT_SAMPLING, type SamplingParams } from "../ops/sample/sample.ts";
import type { ChatMessage, ToolDefinition } from "../tokenizer/chat-request.ts";
import { MimoError } from "../util/errors.ts";
import type { ResponseFormat, ToolChoice } from "./constrain.ts";
import { freshSeed } from "../util/random.ts";

export interface GenerationOptions {
  /** Most tokens to generate. Default: as many as the context holds. */
  readonly maxTokens?: number | undefined;
  /** 0 is greedy. Default: what the checkpoint recommends, otherwise 0.8; see `SAMPLING_PRESETS`. */
  readonly temperature?: number | undefined;
  /** Default: what the checkpoint recommends, otherwise 0.95. */
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
  /**
   * Tokens that may be a repetition: once the last so many are one piece over and over, at least four times, thinking is
   * ended, and outside of thinking the answer. 0 is off. Default 2048; off with `ignoreEos`.
   */
  readonly maxRepetition?: number | undefined;
  /** Report log-probabilities with so many alternatives per token. */
  readonly logprobs?: number | undefined;
  /** Tokens to draft per step with the MTP heads. Default "auto": the depth that measures fastest. */
  readonly speculation?: number | "auto" | undefined;
  /** Begin with what earlier requests computed, and keep what this one does. The answer is the same. Default true. */
  readonly cache?: boolean | undefined;
  /** Requests of one namespace reuse each other's prefixes, no others. Default: one that all share. */
  readonly cacheNamespace?: string | undefined;
  /** On whose behalf: tenants get equal shares of the machine. Default: the namespace. */
  readonly tenant?: string | undefined;
  /** Report the experts that each token was routed to, for routing replay in training. Default false. */
  readonly routedExperts?: boolean | undefined;
  /** Report each step: its tokens, and what was drafted for it. Default false. */
  readonly steps?: boolean | undefined;
  /** An integer, default 0: requests of a higher one run first, in the memory of lower ones if need be. */
  readonly priority?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface AnswerOptions extends GenerationOptions {
  readonly tools?: readonly ToolDefinition[] | undefined;
  /** Most tokens of thinking; the one after them ends it, and the answer follows. Default: no limit. */
  readonly thinkingBudget?: number | undefined;
  /** Ends the thinking within one step, once it is aborted; the answer follows. */
  readonly endThinking?: AbortSignal | undefined;
  /** Ends the answer within one step, once it is aborted; what was written so far is the answer. */
  readonly endAnswer?: AbortSignal | undefined;
  /** Most tool calls; the answer ends with the last one. Infinity is no limit. Default 32. */
  readonly maxToolCalls?: number | undefined;
  /**
   * "auto" (the default), "none", "required", { name }: exactly one call of that tool; or { allowed, mode }: as "auto" or
   * "required", among tools of those names.
   */
  readonly toolChoice?: ToolChoice | undefined;
  /** Whether an answer may hold several calls. On by default. */
  readonly parallelToolCalls?: boolean | undefined;
  /** What the text of the answer is. Default: text. */
  readonly responseFormat?: ResponseFormat | undefined;
}

export interface ChatOptions extends AnswerOptions {
  readonly messages: readonly ChatMessage[];
  /** Default: what the checkpoint's template says (off for V2-Flash). */
  readonly thinking?: boolean | undefined;
  /** Go on with the last message, which is the assistant's: the answer is what follows it. Default false. */
  readonly continueFinalMessage?: boolean | undefined;
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
  "maxRepetition",
  "logprobs",
  "speculation",
  "cache",
  "cacheNamespace",
  "tenant",
  "routedExperts",
  "steps",
  "priority",
  "signal",
] as const satisfies readonly (keyof GenerationOptions)[];

export const ANSWER_KEYS: readonly string[] = [
  ...COMMON_KEYS,
  "tools",
  "thinkingBudget",
  "endThinking",
  "endAnswer",
  "maxToolCalls",
  "toolChoice",
  "parallelToolCalls",
  "responseFormat",
];
export const CHAT_KEYS: readonly string[] = [...ANSWER_KEYS, "messages", "thinking", "continueFinalMessage"];
export const COMPLETE_KEYS: readonly string[] = [...COMMON_KEYS, "prompt"];

/** Limits that keep one request from being another's problem. */
const MAX_LOGPROBS = 20;
const MAX_STOPS = 16;
const MAX_NAME = 256;
const MAX_PRIORITY = 1000;

/** More in a row is a flood, and no agent's work. */
export const DEFAULT_MAX_TOOL_CALLS = 32;
/** Longer than what people ask for repeats itself, such as the zeros of a table; short beside an answer without end. */
export const DEFAULT_MAX_REPETITION = 2048;

/** Throws `invalid_argument` for a key that is not among `known`. */
export function refuseUnknownKeys(options: object, known: readonly string[]): void {
  const unknown = Object.keys(options).find((key) => !known.includes(key));
  if (unknown === undefined) return;
  throw new MimoError("invalid_argument", `Unknown option "${unknown}".`, {
    param: unknown,
    remedy: `Known options: ${known.join(", ")}.`,
  });
}

/** Throws `invalid_argument`. */
export function checkMaxToolCalls(count: number = DEFAULT_MAX_TOOL_CALLS): number {
  return count === Infinity ? count : checkInteger("maxToolCalls", count, 1, Number.MAX_SAFE_INTEGER);
}

/** Throws `invalid_argument`. */
export function checkThinkingBudget(budget: number | undefined): number {
  return budget === undefined ? Infinity : checkInteger("thinkingBudget", budget, 0, Number.MAX_SAFE_INTEGER);
}

/** What a checkpoint recommends, as far as it does. */
export type SamplingDefaults = Readonly<
  Partial<Pick<SamplingParams, "temperature" | "topP" | "topK" | "minP" | "repetitionPenalty">>
>;

export interface EngineContext {
  readonly sampling?: SamplingDefaults;
  readonly eosTokenIds: readonly number[];
  readonly contextLength: number;
  readonly vocabSize: number;
}

/** The engine's form of a request. Throws `invalid_argument` naming the option. */
export function toSequenceRequest(
  options: GenerationOptions,
  prompt: readonly number[],
  context: EngineContext,
): Omit<SequenceRequest, "id" | "guard"> & { readonly guard: GuardSpec } {
  const { speculation = "auto" } = options;
  checkSpeculation(speculation);
  if (options.logprobs !== undefined) checkInteger("logprobs", options.logprobs, 0, MAX_LOGPROBS);
  const maxTokens = checkInteger("maxTokens", options.maxTokens ?? context.contextLength, 1, Number.MAX_SAFE_INTEGER);
  const stopTokens = [...(options.stopTokenIds ?? []), ...(options.ignoreEos === true ? [] : context.eosTokenIds)];
  for (const id of stopTokens) checkInteger("stopTokenIds", id, 0, Number.MAX_SAFE_INTEGER);
  checkStops(options.stop ?? []);
  const { cache = true, cacheNamespace = "", priority = 0, routedExperts = false, steps = false } = options;
  checkFlag("cache", cache);
  checkFlag("routedExperts", routedExperts);
  checkFlag("steps", steps);
  const { tenant = cacheNamespace } = options;
  checkName("cacheNamespace", cacheNamespace);
  checkName("tenant", tenant);
  checkInteger("priority", priority, -MAX_PRIORITY, MAX_PRIORITY);
  const { maxRepetition = options.ignoreEos === true ? 0 : DEFAULT_MAX_REPETITION } = options;
  checkInteger("maxRepetition", maxRepetition, 0, Number.MAX_SAFE_INTEGER);
  return {
    prompt,
    maxTokens,
    stopTokens,
    sampling: samplingOf(options, context),
    topLogprobs: options.logprobs,
    speculation,
    cache,
    cacheNamespace,
    tenant,
    routedExperts,
    steps,
    priority,
    guard: { maxRepetition },
  };
}

function checkName(param: "cacheNamespace" | "tenant", name: unknown): void {
  if (typeof name === "string" && name.length <= MAX_NAME) return;
  throw new MimoError("invalid_argument", `${param} must be text of at most ${MAX_NAME} characters.`, { param });
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

function samplingOf(options: GenerationOptions, { vocabSize, sampling }: EngineContext): SamplingParams {
  const defaults = { ...DEFAULT_SAMPLING, ...sampling };
  const bias = Object.entries(options.logitBias ?? {}).map(([id, value]): [number, number] => [
    checkInteger("logitBias", Number(id), 0, vocabSize - 1),
    checkNumber("logitBias", value, -100, 100),
  ]);
  return {
    temperature: checkNumber("temperature", options.temperature ?? defaults.temperature, 0, 100),
    topP: checkNumber("topP", options.topP ?? defaults.topP, 0, 1),
    topK: checkInteger("topK", options.topK ?? defaults.topK, 0, Number.MAX_SAFE_INTEGER),
    minP: checkNumber("minP", options.minP ?? defaults.minP, 0, 1),
    repetitionPenalty: checkNumber(
      "repetitionPenalty",
      options.repetitionPenalty ?? defaults.repetitionPenalty,
      0.01,
      100,
    ),
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

export function checkSpeculation(depth: unknown): void {
  if (depth === "auto" || (Number.isInteger(depth) && (depth as number) >= 0 && (depth as number) <= 16)) return;
  throw new MimoError(
    "invalid_argument",
    `speculation must be "auto" or an integer from 0 to 16, found ${String(depth)}.`,
    { param: "speculation" },
  );
}

export function checkFlag(param: string, value: unknown): void {
  if (typeof value === "boolean") return;
  throw new MimoError("invalid_argument", `${param} must be true or false, found ${String(value)}.`, { param });
}

function checkInteger(param: string, value: unknown, min: number, max: number): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= min && value <= max) return value;
  const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`;
  throw new MimoError("invalid_argument", `${param} must be an integer ${range}, found ${String(value)}.`, { param });
}
