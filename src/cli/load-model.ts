// Loads a model for a command: progress and warnings go where people read them.

import { load, type LoadOptions } from "../api/load.ts";
import type { Mimo } from "../api/mimo.ts";
import { formatBytes } from "./format.ts";
import type { Output } from "./output.ts";
import { Progress } from "./progress.ts";

export function packingProgress(messages: Output): Progress {
  return new Progress(messages, { label: "packing weights", format: formatBytes });
}

export async function loadModel(messages: Output, path: string, options: LoadOptions): Promise<Mimo> {
  const progress = packingProgress(messages);
  try {
    return await load(path, {
      ...options,
      onWarning: (warning) => messages.line(`${messages.style.yellow("warning:")} ${messages.untrusted(warning)}`),
      onProgress: (done, total) => progress.update(done, total),
    });
  } finally {
    progress.clear();
  }
}
