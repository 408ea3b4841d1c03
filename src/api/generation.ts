// Token ids to events: decodes text, parts thinking and tool calls from it, and ends at stop strings.

import type { ExpertIds } from "../cache/route-log.ts";
import type { EngineInfo } from "../engine/protocol.ts";
import { joinRoutes, type RoutedExperts, routesFrom } from "../engine/routes.ts";
import type { SequenceOutput } from "../engine/sequence.ts";
import type { Logprobs, TokenLogprob } from "../ops/sample/logprobs.ts";
import type { ToolDefinition } from "../tokenizer/chat-request.ts";
import { type OutputEvent, OutputParser } from "../tokenizer/output-parser.ts";
import { StopStrings } from "../tokenizer/stop-strings.ts";
import { StreamDecoder } from "../tokenizer/stream-decoder.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import { ToolCallStream, type ToolCallPiece } from "../tokenizer/tool-call-stream.ts";
import { parseToolCall } from "../tokenizer/tool-calls.ts";
import { defined } from "../util/assert.ts";
import { checkCall } from "./check-call.ts";
import {
  finishDetailOf,
  finishReasonOf,
  type GenerationEvent,
  type TokenAlternative,
  type TokenLogprobs,
  usageOf,
} from "./events.ts";

export interface GenerationContext {
  /** Undefined for a model without one: then there is no text. */
  readonly tokenizer: Tokenizer | undefined;
  /** Whether thinking and tool calls are told apart from text (chat), or all is text (completion). */
  readonly structured: boolean;
  /** Whether the prompt ended inside a thinking block. */
  readonly thinking: boolean;
  readonly tools: readonly ToolDefinition[];
  /** Generation ends after so many calls; Infinity is no limit. */
  readonly maxToolCalls: number;
  readonly stop: readonly string[];
  readonly stopTokens: ReadonlySet<number>;
  readonly promptTokens: number;
  readonly seed: number;
  /** The model whose routes are reported; undefined where nobody asks for them. */
  readonly routedBy?: EngineInfo["config"] | undefined;
}

/** Events of one generation. Leaving `outputs` early, after a stop string, frees the sequence. */
export async function* generationEvents(
  outputs: AsyncIterable<SequenceOutput>,
  context: GenerationContext,
): AsyncGenerator<GenerationEvent> {
  const { tokenizer } = context;
  const text = new TextPipeline(context);
  const tokens: number[] = [];
  const routing = new Routing(context);
  const raw = tokenizer && new StreamDecoder(tokenizer);
  for await (const output of outputs) {
    if (output.prefilled !== undefined) {
      const { cachedTokens: cached } = output.stats;
      yield { type: "progress", processed: output.prefilled, total: context.promptTokens, cached };
    }
    yield* routing.push(output);
    const numBefore = tokens.length;
    for (const [i, token] of output.tokens.entries()) {
      tokens.push(token);
      // Token by token: what was drafted beyond a stop string is not reported either.
      const logprobs = output.logprobs?.[i];
      if (logprobs !== undefined) yield { type: "logprobs", tokens: [describeLogprobs(tokenizer, logprobs)] };
      // A token that ends the turn is not part of its text.
      if (!context.stopTokens.has(token)) yield* text.push(token);
      if (text.stopped) break;
    }
    if (output.drafted !== undefined) yield describeStep(output.drafted, tokens.slice(numBefore), tokenizer, raw);
    if (output.finish === undefined && !text.stopped) continue;
    yield* text.finish();
    const { reasoningTokens, numToolCalls } = text;
    const finish = text.stopped ? "stop" : defined(output.finish, "a finish reason");
    const usage = usageOf({ stats: output.stats, completionTokens: tokens.length, reasoningTokens });
    yield {
      type: "done",
      finishReason: finishReasonOf(finish, numToolCalls),
      finishDetail: text.hasAllCalls ? "max_tool_calls" : finishDetailOf(finish),
      stopString: text.stopString,
      usage,
      tokens,
      routedExperts: routing.all(tokens.length),
      seed: context.seed,
    };
    return;
  }
}

/** The experts of one generation, as they become known. */
class Routing {
  readonly #context: GenerationContext;
  readonly #parts: ExpertIds[] = [];
  #numTokens = 0;

  constructor(context: GenerationContext) {
    this.#context = context;
  }

  *push({ routes }: SequenceOutput): Generator<GenerationEvent> {
    const { routedBy, promptTokens } = this.#context;
    if (routes === undefined || routedBy === undefined) return;
    const position = this.#numTokens;
    this.#parts.push(routes);
    const { numTokens: numNew } = routesFrom(routes, position, position, routedBy);
    this.#numTokens += numNew;
    const own = routesFrom(routes, position, promptTokens, routedBy);
    if (own.numTokens > 0) yield { type: "routing", first: Math.max(0, position - promptTokens), routes: own };
  }

  /** Of the prompt and so many tokens of output but the last one; undefined where nobody asks. */
  all(numOutput: number): RoutedExperts | undefined {
    const { routedBy, promptTokens } = this.#context;
    return routedBy && joinRoutes(this.#parts, promptTokens + numOutput - 1, routedBy);
  }
}

function describeStep(
  drafted: readonly number[],
  tokens: readonly number[],
  tokenizer: Tokenizer | undefined,
  raw: StreamDecoder | undefined,
): GenerationEvent {
  const accepted = tokens.findIndex((token, k) => token !== drafted[k]);
  return {
    type: "step",
    tokens: tokens.map((token) => ({ token, text: raw?.push(token) ?? "" })),
    drafted: drafted.map((token) => ({ token, text: tokenizer?.decode([token]) ?? "" })),
    accepted: accepted < 0 ? tokens.length : accepted,
  };
}

/** Text of one generation, on its way to events. */
class TextPipeline {
  reasoningTokens = 0;
  /** Calls that name a function, and so can be answered. */
  numToolCalls = 0;
  /** The stop string that was found. */
  stopString: string | undefined;
  readonly #context: GenerationContext;
  readonly #parser: Pick<OutputParser, "push" | "finish" | "inReasoning">;
  readonly #stops: StopStrings;
  #call = new ToolCallStream([]);
  #hasAllCalls = false;

  constructor(context: GenerationContext) {
    this.#context = context;
    const { tokenizer, thinking } = context;
    this.#parser =
      tokenizer !== undefined && context.structured
        ? new OutputParser(tokenizer, { thinking })
        : plainParser(tokenizer);
    this.#stops = new StopStrings(context.stop);
  }

  /** Whether a stop string was found, or the last call allowed is written. */
  get stopped(): boolean {
    return this.#hasAllCalls || this.stopString !== undefined;
  }

  get hasAllCalls(): boolean {
    return this.#hasAllCalls;
  }

  *push(token: number): Generator<GenerationEvent> {
    const wasReasoning = this.#parser.inReasoning;
    const events = this.#parser.push(token);
    if (wasReasoning && this.#parser.inReasoning) this.reasoningTokens++;
    for (const event of events) {
      yield* this.#translate(event);
      if (this.stopped) return;
    }
  }

  *finish(): Generator<GenerationEvent> {
    if (this.stopped) return;
    for (const event of this.#parser.finish()) yield* this.#translate(event);
    yield* this.#flushStops();
  }

  *#translate(event: OutputEvent): Generator<GenerationEvent> {
    switch (event.type) {
      case "text": {
        const { text, stop } = this.#stops.push(event.text);
        if (text !== "") yield { type: "text", text };
        this.stopString = stop;
        return;
      }
      case "reasoning":
        yield event;
        return;
      case "tool_call_start":
        yield* this.#flushStops();
        this.#call = new ToolCallStream(this.#context.tools);
        yield event;
        return;
      case "tool_call":
        yield event;
        yield* this.#describeCall(event.index, this.#call.push(event.text));
        return;
      case "tool_call_end": {
        yield* this.#describeCall(event.index, this.#call.finish(event.complete));
        const call = event.complete
          ? parseToolCall(event.raw, this.#context.tools)
          : { error: "The call was cut off before </tool_call>." };
        yield { ...event, call, validation: checkCall(call, this.#context.tools) };
        this.#hasAllCalls = this.numToolCalls >= this.#context.maxToolCalls;
        return;
      }
      default:
        event satisfies never;
    }
  }

  *#describeCall(index: number, pieces: readonly ToolCallPiece[]): Generator<GenerationEvent> {
    for (const piece of pieces) {
      if (piece.type === "name") {
        this.numToolCalls++;
        yield { type: "tool_call_name", index, name: piece.name };
      } else yield { type: "tool_call_arguments", index, json: piece.json };
    }
  }

  *#flushStops(): Generator<GenerationEvent> {
    const held = this.#stops.flush();
    if (held !== "") yield { type: "text", text: held };
  }
}

/** A completion's output: all of it is text. */
function plainParser(tokenizer: Tokenizer | undefined): Pick<OutputParser, "push" | "finish" | "inReasoning"> {
  if (tokenizer === undefined) return { inReasoning: false, push: () => [], finish: () => [] };
  const decoder = new StreamDecoder(tokenizer);
  return {
    inReasoning: false,
    push: (token) => [{ type: "text", text: decoder.push(token) }],
    finish: () => [{ type: "text", text: decoder.flush() }],
  };
}

export function describeLogprobs(tokenizer: Tokenizer | undefined, { token, logprob, top }: Logprobs): TokenLogprobs {
  const describe = (one: TokenLogprob): TokenAlternative => ({ ...one, text: tokenizer?.decode([one.token]) ?? "" });
  return { ...describe({ token, logprob }), top: top.map(describe) };
}
