// Sums, differences and small products, worked out in columns from the right where the model thinks.
//
// The working is the same for every length: digits are written ones first, each column is one line with its carry or
// borrow, and the digits found so far stand at the end of the line. So every step copies what is near and adds two
// digits. A problem is known by its numbers; small ones (up to SMALL) are facts that everyone is taught, all others
// are split between training and held-out.
// Refuses to know tokens.

import { phraseOf } from "./phrase.ts";
import { saysNumber } from "./grading.ts";
import { belongsTo, type Random, type Split } from "./random.ts";
import { conversation, type Exchange, type Generator } from "./sample.ts";
import { systemMessage } from "./system-prompt.ts";
import { COUNTABLE, NAMES } from "./words.ts";

export interface ArithmeticOptions {
  readonly maxDigits: number;
  readonly thinkingShare: number;
  /** Lines of problems and results, without a conversation. */
  readonly textShare: number;
  readonly chainShare: number;
  readonly productShare: number;
  /** Problems of one conversation. */
  readonly minQuestions: number;
  readonly maxQuestions: number;
}

export interface Problem {
  readonly a: number;
  readonly operator: "+" | "-" | "*";
  readonly b: number;
}

const SMALL = 20;

export const arithmetic: Generator<ArithmeticOptions> = {
  name: "arithmetic",
  defaults: {
    maxDigits: 4,
    thinkingShare: 0.7,
    textShare: 0.1,
    chainShare: 0.04,
    productShare: 0.1,
    minQuestions: 1,
    maxQuestions: 3,
  },
  generate: (random, options) => {
    if (random.chance(options.textShare)) {
      const problems = Array.from({ length: 12 }, () => drawProblem(random, options));
      return { kind: "text", text: problems.map((problem) => `${show(problem)} = ${solve(problem)}`).join("\n") };
    }
    const thinking = random.chance(options.thinkingShare);
    const count = random.integer(options.minQuestions, options.maxQuestions);
    const exchanges = Array.from({ length: count }, () => arithmeticExchange(random, options));
    return conversation(exchanges, { thinking, system: random.chance(0.3) ? systemMessage(random) : undefined });
  },
};

export function arithmeticExchange(random: Random, options: ArithmeticOptions): Exchange {
  if (random.chance(options.chainShare)) return chainExchange(random, options);
  const problem = drawProblem(random, options);
  const result = solve(problem);
  const question = ask(random, problem);
  const isSentence = /[a-z]/.test(question);
  return {
    question,
    answer: isSentence ? `The answer is ${result}.` : String(result),
    reasoning: `${workOut(problem)}\n${show(problem)} = ${result}`,
    accepts: saysNumber(result),
  };
}

export function solve({ a, operator, b }: Problem): number {
  if (operator === "+") return a + b;
  return operator === "-" ? a - b : a * b;
}

export function show({ a, operator, b }: Problem): string {
  return `${a} ${operator} ${b}`;
}

export function drawProblem(random: Random, { maxDigits, productShare }: ArithmeticOptions): Problem {
  const draw = (source: Random): Problem => {
    if (source.chance(productShare)) {
      return { a: drawNumber(source, Math.min(3, maxDigits)), operator: "*", b: source.integer(2, 9) };
    }
    const operator = source.pick(["+", "-"] as const);
    const a = drawNumber(source, maxDigits);
    const b = drawNumber(source, maxDigits);
    // Negative results are a few percent of the problems.
    const isSwapped = operator === "-" && a < b && source.chance(0.9);
    return isSwapped ? { a: b, operator, b: a } : { a, operator, b };
  };
  return random.drawUntil(draw, (problem) => problemSplit(problem) === random.split);
}

export function problemSplit(problem: Problem): Split {
  if (problem.a <= SMALL && problem.b <= SMALL) return "train";
  return belongsTo(keyOf(problem), "heldout") ? "heldout" : "train";
}

/** The same for a + b and b + a. */
function keyOf({ a, operator, b }: Problem): string {
  const [first, second] = operator === "-" ? [a, b] : [Math.max(a, b), Math.min(a, b)];
  return `${first}${operator}${second}`;
}

function drawNumber(random: Random, maxDigits: number): number {
  const numDigits = random.integer(1, maxDigits);
  return random.integer(numDigits === 1 ? 0 : 10 ** (numDigits - 1), 10 ** numDigits - 1);
}

const QUESTIONS = {
  "+": [
    "What is $a + $b?",
    "$a + $b",
    "$a + $b =",
    "$a + $b = ?",
    "{Add|Please add|Can you add} $a and $b.",
    "{What is|How much is|Calculate|Compute} $a plus $b{?|}",
    "{Calculate|Compute|Please calculate|Work out} $a + $b.",
    "What do you get {when|if} you add $b to $a?",
    "What is the sum of $a and $b?",
    "$name has $a $things and {gets|finds|buys} $b more. How many $things does $name have now?",
    "There are $a $things in one box and $b in another. How many are there {in all|together}?",
  ],
  "-": [
    "What is $a - $b?",
    "$a - $b",
    "$a - $b =",
    "$a - $b = ?",
    "{Subtract|Please subtract|Take} $b from $a.",
    "{What is|How much is|Calculate|Compute} $a minus $b{?|}",
    "{Calculate|Compute|Please calculate|Work out} $a - $b.",
    "What is the difference {between|of} $a and $b?",
    "What do you get {when|if} you take $b from $a?",
  ],
  "*": [
    "What is $a * $b?",
    "$a * $b",
    "$a * $b = ?",
    "{What is|How much is} $a times $b?",
    "{Multiply|Please multiply} $a by $b.",
    "{Calculate|Compute|Work out} $a * $b.",
    "$name has $b bags with $a $things each. How many $things are there?",
  ],
} as const;
const TAKING_AWAY = [
  "$name has $a $things and {gives away|loses|sells} $b. How many $things are left?",
  "There were $a $things. {Then $b were sold|$name took $b}. How many are left?",
];

function ask(random: Random, { a, operator, b }: Problem): string {
  const templates = operator === "-" && a >= b ? [...QUESTIONS["-"], ...TAKING_AWAY] : QUESTIONS[operator];
  return phraseOf(random, templates, {
    a: String(a),
    b: String(b),
    name: random.pick(NAMES),
    things: random.pick(COUNTABLE),
  });
}

/** The lines of the working, without the result's. */
export function workOut({ a, operator, b }: Problem): string {
  if (operator === "+") return addColumns(a, b);
  if (operator === "*") return multiplyColumns(a, b);
  if (a >= b) return subtractColumns(a, b);
  return `${a} is less than ${b}, so the result is negative: ${b} - ${a}\n${subtractColumns(b, a)}\n${b} - ${a} = ${b - a}`;
}

/** Ones first, filled with zeros. */
function columnsOf(value: number, length: number): number[] {
  return Array.from(String(value).padStart(length, "0"), Number).toReversed();
}

function writeDigits(a: number, b: number, length: number): string {
  return `ones first: ${columnsOf(a, length).join(" ")} and ${columnsOf(b, length).join(" ")}`;
}

function addColumns(a: number, b: number): string {
  const length = Math.max(String(a).length, String(b).length);
  const lower = columnsOf(b, length);
  const lines = [writeDigits(a, b, length)];
  let carry = 0;
  let found = "";
  for (const [i, digit] of columnsOf(a, length).entries()) {
    const sum = digit + lower[i]! + carry;
    found = `${sum % 10}${found}`;
    const next = Math.floor(sum / 10);
    lines.push(`${digit} + ${lower[i]!} + ${carry} = ${sum}, write ${sum % 10}, carry ${next}: ${found}`);
    carry = next;
  }
  if (carry > 0) lines.push(`write ${carry}: ${carry}${found}`);
  return lines.join("\n");
}

function subtractColumns(a: number, b: number): string {
  const length = String(a).length;
  const lower = columnsOf(b, length);
  const lines = [writeDigits(a, b, length)];
  let borrow = 0;
  let found = "";
  for (const [i, digit] of columnsOf(a, length).entries()) {
    const difference = digit - lower[i]! - borrow;
    const written = (difference + 10) % 10;
    found = `${written}${found}`;
    const adding = difference < 0 ? ", add 10" : "";
    const next = difference < 0 ? 1 : 0;
    lines.push(
      `${digit} - ${lower[i]!} - ${borrow} = ${difference}${adding}, write ${written}, borrow ${next}: ${found}`,
    );
    borrow = next;
  }
  return lines.join("\n");
}

/** `b` is a single digit. */
function multiplyColumns(a: number, b: number): string {
  const digits = columnsOf(a, String(a).length);
  const lines = [`ones first: ${digits.join(" ")} times ${b}`];
  let carry = 0;
  let found = "";
  for (const digit of digits) {
    const product = digit * b + carry;
    found = `${product % 10}${found}`;
    const next = Math.floor(product / 10);
    lines.push(`${digit} * ${b} + ${carry} = ${product}, write ${product % 10}, carry ${next}: ${found}`);
    carry = next;
  }
  if (carry > 0) lines.push(`write ${carry}: ${carry}${found}`);
  return lines.join("\n");
}

/** Three or four numbers, added or taken away one after the other. */
function chainExchange(random: Random, options: ArithmeticOptions): Exchange {
  const maxDigits = Math.min(3, options.maxDigits);
  const { text, value, steps } = random.fresh(
    (source) => drawChain(source, maxDigits),
    (chain) => chain.text,
  );
  return {
    question: phraseOf(random, ["What is $text?", "$text", "{Calculate|Work out} $text."], { text }),
    answer: String(value),
    reasoning: steps.join("\n"),
    accepts: saysNumber(value),
  };
}

interface Chain {
  readonly text: string;
  readonly value: number;
  readonly steps: readonly string[];
}

function drawChain(random: Random, maxDigits: number): Chain {
  let value = drawNumber(random, maxDigits);
  let text = String(value);
  const steps: string[] = [];
  for (let count = random.integer(2, 3); count > 0; count--) {
    const b = drawNumber(random, maxDigits);
    const problem: Problem = { a: value, operator: b <= value && random.chance(0.4) ? "-" : "+", b };
    value = solve(problem);
    text += ` ${problem.operator} ${b}`;
    steps.push(`${show(problem)}\n${workOut(problem)}\n${show(problem)} = ${value}`);
  }
  return { text, value, steps };
}
