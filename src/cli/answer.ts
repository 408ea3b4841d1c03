// Shows an answer while it is written: text as it is, reasoning dimmed, tool calls in the model's own words.
//
// An interruption is no error here: what was written until then is the answer, and `isComplete` says so.

import type { GenerationEvent, ParsedToolCall, TokenLogprobs, Usage } from "../api/events.ts";
import { MimoError } from "../util/errors.ts";
import { significant } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

export interface Answer {
  text: string;
  reasoning: string;
  readonly toolCalls: { readonly raw: string; readonly call: ParsedToolCall }[];
  readonly logprobs: TokenLogprobs[];
  /** Undefined where the answer was stopped from outside. */
  end: Extract<GenerationEvent, { type: "done" }> | undefined;
}

export interface AnswerSinks {
  /** Text and tool calls; undefined shows nothing. */
  readonly text: Output | undefined;
  readonly reasoning: Output | undefined;
  /** A long prompt's progress; only a terminal shows it. */
  readonly progress: Output | undefined;
}

/** Runs a generation to its end, or to the abort of its signal. Throws what else it throws. */
export async function showAnswer(events: AsyncIterable<GenerationEvent>, sinks: AnswerSinks): Promise<Answer> {
  const answer: Answer = { text: "", reasoning: "", toolCalls: [], logprobs: [], end: undefined };
  const view = new AnswerView(sinks);
  try {
    for await (const event of events) {
      view.show(event);
      collect(answer, event);
    }
  } catch (error) {
    if (!(error instanceof MimoError && error.code === "aborted")) throw error;
  } finally {
    view.finish();
  }
  return answer;
}

function collect(answer: Answer, event: GenerationEvent): void {
  if (event.type === "text") answer.text += event.text;
  else if (event.type === "reasoning") answer.reasoning += event.text;
  else if (event.type === "tool_call_end") answer.toolCalls.push({ raw: event.raw, call: event.call });
  else if (event.type === "logprobs") answer.logprobs.push(...event.tokens);
  else if (event.type === "done") answer.end = event;
}

/** Keeps reasoning, text and calls apart by lines. */
class AnswerView {
  readonly #sinks: AnswerSinks;
  readonly #progress: Progress | undefined;
  #last: { readonly type: GenerationEvent["type"]; readonly sink: Output; readonly endsLine: boolean } | undefined;

  constructor(sinks: AnswerSinks) {
    this.#sinks = sinks;
    const { progress } = sinks;
    if (progress?.isTerminal === true)
      this.#progress = new Progress(progress, { label: "reading", format: (tokens) => `${tokens} tokens` });
  }

  show(event: GenerationEvent): void {
    const { text, reasoning } = this.#sinks;
    if (event.type === "progress") this.#progress?.update(event.processed, event.total);
    else if (event.type === "text") this.#write("text", text, event.text, (shown) => shown);
    else if (event.type === "reasoning") this.#write("reasoning", reasoning, event.text, reasoning?.style.dim);
    else if (event.type === "tool_call") this.#write("tool_call", text, event.text, text?.style.cyan);
  }

  finish(): void {
    this.#progress?.clear();
    this.#endLine();
  }

  #write(
    type: GenerationEvent["type"],
    sink: Output | undefined,
    text: string,
    style = (shown: string) => shown,
  ): void {
    if (sink === undefined || text === "") return;
    this.#progress?.clear();
    if (this.#last !== undefined && this.#last.type !== type) this.#endLine();
    sink.write(style(sink.untrusted(text)));
    this.#last = { type, sink, endsLine: text.endsWith("\n") };
  }

  #endLine(): void {
    if (this.#last?.endsLine === false) this.#last.sink.line();
    this.#last = undefined;
  }
}

/** One line about what an answer took. */
export function describeUsage({
  completionTokens,
  promptTokens,
  cachedTokens,
  tokensPerSecond,
  promptTokensPerSecond,
  speculation,
}: Usage): string {
  return [
    `${completionTokens} tokens`,
    `${significant(tokensPerSecond)} tokens/s`,
    ...(speculation.drafted > 0 ? [`${speculation.acceptLength.toFixed(2)} tokens per step`] : []),
    `prompt ${promptTokens} tokens${cachedTokens > 0 ? `, ${cachedTokens} of them cached,` : ""} at ${significant(promptTokensPerSecond)} tokens/s`,
  ].join(" · ");
}
