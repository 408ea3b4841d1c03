// POST /completions: text or token ids and what follows them, with their own log-probabilities where they are echoed.

import type { Mimo } from "../../api/mimo.ts";
import type { GenerationOptions } from "../../api/request.ts";
import { usageOf } from "../../api/events.ts";
import { answer, type Choice, type Plan } from "../answer.ts";
import { readBody } from "../body.ts";
import { invalid } from "../errors.ts";
import { checkPromptLength, replyHeader } from "../model.ts";
import { completionsRenderer } from "../render/render-completions.ts";
import type { PromptLogprob, ServerEvent } from "../render/renderer.ts";
import type { Route, ServerRequest } from "../route.ts";
import { COMPLETIONS, type CompletionsBody, DEFAULT_MAX_TOKENS, promptsOf } from "../schema/completions.ts";
import { generationOptions } from "../schema/fields.ts";

export const completionsRoutes: readonly Route[] = [
  {
    method: "POST",
    path: "/completions",
    scope: "inference",
    summary: "What follows a text, with nothing added.",
    body: COMPLETIONS.schema,
    handle: async (request) => {
      const body = await readBody(request, COMPLETIONS);
      return answer(request, planCompletions(request, body));
    },
  },
];

function planCompletions(request: ServerRequest, body: CompletionsBody): Plan {
  const { server } = request;
  const header = replyHeader(server, body.model, "cmpl-");
  const mimo = server.model();
  const prompts = promptsOf(body).map((prompt) => {
    const ids = typeof prompt === "string" ? mimo.tokenizer.encode(prompt) : prompt;
    const odd = ids.find((id) => id >= mimo.info.config.vocabSize);
    if (odd !== undefined) throw invalid("prompt", `token ${odd} is outside the vocabulary.`);
    checkPromptLength(mimo, ids.length, "prompt");
    return ids;
  });
  const numChoices = body.n ?? 1;
  return {
    stream: body.stream === true,
    numPrompts: prompts.length,
    choices: prompts.flatMap((ids) =>
      Array.from({ length: numChoices }, (_, i) => choiceOf(mimo, body, ids, generationOptions(body, i, request))),
    ),
    renderer: completionsRenderer({
      header,
      numPrompts: prompts.length,
      numChoices,
      includeUsage: body.stream_options?.include_usage === true,
      tokenBytes: (id) => mimo.tokenizer.tokenBytes(id),
    }),
  };
}

function choiceOf(mimo: Mimo, body: CompletionsBody, ids: readonly number[], options: GenerationOptions): Choice {
  const { logprobs, echo, max_tokens: maxTokens = DEFAULT_MAX_TOKENS } = body;
  return async function* (signal): AsyncGenerator<ServerEvent> {
    if (echo === true) yield await promptEvent(mimo, ids, logprobs, signal);
    if (maxTokens > 0) yield* mimo.complete({ ...options, prompt: ids, maxTokens, logprobs, signal });
    else yield promptAlone(ids);
  };
}

async function promptEvent(
  mimo: Mimo,
  ids: readonly number[],
  numTop: number | undefined,
  signal: AbortSignal,
): Promise<ServerEvent> {
  const { tokenizer } = mimo;
  const event = { type: "prompt", text: tokenizer.decode(ids) } as const;
  if (numTop === undefined) return { ...event, logprobs: undefined };
  const first = ids[0] as number;
  const logprobs: PromptLogprob[] = [{ token: first, text: tokenizer.decode([first]), logprob: null }];
  for await (const one of mimo.promptLogprobs(ids, numTop, { signal })) logprobs.push(one);
  return { ...event, logprobs };
}

/** The end of a choice that generates nothing. */
function promptAlone(ids: readonly number[]): ServerEvent {
  const stats = {
    promptTokens: ids.length,
    cachedTokens: 0,
    replayedTokens: 0,
    cacheMiss: undefined,
    decodeSteps: 0,
    accepted: [],
    drafts: [],
    queueMs: 0,
    prefillMs: 0,
    decodeMs: 0,
  };
  const usage = usageOf({ stats, completionTokens: 0, reasoningTokens: 0 });
  return { type: "done", finishReason: "length", usage, tokens: [], seed: 0 };
}
