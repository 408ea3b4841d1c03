// Every kernel that only training runs, with its cases: what agrees with its reference, and gives the same bits everywhere.

import {
  attentionBackwardCases,
  kvWriteBackwardCases,
  rmsNormBackwardCases,
  ropeBackwardCases,
} from "./attention-gradient-cases.ts";
import { type Case, expertFp8Cases } from "./cases.ts";
import {
  expertsBackwardCases,
  expertsBackwardFp8Cases,
  linearBackwardInputCases,
  linearBackwardWeightCases,
} from "./product-gradient-cases.ts";
import {
  copyRowsBackwardCases,
  embeddingBackwardCases,
  routerBackwardCases,
  swigluBackwardCases,
} from "./row-gradient-cases.ts";
import {
  adamWCases,
  balanceLossCases,
  crossEntropyCases,
  fp8RoundCases,
  gradientNormCases,
  muonCases,
} from "./training-step-cases.ts";

export const TRAINING_GROUPS: readonly (readonly [name: string, cases: () => Case[]])[] = [
  ["linear_backward_input", linearBackwardInputCases],
  ["linear_backward_weight", linearBackwardWeightCases],
  ["experts, f32 with FP8 activations", expertFp8Cases],
  ["experts_backward", expertsBackwardCases],
  ["experts_backward in FP8", expertsBackwardFp8Cases],
  ["rms_norm_backward", rmsNormBackwardCases],
  ["rope_backward", ropeBackwardCases],
  ["kv_write_backward", kvWriteBackwardCases],
  ["attention_backward", attentionBackwardCases],
  ["embedding_backward", embeddingBackwardCases],
  ["copy_rows_backward", copyRowsBackwardCases],
  ["swiglu_backward", swigluBackwardCases],
  ["router_backward", routerBackwardCases],
  ["balance_loss", balanceLossCases],
  ["cross_entropy", crossEntropyCases],
  ["gradient_norm", gradientNormCases],
  ["adamw", adamWCases],
  ["muon", muonCases],
  ["fp8_round", fp8RoundCases],
];
