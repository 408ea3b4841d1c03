// POST /chat/completions; of an answer that runs, /chat/completions/control; of one in the background, its stream again.

import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { callNames, encodeConversation, ownerOf, prepareAnswer, turnOf } from "../conversation.ts";
import { invalid } from "../errors.ts";
import { checkPromptLength, replyHeader } from "../model.ts";
import { chatRenderer } from "../render/render-chat.ts";
import { queryOf, type Route, type ServerRequest } from "../route.ts";
import { CHAT, type ChatBody, chatPrompt, CONTROL, refusePromises } from "../schema/chat.ts";
import { generationOptions } from "../schema/fields.ts";
import { sseResponse } from "../sse.ts";
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
    summary: "Ends an answer that runs, or its thinking alone, by the id of its reply.",
    body: CONTROL.schema,
    handle: async (request) => {
      const { id, action } = await readBody(request, CONTROL);
      if (request.server.memory.control(ownerOf(request), id, action))
        return Response.json({ id, action, success: true });
      throw unknownAnswer(id, "that runs.");
    },
  },
  {
    method: "GET",
    path: "/chat/completions/:id/stream",
    scope: "inference",
    summary: "The stream of a background answer, from its beginning, or behind the frame that Last-Event-ID names.",
    handle: (request) => {
      const { id = "" } = request.params;
      const kept = request.server.memory.streams.find(ownerOf(request), id);
      if (kept === undefined)
        throw unknownAnswer(id, "with background: true; such streams are kept for a while after their end.");
      return sseResponse(request, kept.read(lastFrame(request), request.abort.signal));
    },
  },
];

function unknownAnswer(id: string, which: string): MimoError {
  return new MimoError("not_found", `There is no answer ${JSON.stringify(id.slice(0, 64))} ${which}`, { param: "id" });
}

/** The last frame that the reader has; -1 where it has none. A browser that comes back says so in the header. */
function lastFrame(request: ServerRequest): number {
  const text = request.incoming.headers["last-event-id"] ?? queryOf(request).get("starting_after") ?? "-1";
  if (typeof text === "string" && /^(?:-1|\d{1,15})$/.test(text)) return Number(text);
  throw invalid("starting_after", "must be the number of a frame.");
}

async function planChat(request: ServerRequest, body: ChatBody): Promise<Plan> {
  const header = replyHeader(request.server, body.model, "chatcmpl-");
  refusePromises(body);
  for (const field of ["background", "include"] as const)
    if (body[field] !== undefined && body[field] !== false && body.stream !== true)
      throw invalid(field, "needs stream: true.");
  if ((body.top_logprobs ?? 0) > 0 && body.logprobs !== true) throw invalid("top_logprobs", "needs logprobs: true.");
  const conversation = encodeConversation(request, chatPrompt(body));
  const { mimo, chat, prompt, warnings } = conversation;
  checkPromptLength(mimo, prompt.ids.length, "messages");
  await prepareAnswer(conversation);
  const include = new Set(body.include);
  if (include.has("routing") && !mimo.info.config.layers.some(({ feedForward }) => feedForward === "experts"))
    throw invalid("include", "no layer of this model chooses experts, so there is no routing to show.");
  const names = Array.from({ length: body.n ?? 1 }, () => callNames("call_"));
  return {
    stream: body.stream === true,
    keptAs: body.background === true ? header.id : undefined,
    warnings,
    choices: names.map((callId, i) =>
      turnOf(request, conversation, {
        generation: {
          ...generationOptions(body, i, request),
          maxTokens: body.max_completion_tokens ?? body.max_tokens,
          steps: include.has("drafts"),
          routedExperts: include.has("routing"),
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
      include,
      prompt,
    }),
  };
}
