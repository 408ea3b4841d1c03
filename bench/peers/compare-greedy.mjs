// Continues the prompts of held-out tasks greedily with mimo, llama.cpp and transformers: do all of them say the same?
//
//   npm run bench:parity -- [MODEL] [options]      see USAGE
//
// The same weights in float32 everywhere: mimo and transformers read the Hugging Face folder, llama.cpp what `mimo convert`
// makes of it. mimo drafts, the others do not.

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { basename, join, relative } from "node:path";
import { createSuites } from "../../src/eval/suites.ts";
import { load } from "../../src/index.ts";
import { describeMachine, markdownTable, readCommit, ROOT, writeResults } from "../report.mjs";
import { execute, readCommand, run } from "./comparison.mjs";

const USAGE = `usage: npm run bench:parity -- [MODEL] [options]
  MODEL             a Hugging Face folder; default models/nano
  --tasks N         prompts of each suite of \`mimo eval\`; default 2
  --tokens N        most tokens to compare of an answer; default 64
  --lengths LIST    of needles' prompts, in tokens; default 512,2048
  --threads N       of each; default: the cores
  --python PATH     a Python with PyTorch and transformers; default python3
  --without LIST    leaves out llama.cpp, transformers
  --out FILE        default bench/results/parity-NAME.json, by the folder's name`;

const { options, positionals, readCount } = readCommand(
  USAGE,
  {
    tasks: "2",
    tokens: "64",
    lengths: "512,2048",
    threads: String(availableParallelism()),
    python: "python3",
    without: "",
    out: undefined,
  },
  { allowPositionals: true },
);
const [model = join(ROOT, "models/nano")] = positionals;
const out = options.out ?? join(ROOT, `bench/results/parity-${basename(model)}.json`);
const [numTasks, maxTokens, threads] = ["tasks", "tokens", "threads"].map((name) => readCount(name));
const peers = { "llama.cpp": answersOfLlama, transformers: answersOfTransformers };
const left = options.without.split(",").filter(Boolean);
const unknown = left.find((name) => !(name in peers));
if (unknown !== undefined)
  throw new Error(`--without: expected some of ${Object.keys(peers).join(", ")}, found ${unknown}.`);
const commit = readCommit();
const folder = mkdtempSync(join(tmpdir(), "mimo-parity-"));
// However it ends: a program that fails ends this one, too.
process.on("exit", () => rmSync(folder, { recursive: true }));
const answers = await answersOfMimo();
const results = Object.entries(peers).flatMap(([peer, continuePrompts]) => {
  if (left.includes(peer)) return [];
  console.error(`${peer} …`);
  return [compare(peer, continuePrompts())];
});
report();

/** Prompts with what follows them, by suite. */
async function answersOfMimo() {
  console.error("mimo …");
  const mimo = await load(model, { threads, kvDType: "f32" });
  const countTokens = (text) => mimo.tokenizer.encode(text).length;
  const answers = [];
  for (const suite of createSuites({ lengths: options.lengths.split(",").map(Number), countTokens })) {
    const tasks = suite.tasks(1);
    for (let i = 0; i < numTasks; i++) {
      const { sample, task } = tasks.next().value;
      const chat = { messages: task.prompt, tools: sample.tools, thinking: sample.thinking };
      const { tokens } = await mimo.generate({ ...chat, temperature: 0, maxTokens });
      answers.push({ suite: suite.name, prompt: [...mimo.encodeChat(chat).ids], tokens: [...tokens] });
    }
  }
  await mimo.close();
  return answers;
}

function answersOfLlama() {
  const [file, ids] = [join(folder, "model.gguf"), join(folder, "ids.json")];
  run("bin/mimo.mjs", ["convert", model, file, "--type", "f32"]);
  return answers.map(({ prompt, tokens }) => {
    writeFileSync(ids, JSON.stringify(prompt));
    const args = [file, "--ids", ids, "--count", String(tokens.length), "--threads", String(threads)];
    return JSON.parse(run("bench/peers/llama-greedy.mjs", args)).ids;
  });
}

function answersOfTransformers() {
  const ids = join(folder, "prompts.json");
  writeFileSync(ids, JSON.stringify(answers.map(({ prompt }) => prompt)));
  const script = join(ROOT, "bench/peers/transformers-greedy.py");
  const args = [script, model, "--ids", ids, "--count", String(maxTokens), "--threads", String(threads)];
  const remedy = "\nIs it there? `pip install torch transformers`, or name another Python with --python.";
  return JSON.parse(execute(options.python, args, remedy)).ids;
}

function compare(peer, theirs) {
  const partings = answers.flatMap(({ suite, prompt, tokens }, i) => {
    const at = tokens.findIndex((token, t) => token !== theirs[i][t]);
    return at < 0 ? [] : [{ suite, promptTokens: prompt.length, at }];
  });
  return { peer, prompts: answers.length, same: answers.length - partings.length, partings };
}

function report() {
  const longest = Math.max(...answers.map(({ prompt }) => prompt.length));
  const tokens = answers.reduce((sum, answer) => sum + answer.tokens.length, 0);
  const date = new Date().toISOString().slice(0, 10);
  writeResults(out, {
    date,
    commit,
    machine: describeMachine(),
    model: relative(ROOT, model),
    longestPrompt: longest,
    comparedTokens: tokens,
    results,
  });
  console.log(`${tokens} greedy tokens after ${answers.length} prompts of up to ${longest} tokens.\n`);
  console.log(
    markdownTable(
      ["peer", "the same answer", "parts at token"],
      results.map(({ peer, prompts, same, partings }) => [
        peer,
        `${same} of ${prompts}`,
        partings.map(({ suite, at }) => `${at} (${suite})`).join(", ") || "–",
      ]),
    ),
  );
  console.error(`\nWrote ${relative(process.cwd(), out)}.`);
}
