// Small JavaScript functions from a description, what a function does, and what a call gives.
//
// Each function comes with tests that decide whether an answer is right, however it is written. A function is known by
// its description and name; that pair is either trained on or held out.
// Refuses to know the families of functions.

import { LIST_FAMILIES, TEXT_FAMILIES } from "./code-list-families.ts";
import { NUMBER_FAMILIES } from "./code-number-families.ts";
import type { CodeTask, Value } from "./code-task.ts";
import { phraseOf } from "./phrase.ts";
import type { Random } from "./random.ts";
import { codeOf, type CodeTest, passesTests } from "./run-code.ts";
import { conversation, type Exchange, type Generator } from "./sample.ts";
import { systemMessage } from "./system-prompt.ts";

export interface CodeOptions {
  /** Shares of the forms; what remains of one is writing from a description. */
  readonly explainShare: number;
  readonly predictShare: number;
  /** Code without a conversation: a comment and its function. */
  readonly textShare: number;
  readonly thinkingShare: number;
}

export interface Program {
  readonly name: string;
  readonly does: string;
  readonly source: string;
  readonly tests: readonly CodeTest[];
}

const FAMILIES = [...NUMBER_FAMILIES, ...LIST_FAMILIES, ...TEXT_FAMILIES];
const NUM_TESTS = 4;

export const code: Generator<CodeOptions> = {
  name: "code",
  defaults: { explainShare: 0.15, predictShare: 0.15, textShare: 0.15, thinkingShare: 0.4 },
  generate: (random, options) => {
    const form = random.unit();
    if (form < options.textShare) {
      const programs = Array.from({ length: 3 }, () => drawProgram(random));
      return { kind: "text", text: programs.map(({ does, source }) => `// ${sentence(does)}\n${source}`).join("\n\n") };
    }
    const program = drawProgram(random);
    const rest = form - options.textShare;
    const frame = {
      thinking: random.chance(options.thinkingShare),
      system: random.chance(0.3) ? systemMessage(random) : undefined,
    };
    if (rest < options.explainShare) return conversation([explain(random, program)], frame);
    if (rest < options.explainShare + options.predictShare) return conversation([predict(random, program)], frame);
    return conversation([write(random, program)], frame);
  },
};

export function drawProgram(random: Random): Program {
  const { task, name, does } = random.fresh(
    (source) => {
      const drawn = source.pick(FAMILIES)(source);
      return { task: drawn, name: source.pick(drawn.names), does: source.pick(drawn.does) };
    },
    (program) => `code ${program.name}: ${program.does}`,
  );
  const tests = Array.from({ length: NUM_TESTS }, () => {
    const input = task.drawInput();
    return { input, expected: (task.right as (...values: readonly Value[]) => Value)(...input) };
  });
  return { name, does, source: writeSource(random, name, task), tests };
}

function writeSource(random: Random, name: string, { parameters, bodies }: CodeTask): string {
  const body = random.pick(bodies);
  const isExpression = !body.includes(";");
  if (isExpression && random.chance(0.3)) return `const ${name} = (${parameters.join(", ")}) => ${body};`;
  const statements = isExpression ? `return ${body};` : body;
  return `function ${name}(${parameters.join(", ")}) {\n  ${statements.replaceAll("\n", "\n  ")}\n}`;
}

function sentence(does: string): string {
  return `${does.charAt(0).toUpperCase()}${does.slice(1)}.`;
}

function write(random: Random, { name, does, source, tests }: Program): Exchange {
  const requests = [
    "Write a {JavaScript |}function $name that $does.",
    "{Please write|Can you write|I need} a function {called|named} $name that $does{.|, please.}",
    "{Write code|JavaScript}: a function $name that $does.",
  ];
  return {
    question: phraseOf(random, requests, { name, does }),
    answer: `\`\`\`js\n${source}\n\`\`\``,
    reasoning: `The function ${name} ${does}.`,
    accepts: (content) => passesTests(codeOf(content), name, tests),
  };
}

function explain(random: Random, { does, source }: Program): Exchange {
  const requests = ["What does this {function|code} do?", "{Explain|Please explain} this {function|code}."];
  return {
    question: `${phraseOf(random, requests)}\n\n\`\`\`js\n${source}\n\`\`\``,
    answer: `It ${does}.`,
    reasoning: "I read the body of the function.",
  };
}

function predict(random: Random, { name, source, tests }: Program): Exchange {
  const { input, expected } = random.pick(tests);
  const call = `${name}(${input.map((value) => JSON.stringify(value)).join(", ")})`;
  const result = JSON.stringify(expected);
  const requests = ["What does $call return?", "What is the result of $call?"];
  return {
    question: `\`\`\`js\n${source}\n\`\`\`\n\n${phraseOf(random, requests, { call })}`,
    answer: result,
    reasoning: `The call is ${call}.`,
    accepts: (content) => content.trim() === result,
  };
}
