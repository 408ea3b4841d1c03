// Writing to a terminal, a pipe or a file: colours only where they are seen, and model text that cannot play tricks.
//
// A reader that goes away (`mimo generate … | head`) ends the process quietly. Text that comes from a model or a file
// may hold escape sequences; `untrusted` shows them on a terminal and leaves them alone everywhere else.

import type { WriteStream } from "node:tty";

export interface Style {
  readonly bold: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly red: (text: string) => string;
  readonly green: (text: string) => string;
  readonly yellow: (text: string) => string;
  readonly cyan: (text: string) => string;
}

export class Output {
  readonly style: Style;
  readonly stream: WriteStream;

  constructor(stream: WriteStream, colour: boolean | undefined) {
    this.stream = stream;
    this.style = (colour ?? this.isTerminal) ? ANSI_STYLE : PLAIN_STYLE;
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code === "EPIPE") process.exit(0);
      throw error;
    });
  }

  get isTerminal(): boolean {
    return this.stream.isTTY;
  }

  get columns(): number {
    return this.stream.columns ?? 80;
  }

  write(text: string): void {
    this.stream.write(text);
  }

  line(text = ""): void {
    this.write(`${text}\n`);
  }

  json(value: unknown): void {
    this.line(JSON.stringify(value, null, 2));
  }

  /** Text of a model or a file, fit for this stream. */
  untrusted(text: string): string {
    return this.isTerminal ? visibleControls(text) : text;
  }
}

/** Control characters, except newline and tab, as the symbols that stand for them. */
export function visibleControls(text: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return text.replace(/[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g, (character) => {
    const code = character.charCodeAt(0);
    if (code < 0x20) return String.fromCharCode(0x2400 + code);
    return code === 0x7f ? "\u2421" : "\ufffd";
  });
}

const wrap = (start: number, end: number) => (text: string) => `\u001b[${start}m${text}\u001b[${end}m`;
const ANSI_STYLE: Style = {
  bold: wrap(1, 22),
  dim: wrap(2, 22),
  red: wrap(31, 39),
  green: wrap(32, 39),
  yellow: wrap(33, 39),
  cyan: wrap(36, 39),
};

const plain = (text: string): string => text;
const PLAIN_STYLE: Style = { bold: plain, dim: plain, red: plain, green: plain, yellow: plain, cyan: plain };
