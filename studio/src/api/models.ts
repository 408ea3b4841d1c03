// What the server runs: its model and whether it is ready.

import { useEffect, useState } from "react";
import { ApiError, requestJson } from "./client.ts";

export interface ModelInfo {
  readonly id: string;
  readonly context_length: number;
  readonly meta: {
    readonly n_vocab: number;
    readonly n_embd: number;
    readonly n_layer: number;
    readonly n_ctx_train: number;
    readonly n_mtp_heads: number;
    readonly backend: string;
  };
  /** Of `GET /v1/models/{id}`. */
  readonly mimo?: ModelDetails;
}

/** What a picture of the model needs, and how it is best sampled. */
export interface ModelDetails {
  readonly context_length: number;
  readonly hidden_size: number;
  readonly layers: readonly {
    readonly attention: "global" | "sliding";
    readonly feed_forward: "dense" | "experts";
  }[];
  readonly sliding_window: number;
  readonly experts: { readonly total: number; readonly per_token: number };
  readonly mtp_heads: number;
  readonly kv: { readonly global_bytes_per_token: number; readonly sliding_bytes_per_sequence: number };
  readonly sampling: Sampling;
  readonly sampling_with_tools: Partial<Sampling>;
}

export interface Sampling {
  readonly temperature: number;
  readonly top_p: number;
  readonly top_k: number;
  readonly min_p: number;
  readonly repetition_penalty: number;
}

export function hasExperts(model: ModelInfo | undefined): boolean {
  return model?.mimo?.layers.some((layer) => layer.feed_forward === "experts") ?? false;
}

export type ModelState =
  | { readonly status: "loading" | "offline"; readonly model?: undefined }
  | { readonly status: "ready"; readonly model: ModelInfo };

const RETRY_MS = 2000;

let known: ModelInfo | undefined;

/** The server's model, as far as it has been asked for. */
export function knownModel(): ModelInfo | undefined {
  return known;
}

export async function listModels(): Promise<readonly ModelInfo[]> {
  return (await requestJson<{ data: readonly ModelInfo[] }>("/v1/models")).data;
}

const NONE: readonly ModelInfo[] = [];

/** All models of the server, under all their names; none until one is ready. */
export function useModels(): readonly ModelInfo[] {
  const { status } = useModel();
  const [models, setModels] = useState(NONE);
  useEffect(() => {
    if (status === "ready") void listModels().then(setModels, () => setModels(NONE));
  }, [status]);
  return models;
}

export function describeModel(id: string): Promise<ModelInfo> {
  return requestJson<ModelInfo>(`/v1/models/${encodeURIComponent(id)}`);
}

/** The first model of the server; asks again until there is one. */
export function useModel(): ModelState {
  const [state, setState] = useState<ModelState>({ status: "loading" });
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isGone = false;
    const ask = async (): Promise<void> => {
      const next = await modelState();
      if (isGone) return;
      setState(next);
      if (next.status !== "ready") timer = setTimeout(() => void ask(), RETRY_MS);
    };
    void ask();
    return () => {
      isGone = true;
      clearTimeout(timer);
    };
  }, []);
  return state;
}

async function modelState(): Promise<ModelState> {
  try {
    const [model] = await listModels();
    if (model === undefined) return { status: "offline" };
    known = await describeModel(model.id);
    return { status: "ready", model: known };
  } catch (error) {
    return { status: error instanceof ApiError && error.status === 503 ? "loading" : "offline" };
  }
}
