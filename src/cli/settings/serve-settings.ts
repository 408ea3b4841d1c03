// The settings of `mimo serve`: the one place where each is named, explained, bounded and given its default.

import { ACTIVATIONS } from "../../ops/linear/quantise-activations.ts";
import { PACKINGS } from "../../model/packing.ts";
import { DEFAULT_SERVER_OPTIONS, LOG_FORMATS, LOG_LEVELS } from "../../server/options.ts";
import { KV_DTYPES } from "../../tensor/dtype.ts";
import { PROMPT_LANGUAGES } from "../../tokenizer/system-prompt.ts";
import { parseMemory } from "../options.ts";
import { choice, custom, decimal, integer, list, type SettingGroups, text, toggle } from "./setting.ts";

const DEFAULTS = DEFAULT_SERVER_OPTIONS;
const DAY = 86_400;

export const SERVE_SETTINGS = {
  Server: {
    model: text("Hugging Face folder or .gguf file; the same as the argument", {
      placeholder: "path",
      presetText: "the model that comes along",
      aliases: ["model-path"],
    }),
    host: text("where to listen; beyond loopback, API keys are needed", {
      placeholder: "address",
      preset: DEFAULTS.host,
    }),
    port: integer("0 takes a free one", [0, 65_535], { preset: DEFAULTS.port }),
    apiKeyFile: text("keys to ask for", {
      placeholder: "file",
      presetText: "those of `mimo keys`, once there are any",
    }),
    servedModelName: list("what clients call the model", { placeholder: "name", presetText: "its file's name" }),
    allowedHost: list("a further name in the Host header", { placeholder: "name", preset: DEFAULTS.allowedHosts }),
    allowedOrigin: list("web pages of this origin may call", {
      placeholder: "origin",
      preset: DEFAULTS.allowedOrigins,
    }),
    studio: text("the web studio's files", { placeholder: "folder", presetText: "those that come along" }),
    runs: text("runs of training to show", { placeholder: "folder", preset: "runs" }),
    strictFields: toggle("refuse fields that are not known, instead of ignoring them"),
    logLevel: choice("what goes to standard error", LOG_LEVELS, { placeholder: "level", preset: "info" }),
    logFormat: choice("one line for each request", LOG_FORMATS, {
      presetText: "pretty on a terminal, json elsewhere",
    }),
  },
  Load: {
    maxRunningRequests: integer("sequences at once", [1, 4096], { preset: DEFAULTS.maxRunning }),
    maxQueue: integer("sequences that may wait; more get 429", [0, 1_000_000], { preset: DEFAULTS.maxQueue }),
    maxQueueSeconds: decimal("longest wait before 429", [0, DAY], { preset: DEFAULTS.maxQueueMs / 1000 }),
    maxRequestsPerKey: integer("requests of one API key at once; more get 429", [1, 1_000_000], {
      preset: DEFAULTS.maxRequestsPerKey,
    }),
    queueSharePerKey: decimal("share of the queue that one API key may fill", [0, 1], {
      preset: DEFAULTS.queueSharePerKey,
    }),
    drainSeconds: decimal("time for running requests after Ctrl-C", [0, DAY], { preset: DEFAULTS.drainMs / 1000 }),
    contextLength: integer("tokens that all sequences may have together", [1, 2 ** 28], {
      placeholder: "tokens",
      presetText: "the model's context, at most 32768",
      aliases: ["context"],
    }),
    chunkedPrefillSize: integer("largest piece of a prompt in a step", [1, 2 ** 16], {
      placeholder: "rows",
      presetText: "512",
    }),
    speculativeNumSteps: integer("tokens to draft per step with the MTP heads; 0 drafts none", [0, 16], {
      presetText: "what is fastest",
    }),
  },
  Answers: {
    maxToolCalls: integer("calls in one answer; it ends with the last one; 0 is no limit", [0, 1_000_000], {
      preset: DEFAULTS.maxToolCalls,
    }),
    maxRepetition: integer(
      "tokens that may be one piece over and over; more end thinking, then the answer; 0 is no limit",
      [0, 1_000_000],
      { placeholder: "tokens", preset: DEFAULTS.maxRepetition },
    ),
    systemPrompt: choice("the recommended system prompt for conversations without one", PROMPT_LANGUAGES, {
      placeholder: "language",
      presetText: "the template's own",
    }),
  },
  Accounting: {
    usageFile: text("where tokens are counted, per API key and day", {
      placeholder: "file",
      presetText: "usage.json in the state folder",
    }),
    inputPrice: decimal("US dollars for a million prompt tokens", [0, 1e6], { preset: DEFAULTS.prices.input }),
    cachedInputPrice: decimal("the same, for prompt tokens that were cached", [0, 1e6], {
      preset: DEFAULTS.prices.cachedInput,
    }),
    outputPrice: decimal("US dollars for a million generated tokens", [0, 1e6], { preset: DEFAULTS.prices.output }),
  },
  Model: {
    backend: choice("what computes", ["cpu", "reference"], { presetText: "cpu where its addon is built" }),
    threads: integer("threads of the cpu backend", [1, 4096], { presetText: "the physical cores" }),
    kv: choice("element type of the KV cache", KV_DTYPES, { placeholder: "dtype", presetText: "f16" }),
    mtp: choice("what MTP heads after the first read", ["parallel", "chained"], {
      placeholder: "mode",
      presetText: "parallel",
    }),
    activations: choice("how activations meet quantised weights", ACTIVATIONS, {
      placeholder: "type",
      preset: "int16",
    }),
    packing: choice("weights to copy into the fastest layout", PACKINGS, {
      placeholder: "which",
      presetText: "what fits into memory",
    }),
    expertMemory: custom(
      "memory for the most used experts of a model that does not fit, such as 48G, or all",
      parseMemory,
      {
        placeholder: "size",
        presetText: "what is free",
      },
    ),
  },
} as const satisfies SettingGroups;
