// POST /chat/completions.

import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { callNames, encodeConversation, prepareAnswer, turnOf } from "../conversation.ts";
import { invalid } from "../errors.ts";
import { checkPromptLength, replyHeader } from "../model.ts";
import { chatRenderer } from "../render/render-chat.ts";
import type { Route, ServerRequest } from "../route.ts";
import { CHAT, type ChatBody, chatPrompt, refusePromises } from "../schema/chat.ts";
import { generationOptions } from "../schema/fields.ts";

export const chatRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/chat/completions",
    scope: "inference",
    summary: "The next turn of a conversation.",
    body: CHAT.schema,
    handle: async (request) => {
      const body = await readBody(request, CHAT);
      return answer(request, await planChat(request, body));
    },
  },
];

async function planChat(request: ServerRequest, body: ChatBody): Promise<Plan> {
  const header = replyHeader(request.server, body.model, "chatcmpl-");
  refusePromises(body);
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) throw invalid("top_logprobs", "needs logprobs: true.");
  const conversation = encodeConversation(request, chatPrompt(body));
  const { mimo, chat, prompt, warnings } = conversation;
  checkPromptLength(mimo, prompt.ids.length, "messages");
  await prepareAnswer(conversation);
  const names = Array.from({ length: body.n ?? 1 }, () => callNames("call_"));
  return {
    stream: body.stream === true,
    warnings,
    choices: names.map((callId, i) =>
      turnOf(request, conversation, {
        generation: {
          ...generationOptions(body, i, request.key?.id),
          maxTokens: body.max_completion_tokens ?? body.max_tokens,
        },
        logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : undefined,
        parallelCalls: body.parallel_tool_calls,
        callId,
      }),
    ),
    renderer: chatRenderer({
      header,
      numChoices: names.length,
      hasTools: chat.mayCall,
      includeUsage: body.stream_options?.include_usage === true,
      callId: (choice, index) => names[choice]!(index),
      tokenBytes: (id) => mimo.tokenizer.tokenBytes(id),
    }),
  };
}
