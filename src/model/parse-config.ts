// The configuration of a checkpoint of either format.

import { join } from "node:path";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { parseGgufConfig } from "./config-gguf.ts";
import { parseHuggingFaceConfig } from "./config-huggingface.ts";
import type { ParsedConfig } from "./config.ts";

/** Throws `checkpoint_invalid` naming file and field, or `checkpoint_unsupported` for another architecture. */
export function parseConfig(checkpoint: Checkpoint): ParsedConfig {
  if (checkpoint.format === "gguf") return parseGgufConfig(checkpoint.metadata, checkpoint.tensors, checkpoint.path);
  return parseHuggingFaceConfig(checkpoint.config, join(checkpoint.path, "config.json"));
}
