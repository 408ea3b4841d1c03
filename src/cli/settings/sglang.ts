// Flags of SGLang's launch command for this model that mean something else here, or nothing: a command line that works
// there either works here, with a sentence about each, or says what to write instead.
//
// Flags of the same meaning are settings of ours under the same name. What is not in any list stays an error.

import { type Command, Option } from "commander";
import { MimoError } from "../../util/errors.ts";

interface ForeignFlag {
  /** Whether a value follows. */
  readonly takesValue: boolean;
  /** Values that ask for nothing else than what is done anyway; undefined for any. */
  readonly accepted?: readonly string[];
  /** What it means here. */
  readonly sentence: string;
  /** Where leaving it out would not be what was asked for. */
  readonly isRefused?: boolean;
}

const ONE_PROCESS = "one process uses the whole machine here; --threads says how many cores.";
const ALWAYS_ON = "this is always on here.";

const FOREIGN_FLAGS: Readonly<Record<string, ForeignFlag>> = {
  "tp-size": { takesValue: true, sentence: ONE_PROCESS },
  "dp-size": { takesValue: true, sentence: ONE_PROCESS },
  "pp-size": { takesValue: true, sentence: ONE_PROCESS },
  "ep-size": { takesValue: true, sentence: ONE_PROCESS },
  nnodes: { takesValue: true, accepted: ["1"], sentence: "one machine serves one model here.", isRefused: true },
  "enable-dp-attention": { takesValue: false, sentence: ONE_PROCESS },
  "enable-dp-lm-head": { takesValue: false, sentence: ONE_PROCESS },
  "moe-a2a-backend": { takesValue: true, sentence: ONE_PROCESS },
  "moe-dense-tp-size": { takesValue: true, sentence: ONE_PROCESS },
  "trust-remote-code": { takesValue: false, sentence: "nothing in a checkpoint is ever executed here." },
  "mem-fraction-static": {
    takesValue: true,
    sentence: "memory follows --context-length, --packing and --expert-memory; `mimo plan` counts it.",
  },
  "page-size": { takesValue: true, sentence: "blocks of the KV cache have one size here, 64 tokens." },
  "attention-backend": { takesValue: true, sentence: "there is one attention kernel for each backend; see --backend." },
  "reasoning-parser": {
    takesValue: true,
    // The model's own command line names qwen3, whose markers are the same.
    accepted: ["mimo", "qwen3"],
    sentence: "reasoning has this model's own markers: give mimo, or leave it out.",
    isRefused: true,
  },
  "tool-call-parser": {
    takesValue: true,
    accepted: ["mimo"],
    sentence: "calls have this model's own format: give mimo, or leave it out.",
    isRefused: true,
  },
  "speculative-algorithm": {
    takesValue: true,
    accepted: ["EAGLE", "NEXTN", "MTP"],
    sentence: "the model's own MTP heads draft: leave it out, or turn drafting off with --speculative-num-steps 0.",
    isRefused: true,
  },
  "speculative-eagle-topk": {
    takesValue: true,
    accepted: ["1"],
    sentence: "drafts are chains, not trees: give 1, or leave it out.",
    isRefused: true,
  },
  "speculative-num-draft-tokens": {
    takesValue: true,
    sentence: "a step verifies one token more than --speculative-num-steps.",
  },
  "enable-mtp": { takesValue: false, sentence: "the model's own MTP heads draft wherever that is faster." },
  "enable-multi-layer-eagle": { takesValue: false, sentence: ALWAYS_ON },
  "enable-metrics": { takesValue: false, sentence: ALWAYS_ON },
  "enable-cache-report": { takesValue: false, sentence: ALWAYS_ON },
  "enable-request-time-stats-logging": { takesValue: false, sentence: ALWAYS_ON },
  "grammar-backend": { takesValue: true, sentence: "there is one way to constrain output here." },
  "kv-cache-dtype": {
    takesValue: true,
    accepted: ["auto"],
    sentence: "give --kv f16, bf16, f32 or q8_0.",
    isRefused: true,
  },
  device: {
    takesValue: true,
    accepted: ["cpu"],
    sentence: "give --backend; this version computes on processors.",
    isRefused: true,
  },
  quantization: {
    takesValue: true,
    sentence: "weights are used as their file has them; `mimo convert IN OUT --type q4_k` makes another.",
    isRefused: true,
  },
  "api-key": {
    takesValue: true,
    sentence: "other users of the machine can read a command line: make a key with `mimo keys create NAME`.",
    isRefused: true,
  },
};

export function addForeignOptions(command: Command): Command {
  for (const [name, { takesValue }] of Object.entries(FOREIGN_FLAGS))
    command.addOption(new Option(takesValue ? `--${name} <value>` : `--${name}`).hideHelp());
  return command;
}

/** Sentences about flags that change nothing. Throws `not_supported` for those that would have to. */
export function foreignNotes(command: Command): readonly string[] {
  return Object.entries(FOREIGN_FLAGS).flatMap(([name, { accepted, sentence, isRefused }]) => {
    const value: unknown = command.getOptionValue(name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase()));
    if (value === undefined || (typeof value === "string" && accepted?.includes(value) === true)) return [];
    if (isRefused !== true) return [`--${name} changes nothing: ${sentence}`];
    // What was given may be a secret.
    const found = accepted === undefined ? "" : ` ${JSON.stringify(value)}`;
    throw new MimoError("not_supported", `--${name}${found} is not for this server.`, {
      param: name,
      remedy: `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}`,
    });
  });
}
