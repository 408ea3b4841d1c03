// Lines to messages: a line is a message, unless it ends with a backslash, stands in a """ block or was pasted.

const FENCE = '"""';

export class MessageAssembler {
  #lines: string[] = [];
  #inBlock = false;

  /** Whether more lines belong to the message that was begun. */
  get isOpen(): boolean {
    return this.#lines.length > 0 || this.#inBlock;
  }

  /** The message, once it is whole. `isPasted` lines never end one by themselves. */
  push(line: string, isPasted = false): string | undefined {
    if (this.#inBlock) return this.#pushBlock(line);
    if (!this.isOpen && line.startsWith(FENCE)) {
      this.#inBlock = true;
      const rest = line.slice(FENCE.length);
      return rest === "" ? undefined : this.#pushBlock(rest);
    }
    const continues = line.endsWith("\\");
    this.#lines.push(continues ? line.slice(0, -1) : line);
    return continues || isPasted ? undefined : this.finish();
  }

  /** What there is, at the end of input. */
  finish(): string {
    const message = this.#lines.join("\n");
    this.clear();
    return message;
  }

  clear(): void {
    this.#lines = [];
    this.#inBlock = false;
  }

  #pushBlock(line: string): string | undefined {
    if (!line.endsWith(FENCE)) {
      this.#lines.push(line);
      return undefined;
    }
    const last = line.slice(0, -FENCE.length);
    if (last !== "") this.#lines.push(last);
    return this.finish();
  }
}
