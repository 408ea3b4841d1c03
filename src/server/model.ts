// The model that a server serves: what it is called, and what every API asks of it.

import { randomBytes } from "node:crypto";
import type { Mimo } from "../api/mimo.ts";
import { MimoError } from "../util/errors.ts";
import type { ServerOptions } from "./options.ts";
import type { ReplyHeader } from "./render/renderer.ts";
import type { ServerContext } from "./route.ts";

/** Something like `chatcmpl-4f…`, which nobody guesses. */
export function freshId(prefix: string): string {
  return prefix + randomBytes(12).toString("hex");
}

/** What goes on every frame of a reply to a request for `model`. Throws `model_not_found`. */
export function replyHeader(
  server: Pick<ServerContext, "options">,
  model: string | undefined,
  prefix: string,
): ReplyHeader {
  return {
    id: freshId(prefix),
    created: Math.floor(Date.now() / 1000),
    model: modelName(server.options, model),
  };
}

/** The name that replies give; a request without one means the only model there is. Throws `model_not_found`. */
export function modelName({ modelNames }: Pick<ServerOptions, "modelNames">, model: string | undefined): string {
  const [own = ""] = modelNames;
  if (model === undefined || modelNames.includes(model)) return model ?? own;
  throw new MimoError(
    "model_not_found",
    `There is no model ${JSON.stringify(model.slice(0, 128))} here; use ${JSON.stringify(own)}.`,
    {
      param: "model",
    },
  );
}

/** Throws `context_length_exceeded` with both numbers; a prompt is never cut. */
export function checkPromptLength({ info }: Mimo, numTokens: number, param: string): void {
  if (numTokens < info.contextLength) return;
  throw new MimoError(
    "context_length_exceeded",
    `The prompt has ${numTokens} tokens; the context holds ${info.contextLength}, of which one must stay free for the answer.`,
    { param },
  );
}
