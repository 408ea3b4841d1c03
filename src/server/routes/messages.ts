// POST /messages and /messages/count_tokens, as Anthropic's API has them.

import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { callNames, encodeConversation, ownerOf, prepareAnswer, turnOf } from "../conversation.ts";
import { checkPromptLength, modelName, replyHeader } from "../model.ts";
import { MESSAGES_ERRORS } from "../render/messages-errors.ts";
import { messagesRenderer } from "../render/render-messages.ts";
import type { Route, ServerRequest } from "../route.ts";
import { generationOptions } from "../schema/fields.ts";
import { COUNTED_MESSAGES, MESSAGES, type MessagesBody, messagesPrompt } from "../schema/messages.ts";

export const messagesRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/messages",
    scope: "inference",
    summary: "The next turn of a conversation, in Anthropic's form.",
    body: MESSAGES.schema,
    errors: MESSAGES_ERRORS,
    handle: async (request) => {
      const body = await readBody(request, MESSAGES);
      return answer(request, await planMessage(request, body));
    },
  },
  {
    method: "POST",
    path: "/messages/count_tokens",
    scope: "inference",
    summary: "How many tokens the prompt of a message has.",
    body: COUNTED_MESSAGES.schema,
    errors: MESSAGES_ERRORS,
    handle: async (request) => {
      const body = await readBody(request, COUNTED_MESSAGES);
      modelName(request.server.options, body.model);
      const { prompt } = encodeConversation(request, messagesPrompt(body));
      return Response.json({ input_tokens: prompt.ids.length });
    },
  },
];

async function planMessage(request: ServerRequest, body: MessagesBody): Promise<Plan> {
  const { server, id: requestId } = request;
  const header = replyHeader(server, body.model, "msg_");
  const conversation = encodeConversation(request, messagesPrompt(body));
  const { mimo, chat, prompt, warnings } = conversation;
  checkPromptLength(mimo, prompt.ids.length, "messages");
  await prepareAnswer(conversation);
  const callId = callNames("toolu_");
  return {
    stream: body.stream === true,
    warnings,
    choices: [
      turnOf(request, conversation, {
        generation: generationOptions({ ...body, stop: body.stop_sequences }, 0, request),
        parallelCalls: body.tool_choice?.disable_parallel_tool_use === true ? false : undefined,
        callId,
        replyId: header.id,
      }),
    ],
    renderer: messagesRenderer({
      header,
      requestId,
      promptTokens: prompt.ids.length,
      hasTools: chat.mayCall,
      callId,
      sign: (reasoning) => server.memory.seal.sign(ownerOf(request), reasoning),
    }),
  };
}
