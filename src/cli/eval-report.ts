// An evaluation as people read it: tables with intervals, what drafting and thinking gained, and the failures that were
// asked for; and as programs read it, as one object. Refuses to know how it was made.

import type { Mimo } from "../api/mimo.ts";
import { type AcceptFit, fitAcceptLength } from "../eval/accept-fit.ts";
import type { BitsPerByte } from "../eval/bits-per-byte.ts";
import type { Evaluation, Failure, SuiteResult } from "../eval/evaluate.ts";
import type { Share } from "../eval/interval.ts";
import type { Depth, Speed } from "../eval/speed.ts";
import { countTasks, type Suite } from "../eval/suites.ts";
import { thinkingGains } from "../eval/thinking.ts";
import type { SampleMessage } from "../train/data/sample.ts";
import type { Cli } from "./cli.ts";
import { formatContext, formatTable, plural, significant } from "./format.ts";
import type { Inspection } from "./inspection.ts";
import { describeBuild, describeMachine } from "./machine.ts";
import { formatNeedleGrids } from "./needle-grid.ts";
import type { Output } from "./output.ts";

export interface EvalSettings {
  readonly tasks?: number;
  readonly lengths: readonly number[];
  readonly pieceTokens: number;
  readonly seed: number;
  readonly temperature: number;
  readonly maxTokens?: number;
  readonly concurrency: number;
  readonly speculation: Depth;
  readonly showFailures?: number;
}

export interface EvalResults {
  readonly evaluation: Evaluation;
  readonly bits: readonly BitsPerByte[];
  readonly speed: Speed | undefined;
}

interface EvalSubject {
  readonly path: string;
  readonly suites: readonly Suite[];
  readonly info: Mimo["info"];
}

const HEADER = ["suite", "tasks", "right", "95 % interval", "tokens", "nats/token", "tokens/step", "cut off"];
/** Longer texts lose their middle on a terminal; JSON has them whole. */
const MAX_SHOWN = 1600;
/** The curve of the technical report for MiMo-V2-Flash, Figure 7. */
const REPORT_FIT = "4 (1 − 0.58 x^0.58)";

export function printReport(cli: Cli, subject: EvalSubject, settings: EvalSettings, results: EvalResults): void {
  const { output } = cli;
  const { evaluation, bits, speed } = results;
  output.line(output.style.bold(output.untrusted(subject.path)));
  if (subject.suites.length > 0) {
    printEvaluation(output, evaluation);
    printSummary(cli, subject, settings, evaluation);
    printThinking(output, evaluation);
    for (const line of formatNeedleGrids(evaluation.suites)) output.line(line);
  }
  printBitsPerByte(output, bits, settings);
  printFailures(output, evaluation);
  if (speed !== undefined) printSpeed(output, speed);
}

function printEvaluation(output: Output, evaluation: Evaluation): void {
  const asked = evaluation.suites.filter(({ count }) => count > 0);
  if (asked.length === 0) return;
  const rows = asked.flatMap((result) => [suiteRow(result), ...result.details.filter(isCounted).map(detailRow)]);
  output.line(output.untrusted(formatTable([HEADER, ...rows]).join("\n")));
}

function suiteRow(result: SuiteResult): string[] {
  const { suite, meanTokens, crossEntropy, tokensPerStep, numCutOff } = result;
  const cutOff = numCutOff === 0 ? "" : String(numCutOff);
  const cells = [significant(meanTokens), crossEntropy.toFixed(3), tokensPerStep.toFixed(2), cutOff];
  return [suite, ...shareCells(result), ...cells];
}

function detailRow(detail: Share & { readonly name: string }): string[] {
  return [`  ${detail.name}`, ...shareCells(detail), "", "", "", ""];
}

function isCounted({ count }: Share): boolean {
  return count > 0;
}

function shareCells({ count, share, low, high }: Share): string[] {
  const percent = (value: number): string => (100 * value).toFixed(1);
  return [String(count), `${percent(share)} %`, `${percent(low)}–${percent(high)}`];
}

function printSummary(
  { output, messages }: Cli,
  { suites: asked, info }: EvalSubject,
  { seed, temperature, tasks, speculation }: EvalSettings,
  { suites, tokensPerStep, isInterrupted }: Evaluation,
): void {
  const count = suites.reduce((sum, one) => sum + one.count, 0);
  const sampling = temperature === 0 ? "greedy" : `temperature ${temperature}`;
  output.line(output.style.dim(`${plural(count, "task")}, seed ${seed}, ${sampling}, ${info.backend}.`));
  if (speculation !== 0) {
    output.line(
      `Mean accept length: ${tokensPerStep.toFixed(2)} tokens per step of the trunk, drafts: ${speculation}.`,
    );
  }
  const fit = fitOf(suites, speculation);
  if (fit !== undefined) {
    const { maxLength, a, b, r2, numSuites } = fit;
    output.line(
      `Accept length by nats/token x of ${numSuites} suites: ${maxLength} (1 − ${significant(a)} x^${significant(b)}), R² ${r2.toFixed(3)}; MiMo-V2-Flash: ${REPORT_FIT}.`,
    );
  }
  const numTooLong = suites.reduce((sum, one) => sum + one.numTooLong, 0);
  if (numTooLong > 0) {
    messages.line(
      `${plural(numTooLong, "task")} did not fit into the context of ${info.contextLength}: counted as wrong.`,
    );
  }
  const total = asked.reduce((sum, suite) => sum + countTasks(suite, tasks), 0);
  if (isInterrupted) messages.line(`Interrupted after ${count} of ${total} tasks.`);
}

/** Where all drafts have one length: otherwise there is no longest step that the curve could begin at. */
function fitOf(suites: readonly SuiteResult[], speculation: Depth): AcceptFit | undefined {
  return speculation === "auto" || speculation === 0 ? undefined : fitAcceptLength(suites, speculation);
}

function printThinking(output: Output, { suites }: Evaluation): void {
  for (const { group, thinking, direct, difference, low, high } of thinkingGains(suites)) {
    const shares = `${(100 * thinking).toFixed(1)} % with, ${(100 * direct).toFixed(1)} % without`;
    const points = [difference, low, high].map(
      (value) => `${value < 0 ? "−" : "+"}${Math.abs(100 * value).toFixed(1)}`,
    );
    output.line(
      output.untrusted(
        `Thinking, ${group}: ${shares}: ${points[0]} points (95 % interval ${points[1]} to ${points[2]}).`,
      ),
    );
  }
}

function printBitsPerByte(output: Output, rows: readonly BitsPerByte[], { pieceTokens }: EvalSettings): void {
  if (rows.length === 0) return;
  const header = ["text", "samples", "bytes", "bits/byte", "nats/token", "bytes/token"];
  const cells = rows.map((row) => [
    row.name,
    String(row.numSamples),
    String(row.numBytes),
    row.bitsPerByte.toFixed(3),
    row.crossEntropy.toFixed(3),
    (row.numBytes / row.numTokens).toFixed(2),
  ]);
  output.line(`\n${output.untrusted(formatTable([header, ...cells]).join("\n"))}`);
  output.line(output.style.dim(`Whole conversations, in pieces of at most ${pieceTokens} tokens.`));
}

function printSpeed(output: Output, { rows, numTasks, numTokens, numEqual }: Speed): void {
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

function printFailures(output: Output, { suites }: Evaluation): void {
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

/** All of it as JSON has it. */
export function describeRun(
  { path, format, parameters, numMtpHeads, config }: Inspection,
  info: Mimo["info"],
  settings: EvalSettings,
  { evaluation, bits, speed }: EvalResults,
): object {
  const { tasks, seed, temperature, concurrency, speculation, maxTokens, lengths, pieceTokens } = settings;
  const { suites, tokensPerStep, isInterrupted } = evaluation;
  const fit = fitOf(suites, speculation);
  return {
    date: new Date().toISOString(),
    build: describeBuild(),
    machine: { ...describeMachine(), backend: info.backend },
    model: { path, format, parameters, numMtpHeads, contextLength: config.contextLength },
    settings: {
      split: "heldout",
      tasks,
      seed,
      temperature,
      concurrency,
      speculation,
      lengths: lengths.map(formatContext),
      maxTokens,
      pieceTokens,
    },
    isInterrupted,
    suites,
    speculation: { depth: speculation, tokensPerStep, fit },
    thinking: thinkingGains(suites),
    bitsPerByte: bits,
    speed,
  };
}
