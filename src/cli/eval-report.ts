// An evaluation as people read it: a table with intervals, what drafting gained, and the failures that were asked for.
// Refuses to know how it was made.

import type { Evaluation, Failure, SuiteResult } from "../eval/evaluate.ts";
import type { Share } from "../eval/interval.ts";
import type { Speed } from "../eval/speed.ts";
import type { SampleMessage } from "../train/data/sample.ts";
import { formatTable, plural, significant } from "./format.ts";
import type { Output } from "./output.ts";

const HEADER = ["suite", "tasks", "right", "95 % interval", "tokens", "tokens/step", "cut off"];
/** Longer texts lose their middle on a terminal; JSON has them whole. */
const MAX_SHOWN = 1600;

export function printEvaluation(output: Output, evaluation: Evaluation): void {
  const asked = evaluation.suites.filter(({ count }) => count > 0);
  if (asked.length === 0) return;
  const rows = asked.flatMap((result) => [suiteRow(result), ...result.details.filter(isCounted).map(detailRow)]);
  output.line(formatTable([HEADER, ...rows]).join("\n"));
}

function suiteRow(result: SuiteResult): string[] {
  const { suite, meanTokens, tokensPerStep, numCutOff } = result;
  const cutOff = numCutOff === 0 ? "" : String(numCutOff);
  return [suite, ...shareCells(result), significant(meanTokens), tokensPerStep.toFixed(2), cutOff];
}

function detailRow(detail: Share & { readonly name: string }): string[] {
  return [`  ${detail.name}`, ...shareCells(detail), "", "", ""];
}

function isCounted({ count }: Share): boolean {
  return count > 0;
}

function shareCells({ count, share, low, high }: Share): string[] {
  const percent = (value: number): string => (100 * value).toFixed(1);
  return [String(count), `${percent(share)} %`, `${percent(low)}–${percent(high)}`];
}

export function printSpeed(output: Output, { rows, numTasks, numTokens, numEqual }: Speed): void {
  const plain = rows.find(({ depth }) => depth === 0)?.tokensPerSecond ?? 0;
  const cells = rows.map(({ depth, tokensPerSecond, tokensPerStep }) => [
    depth === 0 ? "none" : String(depth),
    significant(tokensPerSecond),
    plain === 0 ? "–" : `${(tokensPerSecond / plain).toFixed(2)}×`,
    tokensPerStep.toFixed(2),
  ]);
  output.line(`\n${formatTable([["drafts", "tokens/s", "speed", "tokens/step"], ...cells]).join("\n")}`);
  const equal = numEqual === numTasks ? "all with the same tokens" : `${numEqual} with the same tokens at every depth`;
  output.line(output.style.dim(`${plural(numTasks, "task")} one at a time, ${plural(numTokens, "token")}; ${equal}.`));
}

export function printFailures(output: Output, { suites }: Evaluation): void {
  for (const { suite, failures } of suites) {
    for (const [i, failure] of failures.entries()) printFailure(output, `${suite}, failure ${i + 1}`, failure);
  }
}

function printFailure(output: Output, title: string, failure: Failure): void {
  const { part, problem, prompt, thinking, transcript, expected } = failure;
  const { bold, dim } = output.style;
  const notes = [...(part === undefined ? [] : [part]), ...(thinking ? ["thinking"] : [])];
  output.line(`\n${bold(title)}${notes.length === 0 ? "" : ` (${notes.join(", ")})`}`);
  for (const message of prompt) printMessage(output, message, dim);
  output.line(dim("— the model —"));
  for (const message of transcript) printMessage(output, message, (text) => text);
  output.line(`${bold("Expected:")} ${output.untrusted(shorten(expected))}`);
  output.line(`${bold("Why:")} ${output.untrusted(problem)}`);
}

function printMessage(output: Output, message: SampleMessage, style: (text: string) => string): void {
  const { role, content, reasoning_content: reasoning, tool_calls: calls } = message;
  const lines = [
    ...(reasoning === undefined || reasoning === null || reasoning === "" ? [] : [`${role} thinks: ${reasoning}`]),
    ...(content === "" && (calls ?? []).length > 0 ? [] : [`${role}: ${content}`]),
    ...(calls ?? []).map(({ function: { name, arguments: args } }) => `${role} calls: ${name} ${JSON.stringify(args)}`),
  ];
  for (const line of lines) output.line(style(output.untrusted(shorten(line))));
}

function shorten(text: string): string {
  if (text.length <= MAX_SHOWN) return text;
  return `${text.slice(0, MAX_SHOWN / 2)} […] ${text.slice(-MAX_SHOWN / 2)}`;
}
