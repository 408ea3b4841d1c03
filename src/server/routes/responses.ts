// POST /responses, and what can be asked of a response by its id: while it runs, and afterwards where `store` was true.
//
// Nothing is kept unless a request says so: clients send the conversation, or have it kept and name the response before.

import { answer, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { callNames, encodeConversation, ownerOf, prepareAnswer, turnOf } from "../conversation.ts";
import { invalid, notSupported } from "../errors.ts";
import type { StoredResponse } from "../memory.ts";
import { checkPromptLength, freshId, replyHeader } from "../model.ts";
import type { Renderer } from "../render/renderer.ts";
import { type ResponsesRenderer, responsesRenderer } from "../render/render-responses.ts";
import { queryOf, type Route, type ServerRequest } from "../route.ts";
import { generationOptions } from "../schema/fields.ts";
import {
  type InputItem,
  RESPONSES,
  type ResponsesBody,
  responsesPrompt,
  type ResponsesPrompt,
} from "../schema/responses.ts";
import { MimoError } from "../../util/errors.ts";

const MAX_PAGE = 100;
const DEFAULT_PAGE = 20;

export const responsesRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/responses",
    scope: "inference",
    summary: "The next turn of a conversation, as items.",
    body: RESPONSES.schema,
    handle: async (request) => {
      const body = await readBody(request, RESPONSES);
      return answer(request, await planResponse(request, body));
    },
  },
  {
    method: "POST",
    path: "/responses/input_tokens",
    scope: "inference",
    summary: "How many tokens the prompt of a response has.",
    body: RESPONSES.schema,
    handle: async (request) => {
      const body = await readBody(request, RESPONSES);
      replyHeader(request.server, body.model, "");
      const { prompt } = encodeConversation(request, readPrompt(request, body).chat);
      return Response.json({ object: "response.input_tokens", input_tokens: prompt.ids.length });
    },
  },
  {
    method: "POST",
    path: "/responses/compact",
    scope: "inference",
    summary: "Not implemented: a conversation is never shortened here.",
    handle: () => {
      throw new MimoError("not_implemented", "This server does not compact conversations.");
    },
  },
  {
    method: "GET",
    path: "/responses/:id",
    scope: "inference",
    summary: "A response that runs, or was stored.",
    handle: (request) => {
      if (queryOf(request).get("stream") === "true")
        throw notSupported("stream", "stream: a response that has begun cannot be streamed again.");
      const { memory } = request.server;
      const { id = "" } = request.params;
      return Response.json(memory.running(ownerOf(request), id)?.body() ?? findStored(request, id).body);
    },
  },
  {
    method: "DELETE",
    path: "/responses/:id",
    scope: "inference",
    summary: "Forgets a response that was stored.",
    handle: (request) => {
      const { id = "" } = request.params;
      if (!request.server.memory.responses.delete(ownerOf(request), id)) throw unknownResponse(id);
      return Response.json({ id, object: "response", deleted: true });
    },
  },
  {
    method: "POST",
    path: "/responses/:id/cancel",
    scope: "inference",
    summary: "Ends a response that runs; one that has ended is given as it is.",
    handle: (request) => {
      const { memory } = request.server;
      const { id = "" } = request.params;
      return Response.json(memory.running(ownerOf(request), id)?.cancel() ?? findStored(request, id).body);
    },
  },
  {
    method: "GET",
    path: "/responses/:id/input_items",
    scope: "inference",
    summary: "What a stored response's request brought.",
    handle: (request) => {
      const { input } = findStored(request, request.params["id"] ?? "");
      return Response.json(pageOf(input as readonly { readonly id: string }[], queryOf(request)));
    },
  },
];

async function planResponse(request: ServerRequest, body: ResponsesBody): Promise<Plan> {
  const { server, abort } = request;
  const header = replyHeader(server, body.model, "resp_");
  const { chat, input, wantsSealedReasoning } = readPrompt(request, body);
  const conversation = encodeConversation(request, chat);
  const { mimo, prompt, warnings } = conversation;
  checkPromptLength(mimo, prompt.ids.length, "input");
  await prepareAnswer(conversation);
  const owner = ownerOf(request);
  const callId = callNames("call_");
  const renderer = responsesRenderer({
    header,
    echo: echoOf(body),
    hasTools: chat.mayCall,
    callId,
    itemId: freshId,
    seal: wantsSealedReasoning ? (text) => server.memory.seal.close(owner, text) : undefined,
    now: () => Math.floor(Date.now() / 1000),
  });
  const turn = turnOf(request, conversation, {
    generation: { ...generationOptions(body, 0, request), maxTokens: body.max_output_tokens },
    parallelCalls: body.parallel_tool_calls,
    callId,
    replyId: header.id,
    maxToolCalls: body.max_tool_calls,
  });
  const cancel = (): object => {
    const cancelled = renderer.cancel();
    abort.abort();
    return cancelled;
  };
  return {
    stream: body.stream === true,
    warnings,
    choices: [(signal) => server.memory.track(owner, header.id, { body: renderer.body, cancel }, turn(signal))],
    renderer: body.store === true ? storing(request, body, input, header.id, renderer) : renderer,
  };
}

function readPrompt(request: ServerRequest, body: ResponsesBody): ResponsesPrompt {
  const { memory } = request.server;
  const { previous_response_id: previousId } = body;
  const owner = ownerOf(request);
  const previous = previousId === undefined ? undefined : memory.responses.get(owner, previousId);
  if (previousId !== undefined && previous === undefined)
    throw invalid(
      "previous_response_id",
      `there is no response ${JSON.stringify(previousId.slice(0, 64))}; only those with store: true are kept, for a while.`,
    );
  return responsesPrompt(body, {
    previous: (previous?.conversation ?? []) as readonly InputItem[],
    unseal: (sealed) => memory.seal.open(owner, sealed),
  });
}

/** Keeps a response before its client learns that it has ended. */
function storing(
  request: ServerRequest,
  body: ResponsesBody,
  input: readonly InputItem[],
  id: string,
  renderer: ResponsesRenderer,
): Renderer {
  const { responses } = request.server.memory;
  const owner = ownerOf(request);
  const before = body.previous_response_id === undefined ? undefined : responses.get(owner, body.previous_response_id);
  const named = input.map((item) => ({ ...item, id: item["id"] ?? freshId("item_"), type: item["type"] ?? "message" }));
  const save = (): void => {
    const reply = renderer.body() as StoredResponse["body"] & { readonly output: readonly object[] };
    const conversation = [...(before?.conversation ?? []), ...named, ...reply.output];
    responses.set(owner, id, { body: reply, input: named, conversation });
  };
  return {
    ...renderer,
    end: () => {
      save();
      return renderer.end();
    },
    whole: () => {
      save();
      return renderer.whole();
    },
  };
}

/** Fields of a request that its reply repeats, all of them always there. */
function echoOf(body: ResponsesBody): object {
  return {
    instructions: body.instructions ?? null,
    max_output_tokens: body.max_output_tokens ?? null,
    max_tool_calls: body.max_tool_calls ?? null,
    metadata: body.metadata ?? {},
    parallel_tool_calls: body.parallel_tool_calls ?? true,
    previous_response_id: body.previous_response_id ?? null,
    reasoning: { effort: body.reasoning?.effort ?? null, summary: null },
    store: body.store ?? false,
    temperature: body.temperature ?? null,
    top_p: body.top_p ?? null,
    top_logprobs: 0,
    presence_penalty: body.presence_penalty ?? 0,
    frequency_penalty: body.frequency_penalty ?? 0,
    text: { format: body.text?.format ?? { type: "text" } },
    tool_choice: body.tool_choice ?? "auto",
    tools: (body.tools ?? []).map((tool) =>
      tool.type === "function" ? { description: null, parameters: null, strict: null, ...tool } : tool,
    ),
    truncation: "disabled",
    service_tier: "default",
    safety_identifier: body.safety_identifier ?? null,
    prompt_cache_key: body.prompt_cache_key ?? null,
    user: body.user ?? null,
  };
}

function findStored(request: ServerRequest, id: string): StoredResponse {
  const found = request.server.memory.responses.get(ownerOf(request), id);
  if (found === undefined) throw unknownResponse(id);
  return found;
}

function unknownResponse(id: string): MimoError {
  const name = JSON.stringify(id.slice(0, 64));
  return new MimoError("not_found", `There is no response ${name}; only those with store: true are kept, for a while.`);
}

function pageOf(items: readonly { readonly id: string }[], query: URLSearchParams): object {
  const limit = Number(query.get("limit") ?? DEFAULT_PAGE);
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw invalid("limit", `must be an integer from 1 to ${MAX_PAGE}.`);
  const order = query.get("order") ?? "desc";
  if (order !== "asc" && order !== "desc") throw invalid("order", "must be asc or desc.");
  const sorted = order === "asc" ? items : items.toReversed();
  const after = query.get("after");
  const rest = after === null ? sorted : sorted.slice(sorted.findIndex(({ id }) => id === after) + 1);
  const data = rest.slice(0, limit);
  return {
    object: "list",
    data,
    first_id: data[0]?.id ?? null,
    last_id: data.at(-1)?.id ?? null,
    has_more: rest.length > limit,
  };
}
