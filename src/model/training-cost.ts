// What one token of training computes, counted from the configuration: every product of the forward pass, and the two
// of each that its gradients are. No speeds, no devices, nothing measured.
//
// Counted is what the model needs, not what kernels do: scores and gates that a backward pass computes again count once.
// Norms, rotations, softmax and the optimizer are left out; beside the products they are few.

import type { AttentionKind, ModelConfig } from "./config.ts";
import { listParameters, parameterSize } from "./parameters.ts";

export interface TrainingShape {
  readonly numMtpHeads: number;
  /** Tokens of a document: what attention's share depends on. */
  readonly length: number;
}

/** The product itself, and the gradients of its input and of its weight: each as many operations. */
const PASSES = 3;

/** Multiplications and additions per token. The LM head counts once for the trunk and once for each MTP head. */
export function trainingOperations(config: ModelConfig, { numMtpHeads, length }: TrainingShape): number {
  const { numExperts, numExpertsPerToken } = config.experts;
  let products = 0;
  for (const parameter of listParameters(config, numMtpHeads)) {
    if (parameter.shape.length < 2) continue;
    const isLmHead = parameter.role === (config.tieWordEmbeddings ? "embedding" : "lmHead");
    // Looked up, not multiplied.
    if (parameter.role === "embedding" && !isLmHead) continue;
    const uses = isLmHead ? 1 + numMtpHeads : parameter.isExperts ? numExpertsPerToken / numExperts : 1;
    products += uses * parameterSize(parameter);
  }
  const kinds = [...config.layers.map(({ attention }) => attention), ...Array<"sliding">(numMtpHeads).fill("sliding")];
  for (const kind of kinds) products += attentionProducts(config, kind, length);
  return PASSES * 2 * products;
}

/** Of queries with keys and of probabilities with values, for the mean row of a document. */
function attentionProducts(config: ModelConfig, kind: AttentionKind, length: number): number {
  const { numHeads, headDim, valueDim, window } = config.attention[kind];
  const seen = window === 0 ? length : Math.min(window, length);
  // Rows see one key more each until the window is full.
  const rowKeys = (seen * (seen + 1)) / 2 + (length - seen) * seen;
  return numHeads * (headDim + valueDim) * (rowKeys / length);
}
