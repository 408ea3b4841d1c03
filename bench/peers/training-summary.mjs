// What is said of rounds of training on both sides: medians, their ratio, and a sentence for people.

import { median } from "./speed-table.mjs";

const round = (value) => Number(value.toPrecision(4));
const PHASES = ["step", "forward", "backward", "update"];

/** Medians of rounds `{ mimo, torch }`, each what `mimo bench train --json` and torch-train.py print. */
export function summariseTraining(rounds) {
  const of = (side, read) => round(median(rounds.map((one) => read(one[side]))));
  // One number on mimo's side is a median of steps with its spread.
  const speeds = rounds.map(({ mimo, torch }) => ({
    mimo: mimo.tokensPerSecond.median,
    torch: torch.tokensPerSecond,
  }));
  const mimo = round(median(speeds.map((one) => one.mimo)));
  const torch = round(median(speeds.map((one) => one.torch)));
  const ratios = speeds.map((one) => one.mimo / one.torch);
  const phases = (side, read) =>
    Object.fromEntries(PHASES.map((phase) => [phase, of(side, (one) => read(one, phase))]));
  // PyTorch's forward pass ends with the losses; our LM head's gradients, taken with the losses, stay with them.
  const ours = ({ milliseconds }, phase) => milliseconds[phase] + (phase === "forward" ? milliseconds.losses : 0);
  return {
    tokensPerSecond: { mimo, torch, ratio: round(mimo / torch) },
    /** Of single rounds, the least and the most. */
    ratios: { min: round(Math.min(...ratios)), max: round(Math.max(...ratios)) },
    milliseconds: { mimo: phases("mimo", ours), torch: phases("torch", (one, phase) => one.milliseconds[phase]) },
    operationsPerToken: rounds[0].mimo.arithmetic.operationsPerToken,
    operationsPerSecond: {
      mimo: of("mimo", ({ arithmetic }) => arithmetic.operationsPerSecond),
      fastestProduct: of("mimo", ({ machine }) => machine.operationsPerSecond),
    },
    memory: rounds[0].mimo.memory,
    speeds,
  };
}

export function trainingSentence({ preset, settings, results }) {
  const { mimo, torch, ratio } = results.tokensPerSecond;
  const { batch, length, mtpHeads, threads } = settings;
  return `${preset}, ${batch} × ${length} tokens, MTP heads: ${mtpHeads}, threads: ${threads}: ${mimo} tokens/s, PyTorch ${torch}: ${ratio} times as fast (${results.ratios.min}–${results.ratios.max}).`;
}
