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
  readonly mimo?: Readonly<Record<string, unknown>>;
}

export type ModelState =
  | { readonly status: "loading" | "offline"; readonly model?: undefined }
  | { readonly status: "ready"; readonly model: ModelInfo };

const RETRY_MS = 2000;

export async function listModels(): Promise<readonly ModelInfo[]> {
  return (await requestJson<{ data: readonly ModelInfo[] }>("/v1/models")).data;
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
    return model === undefined ? { status: "offline" } : { status: "ready", model };
  } catch (error) {
    return { status: error instanceof ApiError && error.status === 503 ? "loading" : "offline" };
  }
}
