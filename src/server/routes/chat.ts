// POST /chat/completions, and /chat/completions/control of an answer that runs.

import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { callNames, encodeConversation, ownerOf, prepareAnswer, turnOf } from "../conversation.ts";
import { invalid } from "../errors.ts";
import { checkPromptLength, replyHeader } from "../model.ts";
import { chatRenderer } from "../render/render-chat.ts";
import type { Route, ServerRequest } from "../route.ts";
import { CHAT, type ChatBody, chatPrompt, CONTROL, refusePromises } from "../schema/chat.ts";
import { generationOptions } from "../schema/fields.ts";
import { MimoError } from "../../util/errors.ts";

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
  {
    method: "POST",
    path: "/chat/completions/control",
    scope: "inference",
    summary: "Ends the thinking of an answer that runs, by the id of its reply; the text of the answer follows.",
    body: CONTROL.schema,
    handle: async (request) => {
      const { id, action } = await readBody(request, CONTROL);
      if (request.server.memory.endThinking(ownerOf(request), id)) return Response.json({ id, action, success: true });
      throw new MimoError("not_found", `There is no answer ${JSON.stringify(id.slice(0, 64))} that runs.`, {
        param: "id",
      });
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
          ...generationOptions(body, i, request),
          maxTokens: body.max_completion_tokens ?? body.max_tokens,
        },
        logprobs: body.logprobs === true ? (body.top_logprobs ?? 0) : undefined,
        parallelCalls: body.parallel_tool_calls,
        callId,
        replyId: header.id,
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
