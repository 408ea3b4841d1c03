// GET /models and /models/{id}: the one model, under each of its names.

import type { Mimo } from "../../api/mimo.ts";
import { SAMPLING_PRESETS } from "../../tokenizer/system-prompt.ts";
import { modelName } from "../model.ts";
import type { Route, ServerRequest } from "../route.ts";

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
  const mimo = server.model();
  const { config, contextLength, numMtpHeads, backend } = mimo.info;
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
    mimo: architectureOf(mimo),
  };
}

/** What a look inside the model is drawn from. */
function architectureOf({ info, samplingDefaults }: Mimo): object {
  const { config, contextLength, numMtpHeads, cacheSizes, packing } = info;
  const { layers, experts, attention } = config;
  const { temperature = SAMPLING_PRESETS.general.temperature, topP = SAMPLING_PRESETS.general.topP } = samplingDefaults;
  return {
    context_length: contextLength,
    hidden_size: config.hiddenSize,
    layers: layers.map(({ attention: kind, feedForward }) => ({ attention: kind, feed_forward: feedForward })),
    sliding_window: attention.sliding.window,
    experts: { total: experts.numExperts, per_token: experts.numExpertsPerToken },
    mtp_heads: numMtpHeads,
    packing,
    kv: { global_bytes_per_token: cacheSizes.bytesPerToken, sliding_bytes_per_sequence: cacheSizes.bytesPerSequence },
    sampling: {
      temperature,
      top_p: topP,
      top_k: samplingDefaults.topK ?? 0,
      min_p: samplingDefaults.minP ?? 0,
      repetition_penalty: samplingDefaults.repetitionPenalty ?? 1,
    },
    sampling_with_tools: {
      temperature: samplingDefaults.temperature ?? SAMPLING_PRESETS.agent.temperature,
      top_p: topP,
    },
  };
}
