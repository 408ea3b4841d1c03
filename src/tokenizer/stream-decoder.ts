// Token ids to text, one id at a time.
//
// A token may end in the middle of a character: its bytes are kept back until the character is whole, so no call
// ever returns half of one. The pieces joined are exactly the text of all ids decoded at once. Work is linear:
// nothing is decoded twice. Knows bytes only; which tokens to show is the caller's business.

import type { Tokenizer } from "./tokenizer.ts";

export class StreamDecoder {
  readonly #tokenizer: Tokenizer;
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });

  constructor(tokenizer: Tokenizer) {
    this.#tokenizer = tokenizer;
  }

  /** The text that became certain with this id; empty inside a character. */
  push(id: number): string {
    return this.#decoder.decode(this.#tokenizer.tokenBytes(id), { stream: true });
  }

  /** What a dangling part of a character becomes at the end: U+FFFD. The decoder can be used afresh afterwards. */
  flush(): string {
    return this.#decoder.decode();
  }
}
