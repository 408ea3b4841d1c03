// GET /models and /models/{id}: the one model, under each of its names.

import type { Route, ServerRequest } from "../route.ts";
import { modelName } from "../model.ts";

export const modelRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/models",
    scope: "inference",
    summary: "The models that are served.",
    handle: (request) =>
      Response.json({ object: "list", data: request.server.options.modelNames.map((id) => describe(request, id)) }),
  },
  {
    method: "GET",
    path: "/models/:id",
    scope: "inference",
    summary: "One model.",
    handle: (request) => Response.json(describe(request, modelName(request.server.options, request.params["id"]))),
  },
];

function describe({ server }: ServerRequest, id: string): object {
  const { config, contextLength, numMtpHeads, backend } = server.model().info;
  return {
    id,
    object: "model",
    created: server.startedAt,
    owned_by: "mimo-flash",
    context_length: contextLength,
    max_model_len: contextLength,
    meta: {
      n_vocab: config.vocabSize,
      n_embd: config.hiddenSize,
      n_layer: config.layers.length,
      n_ctx_train: config.contextLength,
      n_mtp_heads: numMtpHeads,
      backend,
    },
  };
}
