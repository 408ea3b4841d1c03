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
  /** What further the server tells of a model of this architecture. */
  readonly mimo?: Architecture;
}

export interface Architecture {
  readonly layers: readonly { readonly attention: "global" | "sliding"; readonly feed_forward: "dense" | "experts" }[];
  readonly sliding_window: number;
  readonly experts: { readonly total: number; readonly per_token: number };
  readonly mtp_heads: number;
  readonly kv: { readonly global_bytes_per_token: number; readonly sliding_bytes_per_sequence: number };
  /** What it samples with where a request has tools and does not say. */
  readonly sampling_with_tools: { readonly temperature: number };
  readonly [further: string]: unknown;
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
    known = model;
    return model === undefined ? { status: "offline" } : { status: "ready", model };
  } catch (error) {
    return { status: error instanceof ApiError && error.status === 503 ? "loading" : "offline" };
  }
}
