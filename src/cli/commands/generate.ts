// `mimo generate`: one prompt, one answer, streamed or as one JSON object. Standard output holds the answer alone.

import { Command, Option } from "commander";
import type { TokenLogprobs } from "../../api/events.ts";
import type { Mimo } from "../../api/mimo.ts";
import type { ChatMessage, ToolDefinition } from "../../tokenizer/chat-request.ts";
import { abortedError, MimoError } from "../../util/errors.ts";
import { settingName } from "../settings/setting.ts";
import { type Answer, describeUsage, showAnswer } from "../answer.ts";
import type { Cli } from "../cli.ts";
import { isObject, readIdsFile, readJsonFile, readTextFile } from "../files.ts";
import { formatTable } from "../format.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import {
  addModelOptions,
  addSamplingOptions,
  collect,
  examples,
  type ModelFlags,
  parseInteger,
  type SamplingFlags,
  thinkingBudgetOption,
  toGenerationOptions,
  toLoadOptions,
} from "../options.ts";

interface GenerateFlags extends ModelFlags, SamplingFlags {
  readonly prompt?: string;
  readonly chat?: string;
  readonly file?: string;
  readonly ids?: string;
  readonly system?: string;
  readonly think?: boolean;
  readonly thinkingBudget?: number;
  readonly tools?: string;
  readonly stop?: readonly string[];
  readonly logprobs?: number;
  readonly json?: boolean;
}

const SOURCES = ["prompt", "chat", "file", "ids"] as const;

export function generateCommand(cli: Cli): Command {
  const source = (flags: string, description: string): Option => {
    const option = new Option(flags, description);
    return option.conflicts(SOURCES.filter((name) => name !== option.attributeName()));
  };
  const command = new Command("generate")
    .description("Generate one answer or continuation. Without a prompt option, the prompt is standard input.")
    .argument("<model>", "a Hugging Face folder or a .gguf file")
    .optionsGroup("Prompt:")
    .addOption(source("--prompt <text>", 'continue this text, with nothing added; "-" reads standard input'))
    .addOption(source("--chat <text>", 'answer this message, in the chat format; "-" reads standard input'))
    .addOption(source("--file <path>", "continue a text file, or answer the messages of a .json file"))
    .addOption(source("--ids <file.json>", "continue token ids: an array, or an object with input_ids"))
    .option("--system <text>", "system message of a chat")
    .option("--think", "let the model think before it answers a chat")
    .option("--no-think", "answer a chat at once; default: as the checkpoint's template says")
    .addOption(thinkingBudgetOption())
    .option("--tools <file.json>", "functions the model may call in a chat: an array of OpenAI tool definitions")
    .optionsGroup("Output:")
    .option("--stop <text>", "end before this text; may be given several times", collect)
    .option("--logprobs <n>", "report log-probabilities with n alternatives per token", parseInteger)
    .option("--json", "print one JSON object at the end");
  return addModelOptions(addSamplingOptions(command))
    .action((model: string, flags: GenerateFlags) => generate(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        [
          'mimo generate model.gguf --chat "Why is the sky blue?" --think',
          "One question; the reasoning goes to standard error.",
        ],
        ["cat story.txt | mimo generate model.gguf --max-tokens 200", "Continue a text."],
        [
          'mimo generate model.gguf --prompt "2 + 2 =" --temperature 0 --logprobs 5 --json',
          "One greedy continuation, for a program.",
        ],
        [
          'mimo generate model.gguf --chat "Weather in Oslo?" --tools tools.json --json',
          "The calls that the model makes.",
        ],
      ),
    );
}

async function generate(cli: Cli, path: string, flags: GenerateFlags): Promise<void> {
  const { output, messages } = cli;
  const prompt = await readPrompt(cli, flags);
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  await using mimo = await loadModel(messages, path, { ...toLoadOptions(flags), signal });
  const options = { ...toGenerationOptions(flags), stop: flags.stop, logprobs: flags.logprobs, signal };
  const events =
    prompt.kind === "chat"
      ? mimo.chat({ ...prompt.request, ...options })
      : mimo.complete({ prompt: prompt.prompt, ...options });
  const isStreaming = flags.json !== true;
  const answer = await showAnswer(events, {
    text: isStreaming ? output : undefined,
    reasoning: isStreaming ? messages : undefined,
    progress: messages,
  });
  if (answer.end === undefined) throw abortedError(signal.reason);
  if (flags.json === true) {
    output.json(describeAnswer(path, mimo, answer));
    return;
  }
  if (!mimo.hasTokenizer) output.line(JSON.stringify(answer.end.tokens));
  if (flags.logprobs !== undefined)
    output.line(`\n${output.untrusted(formatTable(logprobRows(answer.logprobs)).join("\n"))}`);
  if (messages.isTerminal) messages.line(messages.style.dim(describeUsage(answer.end.usage)));
}

type Prompt =
  | { readonly kind: "complete"; readonly prompt: string | readonly number[] }
  | {
      readonly kind: "chat";
      readonly request: {
        readonly messages: readonly ChatMessage[];
        readonly tools?: readonly ToolDefinition[];
        readonly thinking: boolean | undefined;
        readonly thinkingBudget: number | undefined;
      };
    };

async function readPrompt(cli: Cli, flags: GenerateFlags): Promise<Prompt> {
  const { prompt, file, ids } = flags;
  if (flags.chat !== undefined) {
    const content = flags.chat === "-" ? await readTextFile("-", cli) : flags.chat;
    return chatPrompt(cli, flags, [{ role: "user", content }]);
  }
  if (file?.endsWith(".json") === true) return chatPrompt(cli, flags, await readMessages(cli, file));
  const chatOnly = (["system", "think", "thinkingBudget", "tools"] as const).find((name) => flags[name] !== undefined);
  if (chatOnly !== undefined) {
    throw new MimoError(
      "invalid_argument",
      `--${settingName(chatOnly)} needs a chat, and this is the continuation of a text.`,
      {
        remedy: "Give the message with --chat TEXT, or the messages with --file FILE.json.",
      },
    );
  }
  if (ids !== undefined) return { kind: "complete", prompt: await readIdsFile(ids, cli) };
  if (prompt !== undefined && prompt !== "-") return { kind: "complete", prompt };
  if (file === undefined && prompt === undefined && cli.input.isTTY) {
    throw new MimoError("invalid_argument", "There is no prompt.", {
      remedy: "Give one with --prompt, --chat or --file, or pipe it in. To talk, use `mimo chat`.",
    });
  }
  return { kind: "complete", prompt: await readTextFile(file ?? "-", cli) };
}

async function chatPrompt(cli: Cli, flags: GenerateFlags, conversation: readonly ChatMessage[]): Promise<Prompt> {
  const system: ChatMessage[] = flags.system === undefined ? [] : [{ role: "system", content: flags.system }];
  // Their shape is the library's to check.
  const tools =
    flags.tools === undefined ? undefined : ((await readJsonFile(flags.tools, cli)) as readonly ToolDefinition[]);
  const request = {
    messages: [...system, ...conversation],
    thinking: flags.think,
    thinkingBudget: flags.thinkingBudget,
    ...(tools === undefined ? {} : { tools }),
  };
  return { kind: "chat", request };
}

/** An array of messages, or an object with one, such as `/save` in a chat writes. */
async function readMessages(cli: Cli, path: string): Promise<readonly ChatMessage[]> {
  const value = await readJsonFile(path, cli);
  const found: unknown = isObject(value) && !Array.isArray(value) ? value["messages"] : value;
  if (Array.isArray(found)) return found as readonly ChatMessage[];
  throw new MimoError("invalid_argument", `${path}: expected a list of messages, found something else.`, {
    remedy: 'Give an array such as [{"role": "user", "content": "Hello"}], or an object with one as "messages".',
  });
}

function describeAnswer(model: string, mimo: Mimo, { text, reasoning, toolCalls, logprobs, end }: Answer): object {
  if (end === undefined) throw abortedError();
  const { queueMs, prefillMs, decodeMs, promptTokensPerSecond, tokensPerSecond, ...usage } = end.usage;
  return {
    model,
    backend: mimo.info.backend,
    text,
    reasoning,
    tokens: end.tokens,
    seed: end.seed,
    toolCalls: toolCalls.map(({ call }) => call),
    finishReason: end.finishReason,
    ...(end.finishDetail === undefined ? {} : { finishDetail: end.finishDetail }),
    usage,
    timings: { loadMs: mimo.info.loadMs, queueMs, prefillMs, decodeMs, promptTokensPerSecond, tokensPerSecond },
    ...(logprobs.length > 0 ? { logprobs } : {}),
  };
}

function logprobRows(tokens: readonly TokenLogprobs[]): string[][] {
  const describe = (text: string, logprob: number): string => `${JSON.stringify(text)} ${logprob.toFixed(3)}`;
  const width = Math.max(0, ...tokens.map(({ top }) => top.length));
  return [
    ["token", ...Array.from({ length: width }, (_, i) => `#${i + 1}`)],
    ...tokens.map(({ text, logprob, top }) => [
      describe(text, logprob),
      ...Array.from({ length: width }, (_, i) => (top[i] === undefined ? "" : describe(top[i].text, top[i].logprob))),
    ]),
  ];
}
