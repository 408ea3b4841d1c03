// Generated token ids to events: text, reasoning and tool calls.
//
// The markers are tokens, so they are recognised by id: text that merely spells `<think>` is never mistaken for
// one. A tokenizer without such a token falls back to its spelling, found in the text with its possible beginnings
// held back. Markers never appear in text; one that means nothing where it stands is dropped.
//
// A `<tool_call>` inside thinking ends the thinking: models do write calls there, and a call lost in reasoning is
// worse than a thought cut short. Inside a call, thinking markers are part of its text, as an argument may contain
// them. A call without its end runs to the next call or to the end of the output, and says so.
// Refuses to know stop strings, schemas and how events are sent.

import { StopStrings } from "./stop-strings.ts";
import { StreamDecoder } from "./stream-decoder.ts";
import type { Tokenizer } from "./tokenizer.ts";

export type OutputEvent =
  | { readonly type: "text" | "reasoning"; readonly text: string }
  | { readonly type: "tool_call_start"; readonly index: number }
  /** A piece of the call's raw text, as it comes. */
  | { readonly type: "tool_call"; readonly index: number; readonly text: string }
  /** `raw` is the whole text between the markers; `complete` is whether the end marker was seen. */
  | {
      readonly type: "tool_call_end";
      readonly index: number;
      readonly raw: string;
      readonly complete: boolean;
    };

export interface OutputParserOptions {
  /** Whether the prompt ended inside an open thinking block. */
  readonly thinking: boolean;
}

const MARKERS = ["<think>", "</think>", "<tool_call>", "</tool_call>"] as const;
type Marker = (typeof MARKERS)[number];
type Piece = { readonly marker: Marker } | { readonly text: string };

export class OutputParser {
  readonly #reader: MarkerReader;
  #state: "text" | "reasoning" | "tool_call";
  #numCalls = 0;
  #raw = "";

  constructor(tokenizer: Tokenizer, options: OutputParserOptions) {
    this.#reader = new MarkerReader(tokenizer);
    this.#state = options.thinking ? "reasoning" : "text";
  }

  /** Whether the output so far ends inside thinking. */
  get inReasoning(): boolean {
    return this.#state === "reasoning";
  }

  push(id: number): OutputEvent[] {
    return this.#interpret(this.#reader.push(id));
  }

  /** At the end of the output: everything held back, and the end of a call that was left open. */
  finish(): OutputEvent[] {
    const events = this.#interpret(this.#reader.flush());
    if (this.#state === "tool_call") events.push(this.#endCall(false));
    return events;
  }

  #interpret(pieces: readonly Piece[]): OutputEvent[] {
    const events: OutputEvent[] = [];
    for (const piece of pieces) {
      if ("text" in piece) this.#addText(piece.text, events);
      else this.#applyMarker(piece.marker, events);
    }
    return events;
  }

  #addText(text: string, events: OutputEvent[]): void {
    if (text === "") return;
    if (this.#state === "tool_call") {
      this.#raw += text;
      events.push({ type: "tool_call", index: this.#numCalls - 1, text });
    } else {
      events.push({ type: this.#state, text });
    }
  }

  #applyMarker(marker: Marker, events: OutputEvent[]): void {
    const inCall = this.#state === "tool_call";
    switch (marker) {
      case "<think>":
      case "</think>":
        if (inCall) this.#addText(marker, events);
        else this.#state = marker === "<think>" ? "reasoning" : "text";
        return;
      case "<tool_call>":
        if (inCall) events.push(this.#endCall(false));
        this.#state = "tool_call";
        events.push({ type: "tool_call_start", index: this.#numCalls++ });
        return;
      case "</tool_call>":
        if (inCall) events.push(this.#endCall(true));
        return;
      default:
        marker satisfies never;
    }
  }

  #endCall(complete: boolean): OutputEvent {
    const raw = this.#raw;
    this.#raw = "";
    this.#state = "text";
    return { type: "tool_call_end", index: this.#numCalls - 1, raw, complete };
  }
}

/** Ids to text and markers. */
class MarkerReader {
  readonly #tokenizer: Tokenizer;
  readonly #decoder: StreamDecoder;
  readonly #markersById = new Map<number, Marker>();
  /** Finds the markers that are no tokens. */
  readonly #spelled: StopStrings;

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
    this.#decoder = new StreamDecoder(tokenizer);
    const spelled: Marker[] = [];
    for (const marker of MARKERS) {
      const id = tokenizer.addedTokenId(marker);
      if (id === undefined) spelled.push(marker);
      else this.#markersById.set(id, marker);
    }
    this.#spelled = new StopStrings(spelled);
  }

  push(id: number): Piece[] {
    const marker = this.#markersById.get(id);
    if (marker !== undefined) return [...this.flush(), { marker }];
    if (this.#tokenizer.isSpecial(id)) return [];
    return this.#findSpelled(this.#decoder.push(id));
  }

  flush(): Piece[] {
    return [...this.#findSpelled(this.#decoder.flush()), { text: this.#spelled.flush() }];
  }

  #findSpelled(text: string): Piece[] {
    const pieces: Piece[] = [];
    let result = this.#spelled.push(text);
    while (result.stop !== undefined) {
      pieces.push({ text: result.text }, { marker: result.stop as Marker });
      this.#spelled.reset();
      result = this.#spelled.push(result.rest);
    }
    pieces.push({ text: result.text });
    return pieces;
  }
}
