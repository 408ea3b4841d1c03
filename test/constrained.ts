// Random schemas against a model with random weights: what the test samples a hundred of, and the bench a thousand.

import type { Ajv2020 } from "ajv/dist/2020.js";
import { cpuBackendStatus } from "../src/backends/cpu/addon.ts";
import { createCpuBackend } from "../src/backends/cpu/native.ts";
import { createReferenceBackend } from "../src/backends/reference/reference.ts";
import type { Engine } from "../src/engine/engine.ts";
import type { ConstraintSpec } from "../src/grammar/constraint.ts";
import { createVocabulary, tokenTable, type Vocabulary } from "../src/grammar/vocabulary.ts";
import { DEFAULT_SAMPLING } from "../src/ops/sample/sample.ts";
import { compileGrammar, type GrammarSource } from "../src/schema/compile.ts";
import { validateValue } from "../src/schema/validate.ts";
import type { ToolDefinition } from "../src/tokenizer/chat-request.ts";
import { OutputParser } from "../src/tokenizer/output-parser.ts";
import { ToolCallStream } from "../src/tokenizer/tool-call-stream.ts";
import { parseToolCall } from "../src/tokenizer/tool-calls.ts";
import type { Tokenizer } from "../src/tokenizer/tokenizer.ts";
import { assert, defined } from "../src/util/assert.ts";
import { randomParameters } from "./random-schema.ts";
import { generateAll, openEngine, request, type TestEngine } from "./support.ts";

/** One thread: a model this small only waits for a second one. */
export function openSmallEngine(path: string, tokenizer: Tokenizer): TestEngine {
  const backend = cpuBackendStatus().isAvailable ? createCpuBackend({ threads: 1 }) : createReferenceBackend();
  return openEngine(path, { maxSequences: 16, maxTokens: 16 * 4096, numTokens: tokenizer.numTokens }, backend);
}

export const LIMITS = { maxStates: 200_000, maxMs: 20_000 };

export function vocabularyOf(tokenizer: Tokenizer): Vocabulary {
  const added = new Set(tokenizer.addedTokens.map(({ id }) => id));
  const bytes = Array.from({ length: tokenizer.numTokens }, (_, id) =>
    added.has(id) ? new Uint8Array() : tokenizer.tokenBytes(id),
  );
  return createVocabulary(tokenTable(bytes));
}

export function specOf(tokenizer: Tokenizer, vocabulary: Vocabulary, part: Partial<ConstraintSpec>): ConstraintSpec {
  const id = (text: string): number => defined(tokenizer.addedTokenId(text), text);
  return {
    vocabulary,
    markers: {
      thinkStart: id("<think>"),
      thinkEnd: id("</think>"),
      callStart: id("<tool_call>"),
      callEnd: id("</tool_call>"),
    },
    endTokens: tokenizer.eosIds,
    thinking: "over",
    answer: "free",
    calls: "none",
    maxCalls: 1,
    ...part,
  };
}

export interface Tally {
  calls: number;
  texts: number;
  tokens: number;
}

/** Strict calls and JSON texts of the schemas of these seeds, each with and without drafts. Throws on the first fault. */
export function checkSchemas(engine: Engine, tokenizer: Tokenizer, seeds: readonly number[], ajv: Ajv2020): Tally {
  const vocabulary = vocabularyOf(tokenizer);
  const sampling = (seed: number) => ({ ...DEFAULT_SAMPLING, temperature: 1, topP: 1, seed });
  const cases = seeds.flatMap((seed) => {
    const parameters = randomParameters(seed);
    const callSource: GrammarSource = {
      kind: "calls",
      tools: [{ name: "act", parameters: parameters, isStrict: true, path: "tools[0].function" }],
    };
    const jsonSource: GrammarSource = { kind: "json_schema", schema: parameters, path: "schema" };
    const specs = [
      specOf(tokenizer, vocabulary, { answer: "none", calls: compileGrammar(callSource, `call ${seed}`, LIMITS) }),
      specOf(tokenizer, vocabulary, { answer: compileGrammar(jsonSource, `json ${seed}`, LIMITS) }),
    ];
    return specs.map((constraint, kind) => ({ seed, parameters, kind: kind === 0 ? "call" : "json", constraint }));
  });
  const requests = cases.flatMap(({ seed, constraint }) =>
    [0, 3].map((speculation) =>
      request([1 + (seed % 200)], {
        constraint,
        speculation,
        maxTokens: 3000,
        sampling: sampling(seed),
        stopTokens: tokenizer.eosIds,
      }),
    ),
  );
  const outputs = generateAll(engine, requests);
  const tally: Tally = { calls: 0, texts: 0, tokens: 0 };
  cases.forEach(({ seed, parameters, kind }, i) => {
    const [plain, drafted] = [outputs[2 * i]!, outputs[2 * i + 1]!];
    const about = (): string => `${kind} of seed ${seed}: ${tokenizer.decode(plain)} by ${JSON.stringify(parameters)}`;
    assert(plain.join() === drafted.join(), `drafts changed the ${about()}`);
    assert(tokenizer.eosIds.includes(plain.at(-1)!), `no end of the ${about()}`);

    const value =
      kind === "call"
        ? readCall(tokenizer, plain, parameters, about)
        : JSON.parse(tokenizer.decode(plain.slice(0, -1)));
    const isValid = ajv.compile(parameters);
    assert(isValid(value), `${ajv.errorsText(isValid.errors)} in the ${about()}`);
    const own = validateValue(value, parameters);
    assert(own.length === 0, `our own check finds ${own.join()} in the ${about()}`);
    tally[kind === "call" ? "calls" : "texts"]++;
    tally.tokens += plain.length + drafted.length;
  });
  return tally;
}

function readCall(
  tokenizer: Tokenizer,
  tokens: readonly number[],
  parameters: Record<string, unknown>,
  about: () => string,
) {
  const tools: ToolDefinition[] = [{ type: "function", function: { name: "act", parameters } }];
  const parser = new OutputParser(tokenizer, { thinking: false });
  const stream = new ToolCallStream(tools);
  let streamed = "";
  let call: ReturnType<typeof parseToolCall> | undefined;
  const add = (pieces: ReturnType<ToolCallStream["push"]>): void => {
    for (const piece of pieces) if (piece.type === "arguments") streamed += piece.json;
  };
  for (const event of [...tokens.slice(0, -1).flatMap((token) => parser.push(token)), ...parser.finish()]) {
    assert(event.type !== "text" && event.type !== "reasoning", `text beside the ${about()}`);
    if (event.type === "tool_call") add(stream.push(event.text));
    if (event.type !== "tool_call_end") continue;
    add(stream.finish(event.complete));
    call = parseToolCall(event.raw, tools);
  }
  assert(call !== undefined && !("error" in call), `no call in the ${about()}`);
  assert(call.name === "act", `another tool in the ${about()}`);
  assert(
    JSON.stringify(JSON.parse(streamed)) === JSON.stringify(call.arguments),
    `streamed ${streamed}, not the ${about()}`,
  );
  return call.arguments;
}
