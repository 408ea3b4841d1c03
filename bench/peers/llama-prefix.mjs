// What turn 11 of a conversation costs under llama.cpp, by the rule of its server: the cases of bench/prefix-reuse.ts, with
// prompts of the same lengths. The library has no server in it, so the rule is followed here, with one slot.
//
// As llama.cpp's server (tools/server/server-context.cpp, 2026) has it for prompts of token ids:
// - A prompt is compared with the slot's tokens; what both begin with is reused. At least one token is processed.
// - Sliding-window layers keep a window, so a sequence cannot be cut back beyond it. The tokens that are kept need the
//   window before them: where the earliest position held is not below `kept - window`, the newest checkpoint that begins
//   below it is restored, and where there is none, the whole prompt is processed again.
// - Checkpoints are copies of the sliding layers, taken before the last 4 + 512 and before the last 4 tokens of a prompt, if
//   the checkpoint before is `--checkpoint-step` tokens away (8192 is its default) and at most 32 in all.
// - Where a prompt keeps less than half of the slot's tokens, or less than a tenth of itself, the slot is saved in memory
//   first, and the saved conversation that fits better, if there is one, is put in its place.

import { readArguments, readCount } from "./arguments.mjs";
import { argmax, openModel } from "./llama.mjs";

const usage = "node llama-prefix.mjs MODEL.gguf [--tokens 8192] [--threads 2] [--checkpoint-step 8192] [--json]";
const options = readArguments(usage, { tokens: "8192", threads: "2", "checkpoint-step": "8192", json: false });
const [length, threads, checkpointStep] = ["tokens", "threads", "checkpoint-step"].map((name) =>
  readCount(name, options[name]),
);

const TURNS = 10;
const THOUGHTS = 48;
const ANSWER = 64;
const OTHERS = 20;
const BATCH = 512;
const MAX_CHECKPOINTS = 32;
/** Of a prompt's last tokens, those before which checkpoints are taken. */
const CHECKPOINT_OFFSETS = [4 + BATCH, 4];
const SLOT = 0;

const model = openModel(options.model, threads);
const context = model.createContext({ length: 2 * length, batch: BATCH, kv: "F16", flash: "auto" });
const slot = { tokens: [], checkpoints: [] };
const saved = [];

/** Ids of text number `seed`. */
function text(seed, count) {
  let state = seed;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * model.vocabularySize);
  });
}

function commonLength(a, b) {
  let count = 0;
  while (count < a.length && count < b.length && a[count] === b[count]) count++;
  return count;
}

/** Puts the saved conversation into the slot that fits a prompt best, where one fits better than what is there. */
function chooseConversation(prompt) {
  const common = commonLength(slot.tokens, prompt);
  if (common > 0.1 * prompt.length && common >= 0.5 * slot.tokens.length) return;
  if (slot.tokens.length > 0) saved.push({ ...slot, state: context.saveState(SLOT) });
  let best;
  let [kept, similar] = [common / Math.max(1, slot.tokens.length), common / prompt.length];
  for (const one of saved) {
    const shared = commonLength(one.tokens, prompt);
    const [oneKept, oneSimilar] = [shared / one.tokens.length, shared / prompt.length];
    if (oneKept < 0.25 || oneKept <= kept || oneSimilar <= similar) continue;
    [best, kept, similar] = [one, oneKept, oneSimilar];
  }
  if (best === undefined) return;
  saved.splice(saved.indexOf(best), 1);
  context.clear();
  context.restoreState(SLOT, best.state);
  [slot.tokens, slot.checkpoints] = [best.tokens, best.checkpoints];
}

/** How many tokens of a prompt need not be processed; the slot is cut back to them. */
function keepPrefix(prompt) {
  let kept = commonLength(slot.tokens, prompt);
  const threshold = Math.max(0, kept - model.window - (kept < prompt.length ? 0 : 1));
  if (kept > 0 && context.firstPosition(SLOT) >= threshold) {
    const checkpoint = slot.checkpoints.findLast(({ first }) => first < threshold || first === 0);
    if (checkpoint === undefined) kept = 0;
    else {
      context.restoreState(SLOT, checkpoint.state, true);
      kept = Math.min(kept, Math.max(checkpoint.first + 1, checkpoint.length - 1));
    }
  }
  slot.checkpoints = slot.checkpoints.filter((checkpoint) => checkpoint.length - 1 <= kept);
  if (kept === prompt.length) kept--;
  context.cut(SLOT, kept);
  slot.tokens = prompt.slice(0, kept);
  return kept;
}

function takeCheckpoint() {
  const first = context.firstPosition(SLOT);
  const last = slot.checkpoints.at(-1);
  const at = slot.tokens.length;
  if (model.window === 0 || first < 0 || (last !== undefined && at <= last.length + checkpointStep)) return;
  if (slot.checkpoints.length === MAX_CHECKPOINTS) slot.checkpoints.shift();
  slot.checkpoints.push({ first, length: at, state: context.saveState(SLOT, true) });
}

/** Processes what is not kept of a prompt. Gives the first token. */
function processPrompt(prompt) {
  const stops = CHECKPOINT_OFFSETS.map((offset) => prompt.length - offset);
  let rows = [];
  while (slot.tokens.length < prompt.length) {
    const start = slot.tokens.length;
    const stop = stops.find((position) => position > start && position < start + BATCH);
    const end = Math.min(prompt.length, stop ?? start + BATCH);
    // Before the batch, so that it holds what comes before.
    if (prompt.length - end < BATCH) takeCheckpoint();
    const ids = prompt.slice(start, end);
    rows = context.decode(
      ids.map((id, i) => ({ id, position: start + i, sequence: SLOT, logits: start + i === prompt.length - 1 })),
    );
    slot.tokens = prompt.slice(0, end);
  }
  return argmax(rows[0]);
}

function ask(prompt, numTokens) {
  const started = performance.now();
  chooseConversation(prompt);
  const kept = keepPrefix(prompt);
  const tokens = [processPrompt(prompt)];
  const firstMs = performance.now() - started;
  while (tokens.length < numTokens) {
    const id = tokens.at(-1);
    const [row] = context.decode([{ id, position: slot.tokens.length, sequence: SLOT, logits: true }]);
    slot.tokens.push(id);
    tokens.push(argmax(row));
  }
  return { tokens, firstMs, processed: prompt.length - kept };
}

const rows = [];
function report(name, prompt) {
  const { processed, firstMs } = ask(prompt, THOUGHTS + ANSWER);
  rows.push({ name, promptTokens: prompt.length, processed, firstMs });
}

const system = text(1, 512);
const user = (turn) => text(100 + turn, Math.round((length - system.length) / TURNS) - THOUGHTS - ANSWER);
const turns = [];
let history = system;
for (let turn = 0; turn < TURNS; turn++) {
  const prompt = [...history, ...user(turn)];
  const { tokens } = ask(prompt, THOUGHTS + ANSWER);
  turns.push({ prompt, answer: tokens });
  history = [...prompt, ...tokens];
}
const [last, fifth] = [turns.at(-1), turns[4]];
const message = text(7, 40);
report("(a) continued", [...history, ...message]);
report("(b) last answer regenerated", last.prompt);
report("(c) branched at turn 5", [...fifth.prompt, ...fifth.answer, ...text(8, 40)]);
report("(d) last turn's reasoning dropped", [...last.prompt, ...last.answer.slice(THOUGHTS), ...message]);
for (let other = 0; other < OTHERS; other++) ask([...system, ...text(200 + other, 400)], THOUGHTS + ANSWER);
report(`(e) resumed after ${OTHERS} others`, [...history, ...message, ...text(9, 40)]);
if (options.json) console.log(JSON.stringify(rows));
else
  for (const { name, promptTokens, processed, firstMs } of rows)
    console.log(
      `${name.padEnd(34)}${[promptTokens, processed].map((count) => String(count).padStart(9)).join(" ")} ${firstMs.toFixed(0).padStart(8)} ms`,
    );
