// `mimo chat`: a conversation in the terminal, or over a pipe: one message a line, answers on standard output.

import { join } from "node:path";
import { Command, Option } from "commander";
import type { Mimo } from "../../api/mimo.ts";
import { type PromptLanguage, PROMPT_LANGUAGES, systemPrompt } from "../../tokenizer/system-prompt.ts";
import { abortedError, MimoError } from "../../util/errors.ts";
import { describeUsage, showAnswer } from "../answer.ts";
import { Conversation } from "../chat/conversation.ts";
import { History } from "../chat/history.ts";
import { MessageReader } from "../chat/message-reader.ts";
import { type ChatContext, isSlashCommand, runSlashCommand } from "../chat/slash-commands.ts";
import type { Cli } from "../cli.ts";
import { embeddedModel } from "../environment.ts";
import { formatBytes, formatContext, formatCount, formatDuration, plural } from "../format.ts";
import { inspectPath } from "../inspection.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import {
  addModelOptions,
  addSamplingOptions,
  examples,
  type ModelFlags,
  type SamplingFlags,
  thinkingBudgetOption,
  toGenerationOptions,
  toLoadOptions,
} from "../options.ts";
import type { Output } from "../output.ts";
import { reportError } from "../report-error.ts";

interface ChatFlags extends ModelFlags, SamplingFlags {
  readonly system?: string;
  readonly preset?: PromptLanguage;
  readonly think?: boolean;
  readonly thinkingBudget?: number;
}

export function chatCommand(cli: Cli): Command {
  const command = new Command("chat")
    .description("Talk to a model.")
    .argument("[model]", "a Hugging Face folder or a .gguf file; default: the model that comes along")
    .optionsGroup("Conversation:")
    .option("--system <text>", "system message")
    .addOption(
      new Option("--preset <language>", "the recommended system prompt, with today's date, around --system").choices(
        PROMPT_LANGUAGES,
      ),
    )
    .option("--think", "let the model think before it answers")
    .option("--no-think", "answer at once; default: as the checkpoint's template says")
    .addOption(thinkingBudgetOption());
  return addModelOptions(addSamplingOptions(command))
    .action((model: string | undefined, flags: ChatFlags) => chat(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo chat", "nano, the model that comes along."],
        [
          'mimo chat ~/models/MiMo-V2-Flash --think --system "Answer briefly."',
          "A real one, thinking before it answers.",
        ],
        ["mimo chat model.gguf --temperature 0.3 --kv q8_0 --context 65536", "Cooler, with a long and compact memory."],
        ["printf 'Hello\\nAnd again\\n' | mimo chat model.gguf", "Two messages of one conversation, from a pipe."],
      ),
    );
}

async function chat(cli: Cli, path: string | undefined, flags: ChatFlags): Promise<void> {
  const isInteractive = cli.input.isTTY && cli.output.isTerminal;
  // Over a pipe, standard output holds answers alone.
  const notes = isInteractive ? cli.output : cli.messages;
  const model = path ?? embeddedModel();
  await using mimo = await loadWithBanner(model, flags, notes);
  const context: ChatContext = {
    conversation: new Conversation({
      system:
        flags.preset === undefined
          ? flags.system
          : systemPrompt({ language: flags.preset, instructions: flags.system }),
      thinking: flags.think,
      generation: { ...toGenerationOptions(flags), thinkingBudget: flags.thinkingBudget },
    }),
    output: notes,
    model,
    saved: new Set(),
  };
  if (isInteractive) notes.line(notes.style.dim("/help shows commands, Ctrl-C stops an answer, Ctrl-D leaves.\n"));
  using reader = new MessageReader({
    input: cli.input,
    terminal: isInteractive ? cli.output.stream : undefined,
    history: new History(join(cli.environment.stateFolder, "history")),
  });
  for (;;) {
    const entry = await reader.read();
    if (entry.type === "end") break;
    try {
      if (isSlashCommand(entry.text)) {
        if (!(await runSlashCommand(entry.text, context))) break;
      } else await answer(cli, mimo, context, entry.text.trim());
    } catch (error) {
      // Someone at a terminal can go on from an error; a script must see it.
      if (!isInteractive) throw error;
      reportError(error, cli.messages, { json: false, debug: false });
    }
  }
  if (isInteractive) notes.line();
}

async function answer(cli: Cli, mimo: Mimo, { conversation, output: notes }: ChatContext, text: string): Promise<void> {
  const { output, messages } = cli;
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  const events = mimo.chat({
    ...conversation.generation,
    messages: conversation.messagesWith(text),
    thinking: conversation.thinking,
    signal,
  });
  const shown = await showAnswer(events, { text: output, reasoning: notes, progress: messages });
  const wasKept = conversation.add(text, shown);
  if (shown.end !== undefined) {
    const cut = shown.end.finishDetail === "repetition" ? "cut off: it went round in circles · " : "";
    notes.line(notes.style.dim(cut + describeUsage(shown.end.usage)));
  } else if (notes === output)
    notes.line(notes.style.dim(wasKept ? "stopped; what was written is kept" : "stopped; the message is forgotten"));
  else throw abortedError(signal.reason);
}

async function loadWithBanner(path: string, flags: ChatFlags, notes: Output): Promise<Mimo> {
  const { bold, dim } = notes.style;
  const { parameters, bytes, tokenizer } = inspectPath(path);
  const size = `${formatCount(parameters.trunk)} parameters, ${formatCount(parameters.activePerToken)} active`;
  notes.line(`${bold(notes.untrusted(path))} ${dim(`${size} · ${formatBytes(bytes.total)}`)}`);
  if (tokenizer === null) {
    throw new MimoError("invalid_argument", `${path} has no tokenizer, so it cannot chat.`, {
      remedy: "Put tokenizer.json beside the weights, or use `mimo generate --ids`.",
    });
  }
  using interrupt = watchInterrupt();
  const mimo = await loadModel(notes, path, { ...toLoadOptions(flags), signal: interrupt.signal });
  const { backend, contextLength, numMtpHeads, loadMs } = mimo.info;
  const heads = plural(numMtpHeads, "MTP head");
  notes.line(
    dim(`${backend} · context ${formatContext(contextLength)} · ${heads} · loaded in ${formatDuration(loadMs)}`),
  );
  return mimo;
}
