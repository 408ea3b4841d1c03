// Splits Markdown that is still being written into blocks that no longer change, and the tail that does.
//
// A block is finished once two others have begun behind it: what comes may still belong to the last two, as a list goes
// on behind an empty line. So each frame lexes the tail only, and finished blocks keep their identity.

import { marked } from "./lexer.ts";

export interface Block {
  /** Its place in the text, which names it. */
  readonly start: number;
  readonly raw: string;
}

const NUM_OPEN = 2;
/** How much in front of the tail is compared, to see whether the text only grew. */
const PROBE = 64;

export class BlockSplitter {
  #finished: Block[] = [];
  #tailStart = 0;
  #probe = "";

  split(text: string): readonly Block[] {
    if (!this.#grewFrom(text)) this.#restart();
    const blocks = lexBlocks(text, this.#tailStart);
    const numFinished = Math.max(0, blocks.length - NUM_OPEN);
    this.#finished = [...this.#finished, ...blocks.slice(0, numFinished)];
    const open = blocks.slice(numFinished);
    this.#tailStart = open[0]?.start ?? text.length;
    this.#probe = text.slice(Math.max(0, this.#tailStart - PROBE), this.#tailStart);
    return [...this.#finished, ...open];
  }

  #grewFrom(text: string): boolean {
    return text.slice(Math.max(0, this.#tailStart - PROBE), this.#tailStart) === this.#probe;
  }

  #restart(): void {
    this.#finished = [];
    this.#tailStart = 0;
    this.#probe = "";
  }
}

function lexBlocks(text: string, start: number): readonly Block[] {
  const blocks: Block[] = [];
  let at = start;
  for (const { type, raw } of marked.lexer(text.slice(start))) {
    if (type !== "space") blocks.push({ start: at, raw });
    at += raw.length;
  }
  return blocks;
}
