// Renders a Jinja chat template over plain data.
//
// Templates come out of model files and are hostile: parsing and rendering are bounded (see the interpreter), the
// data is copied so that no function, class instance or prototype of the host crosses over, and the template can
// call only what is listed here. Every failure is `template_failed`; a template's own `raise_exception` passes
// its message on.
// Refuses to know tokens: a caller that must tell the template's text from the data's rewrites the literals.

import { MimoError } from "../util/errors.ts";
import { Environment, parse, tokenize, type JinjaEnvironment, type JinjaNode } from "./jinja.ts";
import { formatTime } from "./strftime.ts";
import { GuardedInterpreter, templateFailed, type TemplateLimits } from "./template-interpreter.ts";

export type { TemplateLimits } from "./template-interpreter.ts";

/** For an empty request: steps, length and time grow with the data, so that long chats have room. */
export const DEFAULT_TEMPLATE_LIMITS: TemplateLimits = {
  maxTemplateLength: 128 * 1024,
  maxSteps: 150_000,
  maxDepth: 256,
  maxLength: 1024 * 1024,
  maxRange: 10_000,
  timeoutMs: 900,
};

/** For long runs by a template of this project's own: its steps are bounded, and a machine may stand still for a while. */
export const UNHURRIED: Partial<TemplateLimits> = { timeoutMs: Infinity };

const STEPS_PER_DATA_CHARACTER = 2;
const LENGTH_PER_DATA_CHARACTER = 8;
const DATA_CHARACTERS_PER_MS = 1000;
const MAX_DATA_DEPTH = 64;
// The library looks for a tag after every run of white space, in time quadratic in the run.
const LONG_WHITE_SPACE = /\s{512}/;
const RESERVED_NAMES = new Set(["true", "false", "none", "True", "False", "None", "namespace"]);

export interface ChatTemplateInput {
  readonly messages: readonly unknown[];
  readonly tools?: readonly unknown[] | undefined;
  readonly addGenerationPrompt?: boolean | undefined;
  /** Left undefined, the template's own default holds. */
  readonly enableThinking?: boolean | undefined;
  /** The time that `strftime_now` tells, by default the present. */
  readonly now?: Date | undefined;
  /** Further variables, by the names the template uses. */
  readonly variables?: Readonly<Record<string, unknown>> | undefined;
}

export interface RenderOptions {
  readonly limits?: Partial<TemplateLimits> | undefined;
  /** Changes every piece of text that the template itself writes, before anything is evaluated. */
  readonly rewriteLiteral?: ((literal: string) => string) | undefined;
}

/** A template that is ready to be rendered any number of times. */
export interface ParsedTemplate {
  readonly program: JinjaNode;
  readonly limits: TemplateLimits;
}

/** Throws `template_failed`. */
export function parseChatTemplate(template: string, options: RenderOptions = {}): ParsedTemplate {
  const limits = { ...DEFAULT_TEMPLATE_LIMITS, ...options.limits };
  return { program: parseTemplate(template, limits, options.rewriteLiteral), limits };
}

/** The prompt that the template makes of the input. Throws `template_failed`, or `invalid_argument` for the input. */
export function renderChat({ program, limits }: ParsedTemplate, input: ChatTemplateInput): string {
  const meter = { length: 0 };
  const variables = collectVariables(input).map(([name, value]) => [name, copyPlain(value, name, 0, meter)] as const);
  const scaled: TemplateLimits = {
    ...limits,
    maxSteps: limits.maxSteps + STEPS_PER_DATA_CHARACTER * meter.length,
    maxLength: limits.maxLength + LENGTH_PER_DATA_CHARACTER * meter.length,
    timeoutMs: limits.timeoutMs + meter.length / DATA_CHARACTERS_PER_MS,
  };
  return guard("cannot be rendered", () => {
    const environment = createEnvironment(limits, input.now ?? new Date());
    for (const [name, value] of variables) environment.set(name, value);
    return String(new GuardedInterpreter(environment, scaled).run(program).value);
  });
}

function parseTemplate(
  template: string,
  limits: TemplateLimits,
  rewriteLiteral: ((literal: string) => string) | undefined,
): JinjaNode {
  if (template.length > limits.maxTemplateLength) {
    throw templateFailed(`has ${template.length} characters, more than ${limits.maxTemplateLength}`);
  }
  if (LONG_WHITE_SPACE.test(template)) {
    throw templateFailed("has a run of more than 512 white-space characters");
  }
  return guard("cannot be parsed", () => {
    const tokens = tokenize(template, { lstrip_blocks: true, trim_blocks: true });
    if (rewriteLiteral !== undefined) {
      for (const token of tokens) {
        if (token.type === "Text" || token.type === "StringLiteral") {
          token.value = rewriteLiteral(token.value);
        }
      }
    }
    return parse(tokens);
  });
}

/** Runs the library and turns whatever it throws into `template_failed`. */
function guard<T>(problem: string, run: () => T): T {
  try {
    return run();
  } catch (thrown) {
    if (thrown instanceof MimoError) throw thrown;
    if (thrown instanceof RangeError) throw templateFailed("nests too deeply", thrown);
    // A TypeError is how the library's parser meets the end of its input.
    if (thrown instanceof TypeError) throw templateFailed(problem, thrown);
    throw templateFailed(`${problem}: ${thrown instanceof Error ? thrown.message : String(thrown)}`, thrown);
  }
}

function createEnvironment(limits: TemplateLimits, now: Date): JinjaEnvironment {
  const environment = new Environment();
  for (const [name, value] of Object.entries({ true: true, false: false, none: null })) {
    environment.set(name, value);
    environment.set(name.charAt(0).toUpperCase() + name.slice(1), value);
  }
  environment.set("raise_exception", (message: unknown) => {
    throw new MimoError("template_failed", `The chat template refuses this request: ${String(message)}`);
  });
  environment.set("range", (...bounds: unknown[]) => createRange(bounds, limits.maxRange));
  environment.set("strftime_now", (format: unknown) => formatTime(now, String(format)));
  return environment;
}

function createRange(bounds: readonly unknown[], maxRange: number): number[] {
  if (bounds.length < 1 || bounds.length > 3 || !bounds.every((bound) => Number.isSafeInteger(bound))) {
    throw templateFailed("calls range with something other than one to three integers");
  }
  const [first, second, step = 1] = bounds as readonly number[];
  const start = second === undefined ? 0 : (first as number);
  const stop = second ?? (first as number);
  if (step === 0) throw templateFailed("calls range with a step of zero");
  const length = Math.max(0, Math.ceil((stop - start) / step));
  if (length > maxRange) {
    throw templateFailed(`calls range for ${length} entries, more than ${maxRange}`);
  }
  return Array.from({ length }, (_, i) => start + i * step);
}

function collectVariables(input: ChatTemplateInput): readonly (readonly [string, unknown])[] {
  const variables = new Map<string, unknown>();
  for (const [name, value] of Object.entries(input.variables ?? {})) variables.set(name, value);
  variables.set("messages", input.messages);
  if (input.tools !== undefined && input.tools.length > 0) variables.set("tools", input.tools);
  variables.set("add_generation_prompt", input.addGenerationPrompt ?? false);
  if (input.enableThinking !== undefined) variables.set("enable_thinking", input.enableThinking);
  for (const name of ["raise_exception", "range", "strftime_now", ...RESERVED_NAMES]) {
    if (variables.has(name)) {
      throw new MimoError("invalid_argument", `A template variable may not be called ${JSON.stringify(name)}.`);
    }
  }
  return [...variables];
}

/** A copy made of primitives, arrays and prototype-less objects; `meter` adds up its characters. */
function copyPlain(value: unknown, path: string, depth: number, meter: { length: number }): unknown {
  if (depth > MAX_DATA_DEPTH) {
    throw new MimoError("invalid_argument", `${path} nests deeper than ${MAX_DATA_DEPTH} levels.`, {
      param: path,
    });
  }
  meter.length += typeof value === "string" ? value.length : 8;
  if (value === null || ["string", "number", "boolean", "undefined"].includes(typeof value)) {
    return value;
  }
  if (Array.isArray(value)) {
    return value.map((entry, i) => copyPlain(entry, `${path}[${i}]`, depth + 1, meter));
  }
  const prototype: unknown = typeof value === "object" ? Object.getPrototypeOf(value) : undefined;
  if (prototype !== Object.prototype && prototype !== null) {
    throw new MimoError("invalid_argument", `${path} must be plain data, as JSON has it.`, {
      param: path,
    });
  }
  const copy: Record<string, unknown> = Object.create(null) as Record<string, unknown>;
  for (const [key, entry] of Object.entries(value as object)) {
    meter.length += key.length;
    if (entry !== undefined) copy[key] = copyPlain(entry, `${path}.${key}`, depth + 1, meter);
  }
  return copy;
}
