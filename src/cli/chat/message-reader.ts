// Reads a user's messages: with line editing and history on a terminal, line by line from a pipe.
//
// The terminal is in raw mode only while a message is read. During an answer it is as the shell left it, so that
// Ctrl-C is a signal and typing ahead waits. Bracketed paste makes pasted newlines part of the message.

import { createInterface, type Interface } from "node:readline";
import type { ReadStream, WriteStream } from "node:tty";
import { AsyncQueue } from "../../util/async-queue.ts";
import type { History } from "./history.ts";
import { MessageAssembler } from "./message-assembler.ts";

export type Entry =
  | { readonly type: "message"; readonly text: string }
  /** Ctrl-C at an empty prompt, Ctrl-D, or the end of the pipe. */
  | { readonly type: "end" };

const PROMPT = "› ";
const CONTINUATION = "… ";
const PASTE_ON = "\u001b[?2004h";
const PASTE_OFF = "\u001b[?2004l";

export interface MessageReaderOptions {
  readonly input: ReadStream;
  /** Where the prompt stands; undefined reads a pipe and shows nothing. */
  readonly terminal: WriteStream | undefined;
  readonly history: History;
}

export class MessageReader implements Disposable {
  readonly #options: MessageReaderOptions;
  readonly #lines: Interface;
  readonly #assembler = new MessageAssembler();
  readonly #queue = new AsyncQueue<Entry>();
  readonly #entries: AsyncIterator<Entry>;
  #isPasting = false;
  #isClosed = false;

  constructor(options: MessageReaderOptions) {
    this.#options = options;
    const { input, terminal, history } = options;
    this.#entries = this.#queue[Symbol.asyncIterator]();
    this.#lines = createInterface({
      input,
      ...(terminal === undefined ? {} : { output: terminal }),
      terminal: terminal !== undefined,
      history: history.load(),
      removeHistoryDuplicates: true,
    });
    this.#lines.on("line", (line) => this.#pushLine(line));
    this.#lines.on("history", (entries: readonly string[]) => history.save(entries));
    this.#lines.on("SIGINT", () => this.#interrupt());
    this.#lines.on("close", () => this.#end());
    input.on("keypress", (_: unknown, key: { readonly name?: string }) => {
      if (key.name === "paste-start") this.#isPasting = true;
      else if (key.name === "paste-end") this.#isPasting = false;
    });
    if (terminal === undefined) return;
    process.on("SIGINT", ignoreSignal);
    this.#rest();
  }

  /** The next message that is not empty. */
  async read(): Promise<Entry> {
    if (this.#options.terminal !== undefined) this.#listen();
    const { value } = (await this.#entries.next()) as IteratorYieldResult<Entry>;
    if (this.#options.terminal !== undefined) this.#rest();
    return value;
  }

  [Symbol.dispose](): void {
    this.#lines.close();
    process.off("SIGINT", ignoreSignal);
  }

  #listen(): void {
    this.#options.input.setRawMode(true);
    this.#options.terminal?.write(PASTE_ON);
    this.#showPrompt();
  }

  #rest(): void {
    // From Node 22 on, a closed interface throws when it is paused.
    if (!this.#isClosed) this.#lines.pause();
    this.#options.input.setRawMode(false);
    this.#options.terminal?.write(PASTE_OFF);
  }

  #showPrompt(): void {
    if (this.#options.terminal === undefined) return;
    this.#lines.setPrompt(this.#assembler.isOpen ? CONTINUATION : PROMPT);
    this.#lines.prompt();
  }

  #pushLine(line: string): void {
    const text = this.#assembler.push(line, this.#isPasting);
    if (text === undefined || text.trim() === "") this.#showPrompt();
    else this.#queue.push({ type: "message", text });
  }

  /** Clears what was typed; with nothing typed, leaves. */
  #interrupt(): void {
    if (this.#lines.line === "" && !this.#assembler.isOpen) {
      this.#lines.close();
      return;
    }
    this.#assembler.clear();
    this.#lines.write(null, { ctrl: true, name: "e" });
    this.#lines.write(null, { ctrl: true, name: "u" });
    this.#options.terminal?.write("\n");
    this.#showPrompt();
  }

  #end(): void {
    this.#isClosed = true;
    const rest = this.#assembler.finish();
    if (rest.trim() !== "") this.#queue.push({ type: "message", text: rest });
    this.#queue.push({ type: "end" });
  }
}

/** Between a message and its answer nobody else listens, and a Ctrl-C just then would end the process. */
function ignoreSignal(): void {}
