// The commands of a chat: lines that begin with a slash.

import { MimoError } from "../../util/errors.ts";
import { formatFields } from "../format.ts";
import type { Output } from "../output.ts";
import { type Conversation, SETTINGS } from "./conversation.ts";
import { saveTranscript } from "./transcript.ts";

export interface ChatContext {
  readonly conversation: Conversation;
  readonly output: Output;
  readonly model: string;
  /** Files that this chat wrote and may write again. */
  readonly saved: Set<string>;
}

interface SlashCommand {
  readonly usage: string;
  readonly help: string;
  readonly run: (argument: string, context: ChatContext) => void | Promise<void>;
}

const EXIT = "/exit";

const COMMANDS: Readonly<Record<string, SlashCommand>> = {
  "/help": { usage: "/help", help: "show this", run: (_, { output }) => output.line(describeCommands()) },
  "/think": { usage: "/think on|off", help: "let the model think before it answers", run: setThinking },
  "/system": { usage: "/system TEXT", help: "set the system message; without TEXT, show it", run: setSystem },
  "/set": {
    usage: "/set NAME VALUE",
    help: `set ${Object.keys(SETTINGS).join(", ")}; alone, show them`,
    run: setSetting,
  },
  "/save": { usage: "/save FILE", help: "save the conversation as .json or .md", run: save },
  "/reset": { usage: "/reset", help: "forget the conversation, keep the settings", run: reset },
  [EXIT]: { usage: EXIT, help: "leave; Ctrl-D does the same", run: () => {} },
};

export function isSlashCommand(line: string): boolean {
  return line.startsWith("/");
}

/** Runs a command; whether the chat goes on. Throws `invalid_argument` for what it does not know. */
export async function runSlashCommand(line: string, context: ChatContext): Promise<boolean> {
  const [name = "", ...rest] = line.trim().split(/(?<=^\S+)\s+/);
  const command = Object.hasOwn(COMMANDS, name) ? COMMANDS[name] : undefined;
  if (command === undefined) {
    throw new MimoError("invalid_argument", `There is no command ${name}.`, {
      remedy: `Commands: ${Object.keys(COMMANDS).join(", ")}. A message may begin with a slash after a space.`,
    });
  }
  await command.run(rest.join(" ").trim(), context);
  return name !== EXIT;
}

function describeCommands(): string {
  const commands = Object.values(COMMANDS).map(({ usage, help }) => [usage, help] as const);
  return [
    ...formatFields(commands),
    "",
    'A line that ends with \\ goes on in the next one; """ begins and ends a message of several lines.',
    "Ctrl-C stops an answer and keeps what was written; at an empty prompt it leaves.",
  ].join("\n");
}

function setThinking(argument: string, { conversation, output }: ChatContext): void {
  if (argument !== "on" && argument !== "off") throw usageError("/think");
  conversation.thinking = argument === "on";
  output.line(output.style.dim(`thinking is ${argument}`));
}

function setSystem(argument: string, { conversation, output }: ChatContext): void {
  if (argument !== "") conversation.system = argument;
  const shown = conversation.system ?? "(the checkpoint's own, if it has one)";
  output.line(output.style.dim(`system message: ${shown}`));
}

function setSetting(argument: string, { conversation, output }: ChatContext): void {
  const [name = "", value = ""] = argument.split(/\s+/);
  if (name !== "") conversation.set(name, value);
  const settings = Object.entries(SETTINGS).map(
    ([shown, { name: key }]) => [shown, String(conversation.generation[key] ?? "default")] as const,
  );
  output.line(output.style.dim(formatFields(settings).join("\n")));
}

async function save(argument: string, { conversation, output, model, saved }: ChatContext): Promise<void> {
  if (argument === "") throw usageError("/save");
  await saveTranscript(argument, conversation, model, saved);
  output.line(output.style.dim(`saved ${argument}`));
}

function reset(_: string, { conversation, output }: ChatContext): void {
  conversation.reset();
  output.line(output.style.dim("the conversation is empty"));
}

function usageError(name: string): MimoError {
  const { usage = name, help = "" } = COMMANDS[name] ?? {};
  return new MimoError("invalid_argument", `Expected ${usage}.`, { remedy: `It would ${help}.` });
}
