// POST /chat/completions.

import type { Mimo } from "../../api/mimo.ts";
import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { checkPromptLength, replyHeader, replyId } from "../model.ts";
import { chatRenderer } from "../render/render-chat.ts";
import type { Route, ServerRequest } from "../route.ts";
import { CHAT, type ChatBody, chatPrompt, refusePromises } from "../schema/chat.ts";
import { generationOptions } from "../schema/fields.ts";

/** As the model card has it for agents, where the request does not say. */
const TOOL_TEMPERATURE = 0.3;

export const chatRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/chat/completions",
    scope: "inference",
    summary: "The next turn of a conversation.",
    body: CHAT.schema,
    handle: async (request) => {
      const body = await readBody(request, CHAT);
      return answer(request, planChat(request, body));
    },
  },
];

function planChat(request: ServerRequest, body: ChatBody): Plan {
  const header = replyHeader(request.server, body.model, "chatcmpl");
  refusePromises(body);
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) throw invalid("top_logprobs", "needs logprobs: true.");
  const { request: conversation, mayCall, warnings } = chatPrompt(body);
  const mimo = request.server.model();
  const prompt = mimo.encodeChat(conversation);
  checkPromptLength(mimo, prompt.ids.length, "messages");
  const numChoices = body.n ?? 1;
  const { tools } = conversation;
  const options = {
    tools,
    maxToolCalls: body.parallel_tool_calls === false ? 1 : undefined,
    logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : undefined,
  };
  return {
    stream: body.stream === true,
    warnings,
    choices: Array.from({ length: numChoices }, (_, i) => (signal: AbortSignal) => {
      const generation = generationOptions(body, i, request.keyId);
      return mimo.answer(prompt, {
        ...generation,
        ...options,
        maxTokens: body.max_completion_tokens ?? body.max_tokens,
        temperature: body.temperature ?? (mayCall ? TOOL_TEMPERATURE : undefined),
        logitBias: tools.length > 0 && !mayCall ? { ...generation.logitBias, ...callBias(mimo) } : generation.logitBias,
        signal,
      });
    }),
    renderer: chatRenderer({
      header,
      numChoices,
      hasTools: mayCall,
      includeUsage: body.stream_options?.include_usage === true,
      callId: () => replyId("call"),
      tokenBytes: (id) => mimo.tokenizer.tokenBytes(id),
    }),
  };
}

/** Keeps the model from writing calls, with the prompt as it is: what was computed of it stays of use. */
function callBias({ tokenizer }: Mimo): Readonly<Record<number, number>> {
  const id = tokenizer.addedTokenId("<tool_call>");
  return id === undefined ? {} : { [id]: -100 };
}
