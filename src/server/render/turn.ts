// One choice's events as every chat API tells them: text, reasoning, and calls with an index and an id.
//
// Calls are counted from 0 as they get a name. What cannot be answered as a call is text, as the model wrote it: all
// calls where the request has no tools, and a call that never names a function. Calls that were written to their end and
// that their tool does not take are told with the end of the answer.

import type { FinishDetail, FinishReason, TokenLogprobs, Usage } from "../../api/events.ts";
import type { ServerEvent } from "./renderer.ts";

export type TurnEvent =
  | { readonly type: "text" | "reasoning"; readonly text: string }
  | { readonly type: "call"; readonly index: number; readonly id: string; readonly name: string }
  /** The next piece of the JSON of the arguments. */
  | { readonly type: "arguments"; readonly index: number; readonly json: string }
  /** `isWhole`: the JSON is closed; otherwise the call was cut off, or malformed. */
  | { readonly type: "call_end"; readonly index: number; readonly isWhole: boolean }
  | { readonly type: "logprobs"; readonly tokens: readonly TokenLogprobs[] }
  | {
      readonly type: "done";
      readonly finishReason: FinishReason;
      readonly finishDetail: FinishDetail | undefined;
      readonly stopString: string | undefined;
      readonly usage: Usage;
      readonly invalidCalls: readonly InvalidCall[];
    };

/** A call that its tool does not take, and why: sentences that can be shown to the model. */
export interface InvalidCall {
  readonly id: string;
  readonly errors: readonly string[];
}

/** The field that tells of them, an extension of every API; none where all is well. */
export function invalidCallsField(calls: readonly InvalidCall[]): {
  readonly invalid_tool_calls?: readonly InvalidCall[];
} {
  return calls.length === 0 ? {} : { invalid_tool_calls: calls };
}

export interface TurnOptions {
  readonly hasTools: boolean;
  /** A name that no other call has. */
  readonly callId: (index: number) => string;
}

export class Turn {
  readonly #options: TurnOptions;
  #numCalls = 0;
  #isNamed = false;
  readonly #invalidCalls: InvalidCall[] = [];

  constructor(options: TurnOptions) {
    this.#options = options;
  }

  push(event: ServerEvent): readonly TurnEvent[] {
    const { hasTools, callId } = this.#options;
    const index = this.#numCalls - 1;
    switch (event.type) {
      case "text":
      case "reasoning":
      case "logprobs":
        return [event];
      case "tool_call_start":
        this.#isNamed = false;
        return hasTools ? [] : [{ type: "text", text: "<tool_call>" }];
      case "tool_call":
        return hasTools ? [] : [{ type: "text", text: event.text }];
      case "tool_call_name": {
        if (!hasTools) return [];
        this.#isNamed = true;
        return [{ type: "call", index: this.#numCalls, id: callId(this.#numCalls++), name: event.name }];
      }
      case "tool_call_arguments":
        return hasTools ? [{ type: "arguments", index, json: event.json }] : [];
      case "tool_call_end": {
        if (this.#isNamed) {
          const { validation } = event;
          if (event.complete && !validation.ok)
            this.#invalidCalls.push({ id: callId(index), errors: validation.errors });
          return [{ type: "call_end", index, isWhole: "name" in event.call }];
        }
        const end = event.complete ? "</tool_call>" : "";
        const text = hasTools ? `<tool_call>${event.raw}${end}` : end;
        return text === "" ? [] : [{ type: "text", text }];
      }
      case "done": {
        const { finishDetail, stopString, usage } = event;
        const finishReason = event.finishReason === "tool_calls" && !hasTools ? "stop" : event.finishReason;
        return [{ type: "done", finishReason, finishDetail, stopString, usage, invalidCalls: this.#invalidCalls }];
      }
      case "progress":
      case "step":
      case "routing":
      case "prompt":
        return [];
      default:
        return event satisfies never;
    }
  }
}
