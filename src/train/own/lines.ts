// Bytes in chunks to lines with their places. Lines that are longer than a bound come in several parts, never cut
// within a character, so that memory is bounded whatever a file holds. A byte order mark is passed over.
// Refuses to know what lines mean.

export interface Line {
  /** Of the first byte in the file. */
  readonly offset: number;
  /** With the newline where there is one. */
  readonly bytes: Uint8Array;
  /** From 1. */
  readonly number: number;
  /** Whether this is all of the line. */
  readonly isWhole: boolean;
}

const NEWLINE = 10;
const MARK = Buffer.from([0xef, 0xbb, 0xbf]);

export class LineSplitter {
  readonly #maxBytes: number;
  #rest: Buffer = Buffer.alloc(0);
  #offset = 0;
  #number = 1;
  #isInside = false;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  /** Lines that the chunk completes. */
  *push(chunk: Uint8Array): Iterable<Line> {
    this.#rest = Buffer.concat([this.#rest, chunk]);
    if (this.#offset === 0 && this.#rest.subarray(0, 3).equals(MARK)) this.#advance(3);
    while (true) {
      const newline = this.#rest.subarray(0, this.#maxBytes).indexOf(NEWLINE);
      if (newline >= 0) yield this.#take(newline + 1, true);
      else if (this.#rest.length > this.#maxBytes) yield this.#take(characterEnd(this.#rest, this.#maxBytes), false);
      else return;
    }
  }

  /** What is left behind the last newline. */
  *end(): Iterable<Line> {
    if (this.#rest.length > 0) yield this.#take(this.#rest.length, true);
  }

  #take(length: number, isEnd: boolean): Line {
    const isWhole = isEnd && !this.#isInside;
    const line = { offset: this.#offset, bytes: this.#rest.subarray(0, length), number: this.#number, isWhole };
    this.#isInside = !isEnd;
    if (isEnd) this.#number++;
    this.#advance(length);
    return line;
  }

  #advance(length: number): void {
    this.#rest = this.#rest.subarray(length);
    this.#offset += length;
  }
}

/** The last end of a UTF-8 character up to `end`; `end` itself in bytes that are not UTF-8. */
function characterEnd(bytes: Uint8Array, end: number): number {
  for (let at = end; at > end - 4 && at > 0; at--) if ((bytes[at]! & 0xc0) !== 0x80) return at;
  return end;
}
