// The experts that were chosen for the tokens of a sequence, for those who train on what was sampled (routing replay).
//
// After a step, the rows that were committed go from the model to the log of each sequence that asks, and from there to
// its output; rows of drafts that failed do not. Where nobody asks, nothing is brought to the host.

import { expertIds, type ExpertIds, RouteLog } from "../cache/route-log.ts";
import { expertLayers, type ModelConfig } from "../model/config.ts";
import { MimoError } from "../util/errors.ts";
import type { ModelRunner } from "./model-runner.ts";
import type { PlannedRows } from "./scheduler.ts";
import type { SequenceOutput } from "./sequence.ts";

/** The experts of T tokens in L layers, K in each. */
export interface RoutedExperts {
  /** [T, L, K], of each K in the router's order, the first choice first; 16 bits each for more than 256 experts. */
  readonly ids: ExpertIds;
  /** T: the prompt and the output but its last token, which was sampled and never was an input. */
  readonly numTokens: number;
  /** Indices of the L layers that choose experts, among all layers of the model. */
  readonly layers: readonly number[];
}

/** Throws `invalid_argument` where the model has no experts. */
export function createRouteLog(config: ModelConfig): RouteLog {
  const width = routeWidth(config);
  if (width > 0) return new RouteLog(width, config.experts.numExperts);
  throw new MimoError("invalid_argument", "No layer of this model chooses experts, so none can be reported.", {
    param: "routedExperts",
    remedy: "Leave routedExperts out.",
  });
}

/** The outputs of a step with the routes that are new in each, where they are asked for. */
export function reportRoutes(
  runner: ModelRunner,
  planned: readonly PlannedRows[],
  outputs: SequenceOutput[],
): SequenceOutput[] {
  if (planned.every(({ sequence }) => sequence.routes === undefined)) return outputs;
  const numRows = planned.reduce((sum, { tokens }) => sum + tokens.length, 0);
  const routed = runner.model.routedExperts(numRows);
  let end = 0;
  return planned.map(({ sequence, position, tokens }, i) => {
    const first = end;
    end += tokens.length;
    const output = outputs[i]!;
    if (sequence.routes === undefined) return output;
    const count = runner.cache.length(sequence.cacheId!) - position;
    sequence.routes.append(position, rowsOf(routed, numRows, { first, count }, runner.model.config));
    return { ...output, routes: sequence.routes.takeNew() };
  });
}

/** Routes of the first `numTokens` tokens, from the parts that outputs brought. */
export function joinRoutes(parts: readonly ExpertIds[], numTokens: number, config: ModelConfig): RoutedExperts {
  const ids = expertIds(numTokens * routeWidth(config), config.experts.numExperts);
  let offset = 0;
  for (const part of parts) {
    ids.set(part.subarray(0, ids.length - offset), offset);
    offset = Math.min(ids.length, offset + part.length);
  }
  return { ids, numTokens, layers: expertLayers(config) };
}

/** Of a part that begins with token number `position`, the routes from token `from` on. */
export function routesFrom(part: ExpertIds, position: number, from: number, config: ModelConfig): RoutedExperts {
  const width = routeWidth(config);
  const ids = part.subarray(Math.max(0, from - position) * width);
  return { ids, numTokens: ids.length / width, layers: expertLayers(config) };
}

/** Ids of a token. */
function routeWidth(config: ModelConfig): number {
  return expertLayers(config).length * config.experts.numExpertsPerToken;
}

/** Rows of a pass, [L, T, K], as [count, L, K]. */
function rowsOf(
  routed: Int32Array,
  numRows: number,
  { first, count }: { readonly first: number; readonly count: number },
  config: ModelConfig,
): ExpertIds {
  const { numExperts, numExpertsPerToken: K } = config.experts;
  const width = routeWidth(config);
  const ids = expertIds(count * width, numExperts);
  for (let row = 0; row < count; row++) {
    for (let layer = 0; layer * K < width; layer++) {
      const start = (layer * numRows + first + row) * K;
      ids.set(routed.subarray(start, start + K), row * width + layer * K);
    }
  }
  return ids;
}
