// `mimo logits`: raw float32 logits of every position, to compare implementations with.

import { Command } from "commander";
import type { Mimo } from "../../api/mimo.ts";
import { writeFiles } from "../../checkpoint/output-file.ts";
import { formatShape } from "../../tensor/shape.ts";
import type { Cli } from "../cli.ts";
import { readIdsFile } from "../files.ts";
import { watchInterrupt } from "../interrupt.ts";
import { loadModel } from "../load-model.ts";
import {
  activationsOption,
  backendOption,
  examples,
  kvOption,
  type ModelFlags,
  mtpModeOption,
  parseInteger,
  threadsOption,
  toLoadOptions,
} from "../options.ts";

interface LogitsFlags extends Omit<ModelFlags, "mtp"> {
  readonly ids: string;
  readonly out: string;
  readonly mtp?: number;
  readonly mtpMode?: NonNullable<ModelFlags["mtp"]>;
  readonly json?: boolean;
}

export function logitsCommand(cli: Cli): Command {
  const kv = kvOption().default("f32");
  kv.description = "element type of the KV cache";
  return new Command("logits")
    .description("Compute the logits of every position of a text and write them as a file of float32 numbers.")
    .argument("<model>", "a Hugging Face folder or a .gguf file")
    .requiredOption("--ids <file.json>", "token ids: an array, or an object with input_ids")
    .requiredOption("--out <file>", "where the rows go, one per position, little-endian")
    .option(
      "--mtp <head>",
      "rows of this MTP head, from 0, instead of the trunk's: row t reads token t + head + 1",
      parseInteger,
    )
    .addOption(mtpModeOption("--mtp-mode"))
    .addOption(backendOption())
    .addOption(threadsOption())
    .addOption(activationsOption("f32"))
    .addOption(kv)
    .option("--json", "print the shape as JSON")
    .action((model: string, flags: LogitsFlags) => logits(cli, model, flags))
    .addHelpText(
      "after",
      examples(
        [
          "mimo logits model.gguf --ids ids.json --out logits.f32",
          "numpy.fromfile('logits.f32', '<f4').reshape(-1, vocabulary)",
        ],
        [
          "mimo logits model --ids ids.json --out head0.f32 --mtp 0 --backend reference",
          "An MTP head's, computed by the exact, slow backend.",
        ],
      ),
    );
}

async function logits(cli: Cli, path: string, flags: LogitsFlags): Promise<void> {
  const { output, messages } = cli;
  const ids = await readIdsFile(flags.ids, cli);
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  await using mimo = await loadModel(messages, path, {
    ...toLoadOptions({ ...flags, mtp: flags.mtpMode }),
    contextLength: ids.length,
    maxSequences: 1,
    signal,
  });
  const columns = mimo.info.config.vocabSize;
  const counter = { values: 0 };
  await writeFiles(
    [{ path: flags.out, chunks: () => rowBytes(mimo, ids, { mtpHead: flags.mtp, signal }, counter) }],
    signal,
  );
  const shape = [counter.values / columns, columns];
  if (flags.json === true) output.json({ out: flags.out, dtype: "f32", shape });
  else output.line(`Wrote ${flags.out}: float32 ${formatShape(shape)}.`);
}

/** Every platform that runs this is little-endian, as the file is. */
async function* rowBytes(
  mimo: Mimo,
  ids: readonly number[],
  { mtpHead, signal }: { readonly mtpHead: number | undefined; readonly signal: AbortSignal },
  counter: { values: number },
): AsyncGenerator<Uint8Array> {
  for await (const { values } of mimo.logitRows(ids, { signal, ...(mtpHead === undefined ? {} : { mtpHead }) })) {
    counter.values += values.length;
    yield new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  }
}
