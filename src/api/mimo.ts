// A loaded model as programs use it: chat and complete as streams of events, generate for the whole, and the raw
// logits and hidden states for those who want to look inside. The engine runs in a worker; the event loop stays free.

import type { FetchStats } from "../backends/backend.ts";
import type { PrefixCacheStats } from "../cache/prefix-cache.ts";
import { EngineClient, type SequenceControls } from "../engine/client.ts";
import type { EvaluatedRows } from "../engine/evaluate.ts";
import type { GuardSpec } from "../engine/guard.ts";
import type { EngineInfo } from "../engine/protocol.ts";
import type { RoutedExperts } from "../engine/routes.ts";
import type { MtpMode } from "../engine/speculator.ts";
import type { ConstraintSpec } from "../grammar/constraint.ts";
import { logprobReader } from "../ops/sample/logprobs.ts";
import { GrammarCompiler } from "../schema/compiler.ts";
import { encodeChat, type EncodedChat } from "../tokenizer/chat.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { MimoError } from "../util/errors.ts";
import { constraintOf, markersOf } from "./constrain.ts";
import type { FinishDetail, FinishReason, GenerationEvent, ParsedToolCall, TokenLogprobs, Usage } from "./events.ts";
import { describeLogprobs, type GenerationContext, generationEvents } from "./generation.ts";
import type { GenerationDefaults } from "./generation-defaults.ts";
import {
  ANSWER_KEYS,
  type AnswerOptions,
  CHAT_KEYS,
  checkMaxToolCalls,
  checkThinkingBudget,
  type ChatOptions,
  COMPLETE_KEYS,
  type CompleteOptions,
  type GenerationOptions,
  promptIds,
  refuseUnknownKeys,
  type SamplingDefaults,
  toSequenceRequest,
} from "./request.ts";

export type { FetchStats, PrefixCacheStats, RoutedExperts };

/** A generation that has ended. */
export interface Generation {
  readonly text: string;
  readonly reasoning: string;
  readonly toolCalls: readonly ParsedToolCall[];
  readonly logprobs: readonly TokenLogprobs[];
  /** Generated ids, the last stop token included. */
  readonly tokens: readonly number[];
  /** Where they were asked for: of every token of the prompt and the output but the last one. */
  readonly routedExperts?: RoutedExperts | undefined;
  /** The seed that was used; with it the answer can be repeated. */
  readonly seed: number;
  readonly finishReason: FinishReason;
  readonly finishDetail?: FinishDetail | undefined;
  readonly usage: Usage;
}

export interface EvaluateOptions {
  /** Rows of this MTP head instead of the trunk's: row t reads token t + mtpHead + 1. */
  readonly mtpHead?: number;
  readonly signal?: AbortSignal;
}

/** What an answer must be. */
export type AnswerDemands = Pick<AnswerOptions, "tools" | "toolChoice" | "parallelToolCalls" | "responseFormat">;

/** Float32 rows, end to end. */
export interface Matrix {
  readonly rows: number;
  readonly columns: number;
  readonly values: Float32Array;
}

export class Mimo implements AsyncDisposable {
  /** What was loaded: architecture, backend, cache sizes, warnings. */
  readonly info: EngineInfo;
  readonly #client: EngineClient;
  readonly #tokenizer: Tokenizer | undefined;
  readonly #mtpMode: MtpMode;
  readonly #speculation: number | "auto" | undefined;
  readonly #defaults: GenerationDefaults;
  readonly #grammars = new GrammarCompiler();

  /** Use `load`. */
  constructor(
    client: EngineClient,
    tokenizer: Tokenizer | undefined,
    options: { readonly mtp: MtpMode; readonly speculation: number | "auto"; readonly defaults: GenerationDefaults },
  ) {
    this.#client = client;
    this.#tokenizer = tokenizer;
    this.#mtpMode = options.mtp;
    this.#speculation = options.speculation;
    this.#defaults = options.defaults;
    this.info = client.info;
  }

  /** How the checkpoint recommends to sample, as far as it does: the defaults of requests. */
  get samplingDefaults(): SamplingDefaults {
    return this.#defaults.sampling;
  }

  /** Uses and reads of experts so far; undefined before the first answer, and where all weights are used in place. */
  get expertReads(): FetchStats | undefined {
    return this.#client.expertReads;
  }

  /** Share of the KV cache that running answers hold, 0 to 1; what is only kept for reuse is free. */
  get kvUse(): number {
    return this.#client.kvUse;
  }

  /** Tokens of all answers so far, those that still run included. */
  get tokensWritten(): number {
    return this.#client.tokensWritten;
  }

  /** Hits, tokens saved and memory of the prefix cache; undefined where it is switched off. */
  async prefixCacheStats(): Promise<PrefixCacheStats | undefined> {
    return this.#client.prefixCacheStats();
  }

  /** Forgets what earlier requests computed, in one namespace or in all. */
  async clearPrefixes(namespace?: string): Promise<void> {
    await this.#client.clearPrefixes(namespace);
  }

  /** Why the engine ended; undefined while it runs. */
  get failure(): MimoError | undefined {
    return this.#client.failure;
  }

  /** Without one, `complete` takes ids and gives `tokens`; there is no text. */
  get hasTokenizer(): boolean {
    return this.#tokenizer !== undefined;
  }

  /** Throws `invalid_argument` where the checkpoint has no tokenizer that can be used. */
  get tokenizer(): Tokenizer {
    if (this.#tokenizer !== undefined) return this.#tokenizer;
    throw new MimoError("invalid_argument", "This checkpoint has no tokenizer, so it takes and gives token ids only.", {
      remedy: "Put tokenizer.json beside the weights, or use complete(), logits() and hiddenStates() with ids.",
    });
  }

  /** The next turn of a conversation, in the checkpoint's own chat format. Throws `invalid_argument`, `template_failed`, `context_length_exceeded`, `aborted`. */
  async *chat(options: ChatOptions): AsyncGenerator<GenerationEvent> {
    refuseUnknownKeys(options, CHAT_KEYS);
    const { messages, thinking, continueFinalMessage, ...rest } = options;
    yield* this.answer(this.encodeChat({ messages, tools: rest.tools, thinking, continueFinalMessage }), rest);
  }

  /** A conversation as the prompt that `chat` gives to the model. Throws `invalid_argument`, `template_failed`. */
  encodeChat(chat: Pick<ChatOptions, "messages" | "tools" | "thinking" | "continueFinalMessage">): EncodedChat {
    const { messages, tools, thinking, continueFinalMessage } = chat;
    return encodeChat(this.tokenizer, { messages, tools, enableThinking: thinking, continueFinalMessage });
  }

  /**
   * Checks and compiles what an answer would have to be: for whoever must not begin one that will be refused. Throws
   * `invalid_argument`, naming option, keyword and place; `overloaded`.
   */
  async prepare(prompt: EncodedChat, options: AnswerDemands): Promise<void> {
    await this.#constraintOf(prompt, options);
  }

  /** `chat` of a prompt that is encoded already: for several answers to one conversation. Throws as `chat`. */
  async *answer(prompt: EncodedChat, options: AnswerOptions = {}): AsyncGenerator<GenerationEvent> {
    refuseUnknownKeys(options, ANSWER_KEYS);
    const maxToolCalls = checkMaxToolCalls(options.maxToolCalls);
    const constraint = await this.#constraintOf(prompt, options);
    // Where thinking is on, the model opens its thinking block itself.
    const { thinking, ids } = prompt;
    const { tools = [] } = options;
    const { endThinking, endAnswer } = options;
    const limits = { thinking: this.#thinkingLimit(prompt, options.thinkingBudget), endThinking, endAnswer };
    yield* this.#generate(options, ids, { structured: true, thinking, tools, maxToolCalls, constraint }, limits);
  }

  /** What follows a text or token ids, with nothing added. Throws as `chat`. */
  async *complete(options: CompleteOptions): AsyncGenerator<GenerationEvent> {
    refuseUnknownKeys(options, COMPLETE_KEYS);
    const ids = promptIds(options.prompt, (text) => this.tokenizer.encode(text));
    yield* this.#generate(options, ids, { structured: false, thinking: false, tools: [], maxToolCalls: Infinity });
  }

  /** The whole answer at once: `chat` where there are messages, `complete` where there is a prompt. */
  async generate(options: ChatOptions | CompleteOptions): Promise<Generation> {
    return collect("messages" in options ? this.chat(options) : this.complete(options));
  }

  /** Logits of every position, [T, V]: row t predicts token t + 1. */
  async logits(ids: readonly number[], options: EvaluateOptions = {}): Promise<Matrix> {
    return concatenate(this.logitRows(ids, options));
  }

  /** The rows of `logits` as they are computed. */
  async *logitRows(ids: readonly number[], options: EvaluateOptions = {}): AsyncGenerator<EvaluatedRows> {
    refuseUnknownKeys(options, ["mtpHead", "signal"]);
    const { mtpHead, signal } = options;
    yield* this.#client.evaluate({ ids, mtpHead, mtpMode: this.#mtpMode, output: "logits" }, signal);
  }

  /**
   * Log-probabilities of a text's own tokens, each given those before it, with the `numTop` most probable ones; the
   * first token has none. Throws as `logits`.
   */
  async *promptLogprobs(
    ids: readonly number[],
    numTop: number,
    options: Pick<EvaluateOptions, "signal"> = {},
  ): AsyncGenerator<TokenLogprobs> {
    const tokenizer = this.#tokenizer;
    const numTokens = tokenizer?.numTokens ?? this.info.config.vocabSize;
    let next = 1;
    for await (const { values, width } of this.logitRows(ids, options)) {
      for (let start = 0; start < values.length && next < ids.length; start += width) {
        const row = values.subarray(start, start + width);
        yield describeLogprobs(tokenizer, logprobReader(row, numTokens, numTop).of(ids[next++]!));
      }
    }
  }

  /** Hidden states of every position before the final norm, [T, D]. */
  async hiddenStates(ids: readonly number[], options: Pick<EvaluateOptions, "signal"> = {}): Promise<Matrix> {
    refuseUnknownKeys(options, ["signal"]);
    return concatenate(this.#client.evaluate({ ids, mtpMode: this.#mtpMode, output: "hidden" }, options.signal));
  }

  /** Ends the engine and frees its memory; running generations fail with `disposed`. */
  async close(): Promise<void> {
    this.#grammars[Symbol.dispose]();
    await this.#client.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  get #eosTokenIds(): readonly number[] {
    const { eosTokenIds } = this.#defaults;
    return [...new Set([...this.info.config.eosTokenIds, ...eosTokenIds, ...(this.#tokenizer?.eosIds ?? [])])];
  }

  /** Undefined where this vocabulary has no token that ends thinking. Throws `invalid_argument` for a budget then. */
  #thinkingLimit({ thinking }: EncodedChat, budget: number | undefined): GuardSpec["thinking"] {
    const markers = markersOf(this.tokenizer);
    const limit = { markers, isOpen: thinking, budget: checkThinkingBudget(budget) };
    if ((markers.thinkEnd ?? Infinity) < this.info.config.vocabSize) return limit;
    if (budget === undefined) return undefined;
    throw new MimoError("invalid_argument", "This model's vocabulary has no token that ends thinking, so no budget.", {
      param: "thinkingBudget",
    });
  }

  #constraintOf(prompt: EncodedChat, options: AnswerDemands): Promise<ConstraintSpec | undefined> {
    const { tools = [], toolChoice = "auto", parallelToolCalls = true, responseFormat = { type: "text" } } = options;
    return constraintOf(
      { tools, toolChoice, parallelToolCalls, responseFormat },
      { tokenizer: this.tokenizer, prompt, endTokens: this.#eosTokenIds, compiler: this.#grammars },
    );
  }

  #generate(
    options: GenerationOptions,
    ids: readonly number[],
    shape: Pick<GenerationContext, "structured" | "thinking" | "tools" | "maxToolCalls"> & {
      readonly constraint?: ConstraintSpec | undefined;
    },
    { thinking, ...controls }: { readonly thinking?: GuardSpec["thinking"] } & SequenceControls = {},
  ): AsyncGenerator<GenerationEvent> {
    const tokenizer = this.#tokenizer;
    const { config, contextLength } = this.info;
    const { speculation = this.#speculation } = options;
    const request = toSequenceRequest({ ...options, speculation }, ids, {
      eosTokenIds: this.#eosTokenIds,
      contextLength,
      vocabSize: config.vocabSize,
      sampling: this.#defaults.sampling,
    });
    const { constraint, ...rest } = shape;
    const guarded = { ...request, constraint, guard: { ...request.guard, thinking } };
    return generationEvents(this.#client.submit(guarded, options.signal, controls), {
      tokenizer,
      ...rest,
      stop: options.stop ?? [],
      stopTokens: new Set(request.stopTokens),
      promptTokens: ids.length,
      seed: request.sampling.seed,
      routedBy: request.routedExperts === true ? config : undefined,
    });
  }
}

/** Events put together. */
async function collect(events: AsyncIterable<GenerationEvent>): Promise<Generation> {
  let text = "";
  let reasoning = "";
  const toolCalls: ParsedToolCall[] = [];
  const logprobs: TokenLogprobs[] = [];
  for await (const event of events) {
    if (event.type === "text") text += event.text;
    else if (event.type === "reasoning") reasoning += event.text;
    else if (event.type === "tool_call_end") toolCalls.push(event.call);
    else if (event.type === "logprobs") logprobs.push(...event.tokens);
    else if (event.type === "done") {
      const { tokens, routedExperts, seed, finishReason, finishDetail, usage } = event;
      return { text, reasoning, toolCalls, logprobs, tokens, routedExperts, seed, finishReason, finishDetail, usage };
    }
  }
  throw new MimoError("internal", "The generation ended without saying why.");
}

async function concatenate(parts: AsyncIterable<EvaluatedRows>): Promise<Matrix> {
  const all: Float32Array[] = [];
  let columns = 0;
  for await (const { values, width } of parts) {
    all.push(values);
    columns = width;
  }
  const values = new Float32Array(all.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of all) {
    values.set(part, offset);
    offset += part.length;
  }
  return { rows: columns === 0 ? 0 : values.length / columns, columns, values };
}
