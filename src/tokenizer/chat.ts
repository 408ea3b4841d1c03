// A chat request to token ids.
//
// Nothing that a request says can become a special token. Before rendering, every special token that the template
// writes in its own text is replaced by a mark: a private character that occurs nowhere in the request, around the
// token's id. After rendering, marks become ids and everything else is encoded as plain text. Provenance decides,
// not spelling: `<|im_end|>` in a message stays text, and so does one that a message completes together with the
// template's own characters. The template sees the request's text unchanged, but its own tags do not occur in it.
// Refuses to know the engine and HTTP.

import { MimoError } from "../util/errors.ts";
import {
  checkMessages,
  type CheckedMessage,
  checkTools,
  type ChatMessage,
  type ToolDefinition,
} from "./chat-request.ts";
import { type ParsedTemplate, parseChatTemplate, renderChat, type TemplateLimits } from "./chat-template.ts";
import { MIMO_CHAT_TEMPLATE } from "./mimo-template.ts";
import { templateFailed } from "./template-interpreter.ts";
import { createAlternation, type Tokenizer } from "./tokenizer.ts";

export interface ChatRequest {
  readonly messages: readonly ChatMessage[];
  readonly tools?: readonly ToolDefinition[] | undefined;
  /** End with the opening of an assistant's turn. On by default. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** Leave the last message, which is the assistant's, without its end: the answer goes on with it. Off by default. */
  readonly continueFinalMessage?: boolean | undefined;
  /** Left undefined, the template's own default holds. */
  readonly enableThinking?: boolean | undefined;
  /** Further variables for the template. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
  /** The time for templates that ask for it, by default the present. */
  readonly now?: Date | undefined;
}

export interface EncodedChat {
  readonly ids: number[];
  /** The prompt as text, special tokens spelled out. For people to read: encoding it again is not safe. */
  readonly prompt: string;
  /** Whether the prompt ends inside an open thinking block, so that the answer begins as reasoning. */
  readonly thinking: boolean;
  /** Whether the answer goes on with one that was begun. */
  readonly continues: boolean;
}

/**
 * The prompt of a request, by the given template, the checkpoint's or MiMo's own, in this order.
 * Throws `invalid_argument` naming the field for a malformed request, `template_failed` for a template's failure.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  request: ChatRequest,
  template: string = tokenizer.chatTemplate ?? MIMO_CHAT_TEMPLATE,
  limits?: Partial<TemplateLimits>,
): EncodedChat {
  const messages = checkMessages(request.messages);
  const tools = checkTools(request.tools);
  const mark = findUnusedCharacter([messages, tools, request.variables], template);
  const continues = request.continueFinalMessage ?? false;
  if (continues) checkContinued(messages);
  const addGenerationPrompt = !continues && (request.addGenerationPrompt ?? true);
  const parsed = parseMarked(tokenizer, template, mark, limits);
  const rendered = renderChat(parsed, { ...request, messages, tools, addGenerationPrompt });
  const prompt = continues ? withoutEnd(tokenizer, rendered, mark, messages.at(-1)!) : rendered;
  return { ...decodeMarks(tokenizer, prompt, mark), continues };
}

function checkContinued(messages: readonly CheckedMessage[]): void {
  const { role, tool_calls: calls = [] } = messages.at(-1)!;
  if (role === "assistant" && calls.length === 0) return;
  const param = `messages[${messages.length - 1}]`;
  throw new MimoError("invalid_argument", `${param} must be the assistant's, without calls, to be continued.`, {
    param,
  });
}

/** A rendered chat up to the end of its last turn; of a turn that has only thoughts, up to their end. */
function withoutEnd(tokenizer: Tokenizer, rendered: string, mark: string, last: CheckedMessage): string {
  const onlyThinks = last.content === "" && (last.reasoning_content ?? "") !== "";
  const ends = onlyThinks
    ? [tokenizer.addedTokenId("</think>")]
    : [tokenizer.addedTokenId("<|im_end|>"), ...tokenizer.eosIds];
  const end = [...rendered.matchAll(markPattern(mark))].findLast(([, id]) => ends.includes(Number(id)));
  if (end !== undefined) return rendered.slice(0, end.index);
  throw templateFailed("ends no turn of the assistant with a special token, so none can be continued");
}

function markPattern(mark: string): RegExp {
  return new RegExp(`${mark}(\\d+)${mark}`, "g");
}

interface MarkedTemplate {
  readonly template: string;
  readonly mark: string;
  readonly limits: Partial<TemplateLimits> | undefined;
  readonly parsed: ParsedTemplate;
}

/** The template last used with each tokenizer: parsing takes longer than rendering, and most chats share one. */
const LAST_USED = new WeakMap<Tokenizer, MarkedTemplate>();

function parseMarked(
  tokenizer: Tokenizer,
  template: string,
  mark: string,
  limits: Partial<TemplateLimits> | undefined,
): ParsedTemplate {
  const last = LAST_USED.get(tokenizer);
  if (last?.template === template && last.mark === mark && last.limits === limits) return last.parsed;
  const specials = createAlternation(tokenizer.addedTokens.map((token) => token.text));
  const rewriteLiteral = (literal: string): string =>
    specials === undefined
      ? literal
      : literal.replace(specials, (text) => `${mark}${tokenizer.addedTokenId(text)}${mark}`);
  const parsed = parseChatTemplate(template, { limits, rewriteLiteral });
  LAST_USED.set(tokenizer, { template, mark, limits, parsed });
  return parsed;
}

function decodeMarks(tokenizer: Tokenizer, rendered: string, mark: string): Omit<EncodedChat, "continues"> {
  const ids: number[] = [];
  let prompt = "";
  // Split by a pattern with one group: plain text at even places, ids at odd ones.
  for (const [i, part] of rendered.split(markPattern(mark)).entries()) {
    if (i % 2 === 1) {
      const id = Number(part);
      const token = tokenizer.idToToken(id);
      // Only a template that takes marks apart and joins them anew can come here.
      if (token === undefined) {
        throw templateFailed("assembles a special token that does not exist");
      }
      ids.push(id);
      prompt += token;
    } else {
      const text = part.replaceAll(mark, "");
      for (const id of tokenizer.encode(text)) ids.push(id);
      prompt += text;
    }
  }
  return { ids, prompt, thinking: endsInThinking(tokenizer, ids) };
}

function endsInThinking(tokenizer: Tokenizer, ids: readonly number[]): boolean {
  const opening = tokenizer.addedTokenId("<think>");
  const boundaries = ["<think>", "</think>", "<|im_start|>", "<|im_end|>"].map((text) => tokenizer.addedTokenId(text));
  return opening !== undefined && ids.findLast((id) => boundaries.includes(id)) === opening;
}

/** A character of the private use area that neither the request nor the template holds. */
function findUnusedCharacter(data: unknown, template: string): string {
  let text: string;
  try {
    // JSON leaves these characters as they are, so this is every string of the request in one.
    text = JSON.stringify(data);
  } catch (cause) {
    throw new MimoError("invalid_argument", "The chat request must be plain data, as JSON has it.", { cause });
  }
  const used = new Set([...text.matchAll(/[\uE000-\uF8FF]/g), ...template.matchAll(/[\uE000-\uF8FF]/g)].map(String));
  for (let code = 0xe000; code <= 0xf8ff; code++) {
    const character = String.fromCharCode(code);
    if (!used.has(character)) return character;
  }
  throw new MimoError("invalid_argument", "The chat request uses every character of Unicode's private use area.");
}
