// Text, ids and prompts, for clients that count or look: /tokenize, /detokenize, /apply-template, /tokenizer_info.
//
// Text is text here as everywhere: what spells a special token becomes one only where the request asks for that.

import { z } from "zod";
import type { EncodedChat } from "../../tokenizer/chat.ts";
import { MIMO_CHAT_TEMPLATE } from "../../tokenizer/mimo-template.ts";
import type { BodySchema } from "../body.ts";
import { readBody } from "../body.ts";
import { withSystemPrompt } from "../conversation.ts";
import { invalid } from "../errors.ts";
import { modelName } from "../model.ts";
import type { Route, ServerRequest } from "../route.ts";
import { chatPrompt, PROMPT_FIELDS, type PromptBody } from "../schema/chat.ts";
import { flag, optional, text, tokenId } from "../schema/fields.ts";

const { messages, ...OTHER_PROMPT_FIELDS } = PROMPT_FIELDS;

/** `prompt` as vLLM spells it, `content` as llama.cpp does, or the messages of a chat. */
const TOKENIZE_FIELDS = {
  ...OTHER_PROMPT_FIELDS,
  prompt: text,
  content: text,
  messages: optional(messages),
  // This tokenizer adds none, so both answers are the same.
  add_special_tokens: flag,
  parse_special: flag,
  return_token_strs: flag,
} as const;
const TOKENIZE: BodySchema<typeof TOKENIZE_FIELDS> = { schema: z.object(TOKENIZE_FIELDS) };

const DETOKENIZE_FIELDS = { model: text, tokens: z.array(tokenId) } as const;
const DETOKENIZE: BodySchema<typeof DETOKENIZE_FIELDS> = { schema: z.object(DETOKENIZE_FIELDS) };

const TEMPLATE: BodySchema<typeof PROMPT_FIELDS> = { schema: z.object(PROMPT_FIELDS) };

/** A conversation as the chat APIs give it to the model. */
function encodePrompt({ server }: ServerRequest, body: PromptBody): EncodedChat {
  const { request } = chatPrompt(body);
  return server.model().encodeChat({ ...request, messages: withSystemPrompt(server, request.messages) });
}

export const tokenRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/tokenize",
    scope: "inference",
    summary: "Token ids of a text, or of a conversation as the model gets it.",
    body: TOKENIZE.schema,
    handle: async (request) => {
      const body = await readBody(request, TOKENIZE);
      modelName(request.server.options, body.model);
      const mimo = request.server.model();
      const { tokenizer } = mimo;
      const plain = body.prompt ?? body.content;
      if ((plain === undefined) === (body.messages === undefined))
        throw invalid("prompt", "give either prompt or messages.");
      const encode = (one: string): number[] =>
        body.parse_special === true ? tokenizer.encodeWithSpecials(one) : tokenizer.encode(one);
      const ids =
        plain === undefined ? encodePrompt(request, { ...body, messages: body.messages ?? [] }).ids : encode(plain);
      const strings = body.return_token_strs === true ? { token_strs: ids.map((id) => tokenizer.idToToken(id)) } : {};
      return Response.json({ count: ids.length, max_model_len: mimo.info.contextLength, tokens: ids, ...strings });
    },
  },
  {
    method: "POST",
    path: "/detokenize",
    scope: "inference",
    summary: "The text of token ids.",
    body: DETOKENIZE.schema,
    handle: async (request) => {
      const body = await readBody(request, DETOKENIZE);
      modelName(request.server.options, body.model);
      const { tokenizer } = request.server.model();
      const odd = body.tokens.findIndex((id) => id >= tokenizer.numTokens);
      if (odd >= 0) throw invalid(`tokens[${odd}]`, `must be below ${tokenizer.numTokens}.`);
      const prompt = tokenizer.decode(body.tokens);
      return Response.json({ prompt, content: prompt });
    },
  },
  {
    method: "POST",
    path: "/apply-template",
    scope: "inference",
    summary: "A conversation as the text that the model gets.",
    body: TEMPLATE.schema,
    handle: async (request) => {
      const body = await readBody(request, TEMPLATE);
      modelName(request.server.options, body.model);
      return Response.json({ prompt: encodePrompt(request, body).prompt });
    },
  },
  {
    method: "GET",
    path: "/tokenizer_info",
    scope: "inference",
    summary: "The tokenizer's special tokens and the chat template.",
    handle: (request) => {
      const { tokenizer } = request.server.model();
      const nameOf = (id: number | undefined): string | null =>
        id === undefined ? null : (tokenizer.idToToken(id) ?? null);
      return Response.json({
        tokenizer_class: "Qwen2Tokenizer",
        vocab_size: tokenizer.numTokens,
        bos_token: null,
        eos_token: nameOf(tokenizer.addedTokenId("<|im_end|>") ?? tokenizer.eosIds[0]),
        pad_token: nameOf(tokenizer.addedTokenId("<|endoftext|>")),
        eos_token_ids: tokenizer.eosIds,
        added_tokens: tokenizer.addedTokens.map(({ id, text: content, special }) => ({ id, content, special })),
        chat_template: tokenizer.chatTemplate ?? MIMO_CHAT_TEMPLATE,
      });
    },
  },
];
