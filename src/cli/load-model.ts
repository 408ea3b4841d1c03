// Loads a model as every command does: warnings are shown, and progress where loading takes long.

import { load, type LoadOptions } from "../api/load.ts";
import type { Mimo } from "../api/mimo.ts";
import { formatBytes } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

export async function loadModel(messages: Output, path: string, options: LoadOptions): Promise<Mimo> {
  using loading = showLoading(messages);
  return await load(path, { ...options, onProgress: loading.onProgress, onWarning: loading.onWarning });
}

export interface LoadingView extends Disposable {
  readonly onProgress: (done: number, total: number) => void;
  readonly onWarning: (warning: string) => void;
}

export function showLoading(messages: Output): LoadingView {
  const progress = new Progress(messages, { label: "loaded", format: formatBytes });
  return {
    onProgress: (done, total) => progress.update(done, total),
    onWarning: (warning) => {
      progress.clear();
      messages.line(`${messages.style.yellow("warning:")} ${messages.untrusted(warning)}`);
    },
    [Symbol.dispose]: () => progress.clear(),
  };
}
