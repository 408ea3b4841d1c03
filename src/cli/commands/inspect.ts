// `mimo inspect`: what a checkpoint holds and what it will need, from its headers.

import { Command } from "commander";
import { openCheckpoint } from "../../checkpoint/checkpoint.ts";
import type { TensorInfo } from "../../checkpoint/tensor-info.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Cli } from "../cli.ts";
import { formatBytes, formatContext, formatCount, formatFields, formatTable, plural, significant } from "../format.ts";
import { drawLayers, inspectCheckpoint, type Inspection } from "../inspection.ts";
import { examples } from "../options.ts";

interface InspectFlags {
  readonly tensors?: boolean;
  readonly json?: boolean;
}

export function inspectCommand(cli: Cli): Command {
  return new Command("inspect")
    .description("Show what a checkpoint holds and how much memory it needs; reads headers only.")
    .argument("<path>", "a Hugging Face folder or a .gguf file")
    .option("--tensors", "list every tensor")
    .option("--json", "print JSON")
    .action((path: string, flags: InspectFlags) => inspect(cli, path, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo inspect MiMo-V2-Flash-Q4_K_M-00001-of-00005.gguf", "Any shard of a split set stands for all of it."],
        ["mimo inspect ~/models/MiMo-V2-Flash --tensors | less", "Names, types and shapes of all tensors."],
        ["mimo inspect ~/models/MiMo-V2-Flash --json | jq .parameters", "The same for programs."],
      ),
    );
}

function inspect({ output }: Cli, path: string, flags: InspectFlags): void {
  using checkpoint = openCheckpoint(path);
  const inspection = inspectCheckpoint(checkpoint);
  const tensors = flags.tensors === true ? [...checkpoint.tensors.values()] : [];
  if (flags.json === true) {
    output.json({
      ...inspection,
      ...(flags.tensors === true
        ? { tensors: tensors.map(({ name, dtype, shape, byteLength }) => ({ name, dtype, shape, byteLength })) }
        : {}),
    });
    return;
  }
  const { bold, dim, yellow } = output.style;
  const section = (title: string, lines: readonly string[]): void => {
    if (lines.length > 0) output.line(`\n${bold(title)}\n${output.untrusted(lines.join("\n"))}`);
  };
  output.line(bold(output.untrusted(inspection.path)));
  output.line(output.untrusted(formatFields(describeModel(inspection)).join("\n")));
  section("Weights", formatTable(weightRows(inspection)));
  section("KV cache of one sequence", formatTable(kvRows(inspection)));
  output.line(dim(kvRatios(inspection)));
  section("Tensors", formatTable(tensors.map(tensorRow)));
  for (const warning of inspection.warnings) output.line(`\n${yellow("warning:")} ${output.untrusted(warning)}`);
}

function describeModel(inspection: Inspection): (readonly [string, string])[] {
  const { config, parameters, bytes, numMtpHeads } = inspection;
  const { layers, attention, experts } = config;
  const picture = drawLayers(layers);
  const count = (matches: (layer: (typeof layers)[number]) => boolean): number => layers.filter(matches).length;
  const numExpertLayers = count((layer) => layer.feedForward === "experts");
  return [
    ["architecture", `${inspection.architecture} (${inspection.format}, ${plural(inspection.numTensors, "tensor")})`],
    [
      "parameters",
      `${formatCount(parameters.trunk)}, of which ${formatCount(parameters.activePerToken)} are active per token`,
    ],
    ["MTP heads", numMtpHeads === 0 ? "none" : `${numMtpHeads}, ${formatCount(parameters.mtp)} parameters`],
    ["size", `${formatBytes(bytes.total)}; one token reads ${formatBytes(bytes.activePerToken)}`],
    ["width", `hidden ${config.hiddenSize}, dense ${config.intermediateSize}, vocabulary ${config.vocabSize}`],
    [
      "layers",
      `${layers.length}: ${count((layer) => layer.attention === "global")} global (G), ${count((layer) => layer.attention === "sliding")} sliding (s, window ${attention.sliding.window}); ${layers.length - numExpertLayers} dense (D), ${numExpertLayers} with experts (e)`,
    ],
    ["", picture.attention],
    ["", picture.feedForward],
    ["attention", describeAttention(config.attention)],
    ["experts", `${experts.numExperts}, ${experts.numExpertsPerToken} per token, width ${experts.intermediateSize}`],
    ["context", `${formatContext(config.contextLength)} tokens`],
    ["tokenizer", describeTokenizer(inspection)],
  ];
}

function describeAttention({ global, sliding }: Inspection["config"]["attention"]): string {
  const heads =
    global.numKvHeads === sliding.numKvHeads
      ? `${global.numKvHeads}`
      : `${global.numKvHeads} (G) or ${sliding.numKvHeads} (s)`;
  const sinks = sliding.hasSinks ? ", sinks in s" : "";
  return `${global.numHeads} query heads, ${heads} KV heads, keys ${global.headDim}, values ${global.valueDim}${sinks}`;
}

function describeTokenizer({ tokenizer }: Inspection): string {
  if (tokenizer === null) return "none";
  const ends = tokenizer.endTokens.map(({ id, text }) => `${text} (${id})`).join(", ");
  const template =
    tokenizer.chatTemplate === "checkpoint" ? "the checkpoint's chat template" : "MiMo's own chat template";
  return `${tokenizer.numTokens} tokens; an answer ends at ${ends}; ${template}`;
}

function weightRows({ dtypes }: Inspection): string[][] {
  return [
    ["type", "tensors", "elements", "bytes"],
    ...dtypes.map((entry) => [
      entry.dtype,
      String(entry.numTensors),
      formatCount(entry.numElements),
      formatBytes(entry.byteLength),
    ]),
  ];
}

function kvRows({ kvCache }: Inspection): string[][] {
  const contexts = kvCache[0]?.contexts ?? [];
  return [
    ["type", "per token", "fixed", ...contexts.map(({ tokens }) => `at ${formatContext(tokens)}`)],
    ...kvCache.map((sizes) => [
      sizes.dtype,
      formatBytes(sizes.bytesPerToken),
      formatBytes(sizes.bytesPerSequence),
      ...sizes.contexts.map(({ bytes }) => formatBytes(bytes)),
    ]),
  ];
}

function kvRatios({ kvCache }: Inspection): string {
  const last = kvCache[0]?.contexts.at(-1);
  if (last === undefined) return "";
  return `At ${formatContext(last.tokens)}, sliding layers kept at full length would take ${significant(last.timesFullLength)} times as much, only global layers ${significant(last.timesAllGlobal)} times.`;
}

function tensorRow({ name, dtype, shape, byteLength }: TensorInfo): string[] {
  return [name, dtype, formatShape(shape), formatBytes(byteLength)];
}
