// A Jinja interpreter that a hostile template cannot exhaust or escape.
//
// Every evaluation costs fuel, as does every value it makes, by size; nesting, text length and wall time are
// bounded too. The few operations that multiply sizes (replace, join, indent, indented JSON) are measured before
// they run. Containers are measured as if written out in full, because `[a, a]` thirty times over is a gigabyte
// to print and nothing to hold.
// The interpreter underneath keeps values in its own boxes and members in maps, so templates reach no host object.
// Refuses to know messages and models.

import { MimoError } from "../util/errors.ts";
import { Interpreter, type JinjaEnvironment, type JinjaNode, type JinjaValue } from "./jinja.ts";

export interface TemplateLimits {
  /** Characters of template text. */
  readonly maxTemplateLength: number;
  /** Evaluations, plus one for every 64 characters made. */
  readonly maxSteps: number;
  /** Nested evaluations, and nested containers. */
  readonly maxDepth: number;
  /** Characters of any one value, nested ones written out. */
  readonly maxLength: number;
  /** Entries of one range(). */
  readonly maxRange: number;
  readonly timeoutMs: number;
}

interface FilterNode extends JinjaNode {
  readonly operand: JinjaNode;
  readonly filter: JinjaNode;
}
interface FilterBlockNode extends JinjaNode {
  readonly filter: JinjaNode;
  readonly body: readonly JinjaNode[];
}
interface CallNode extends JinjaNode {
  readonly callee: JinjaNode;
  readonly args: readonly JinjaNode[];
}
interface MemberNode extends JinjaNode {
  readonly object: JinjaNode;
  readonly property: JinjaNode;
}
interface NamedNode extends JinjaNode {
  readonly value: string;
}
/** A node that was evaluated already: `value` stands for it. */
interface HeldNode extends JinjaNode {
  readonly type: "Held";
  readonly value: JinjaValue;
}

interface Size {
  /** Characters when written out. */
  readonly length: number;
  readonly depth: number;
}

const CHARACTERS_PER_STEP = 64;
const STEPS_PER_CLOCK_LOOK = 64;
const MAX_UNPACKED = 16;
/** Numbers, booleans and functions. */
const OTHER_SIZE: Size = { length: 32, depth: 0 };
const LOOKUPS = new Set(["Identifier", "MemberExpression", "StringLiteral", "Held"]);

/** An upper bound on the length that an operation makes out of its operand and the magnitudes of its arguments. */
const GROWTH: Readonly<Record<string, (operand: Size, args: readonly number[]) => number>> = {
  replace: ({ length }, [from = 1, to = 0]) => length + (Math.ceil(length / Math.max(from, 1)) + 1) * to,
  join: ({ length }, args) => length + length * sum(args),
  indent: ({ length }, args) => (length + 1) * (4 + sum(args)),
  tojson: ({ length, depth }, args) => length * (6 + sum(args) * (depth + 1)),
};

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

export function templateFailed(problem: string, cause?: unknown): MimoError {
  return new MimoError("template_failed", `The chat template ${problem}.`, {
    remedy: "Check the template, or leave it out to use MiMo's own.",
    cause,
  });
}

export class GuardedInterpreter extends Interpreter {
  readonly #limits: TemplateLimits;
  readonly #deadline: number;
  readonly #sizes = new WeakMap<JinjaValue, Size>();
  #steps = 0;
  #nextClockLook = STEPS_PER_CLOCK_LOOK;
  #depth = 0;

  constructor(environment: JinjaEnvironment, limits: TemplateLimits) {
    super(environment);
    this.#limits = limits;
    this.#deadline = performance.now() + limits.timeoutMs;
  }

  override evaluate(node: JinjaNode | undefined, environment: JinjaEnvironment): JinjaValue {
    if (node === undefined) return super.evaluate(node, environment);
    if (isHeld(node)) return node.value;
    this.#charge(1);
    if (++this.#depth > this.#limits.maxDepth) throw templateFailed("nests too deeply");
    try {
      const result = super.evaluate(this.#guardGrowth(node, environment), environment);
      const { length } = this.#measure(result);
      if (!LOOKUPS.has(node.type)) this.#charge(length / CHARACTERS_PER_STEP);
      return result;
    } finally {
      // Loops leave through exceptions too, by break and continue.
      this.#depth--;
    }
  }

  #charge(steps: number): void {
    this.#steps += steps;
    if (this.#steps > this.#limits.maxSteps) throw templateFailed("takes too many steps");
    if (this.#steps < this.#nextClockLook) return;
    this.#nextClockLook = this.#steps + STEPS_PER_CLOCK_LOOK;
    if (performance.now() > this.#deadline) throw templateFailed("takes too long");
  }

  /** Evaluates operand and arguments of a multiplying operation first, and refuses it where the result may be huge. */
  #guardGrowth(node: JinjaNode, environment: JinjaEnvironment): JinjaNode {
    if (node.type === "FilterStatement") {
      const { filter, body } = node as FilterBlockNode;
      const operand = { type: "Program", body };
      return this.#guardGrowth({ type: "FilterExpression", operand, filter } as FilterNode, environment);
    }
    if (node.type === "FilterExpression") {
      const { operand, filter } = node as FilterNode;
      if (filter.type !== "CallExpression") return node;
      const call = filter as CallNode;
      const name = (call.callee as NamedNode).value;
      if (!Object.hasOwn(GROWTH, name)) return node;
      const held = this.#hold(operand, environment);
      const args = this.#checkGrowth(name, held.value, call.args, environment);
      return { ...node, operand: held, filter: { ...call, args } } as FilterNode;
    }
    if (node.type === "CallExpression" && (node as CallNode).callee.type === "MemberExpression") {
      const { callee, args } = node as CallNode;
      const { object, property } = callee as MemberNode;
      const name = (property as NamedNode).value;
      if (typeof name !== "string" || !Object.hasOwn(GROWTH, name)) return node;
      const held = this.#hold(object, environment);
      const heldArgs = this.#checkGrowth(name, held.value, args, environment);
      return { ...node, callee: { ...callee, object: held }, args: heldArgs } as CallNode;
    }
    return node;
  }

  #hold(node: JinjaNode, environment: JinjaEnvironment): HeldNode {
    return { type: "Held", value: this.evaluate(node, environment) };
  }

  #checkGrowth(
    name: string,
    operand: JinjaValue,
    args: readonly JinjaNode[],
    environment: JinjaEnvironment,
  ): readonly JinjaNode[] {
    const magnitudes: number[] = [];
    const held = args.map((arg) => {
      // Keyword arguments and unpackings wrap the expression; a plain argument is one.
      const field = "argument" in arg ? "argument" : arg.type === "KeywordArgumentExpression" ? "value" : undefined;
      const inner = field === undefined ? arg : (arg as unknown as Record<string, JinjaNode>)[field];
      const value = this.#hold(inner as JinjaNode, environment);
      magnitudes.push(...this.#magnitudes(value.value));
      return field === undefined ? value : { ...arg, [field]: value };
    });
    const bound = GROWTH[name]?.(this.#measure(operand), magnitudes) ?? 0;
    if (!(bound <= this.#limits.maxLength)) {
      throw templateFailed(`makes a text too long with ${name}`);
    }
    return held;
  }

  /** Lengths of texts and sizes of numbers, of the entries too where the argument is a container to be unpacked. */
  #magnitudes({ type, value }: JinjaValue): readonly number[] {
    if (typeof value === "string") return [value.length];
    if (typeof value === "number") return [Math.abs(value)];
    const isContainer = Array.isArray(value) || value instanceof Map;
    if (!isContainer || type === "NamespaceValue") return [0];
    const entries = [...(value as readonly JinjaValue[] | ReadonlyMap<string, JinjaValue>).values()];
    if (entries.length > MAX_UNPACKED) throw templateFailed("unpacks too many arguments");
    return entries.map((entry) =>
      typeof entry.value === "number" ? Math.abs(entry.value) : this.#measure(entry).length,
    );
  }

  #measure(value: JinjaValue): Size {
    const size = this.#sizes.get(value) ?? this.#measureAnew(value);
    if (size.length > this.#limits.maxLength) throw templateFailed("makes a value too long");
    return size;
  }

  #measureAnew(value: JinjaValue): Size {
    const content = value.value;
    if (typeof content === "string") return { length: content.length, depth: 0 };
    if (Array.isArray(content)) return this.#measureEntries(value, content, 0);
    if (!(content instanceof Map)) return OTHER_SIZE;
    const entries = content as ReadonlyMap<string, JinjaValue>;
    return value.type === "NamespaceValue"
      ? this.#measureNamespace(entries)
      : this.#measureEntries(value, [...entries.values()], sumKeys(entries));
  }

  #measureEntries(owner: JinjaValue, entries: readonly JinjaValue[], keysLength: number): Size {
    let length = keysLength;
    let depth = 0;
    for (const entry of entries) {
      // A namespace can change after it was measured, even into holding itself.
      if (entry?.type === "NamespaceValue") {
        throw templateFailed("puts a namespace into a container");
      }
      const size = entry === undefined ? { length: 0, depth: 0 } : this.#measure(entry);
      length += size.length + 4;
      depth = Math.max(depth, size.depth);
    }
    const size = { length, depth: depth + 1 };
    if (size.depth > this.#limits.maxDepth) throw templateFailed("nests containers too deeply");
    this.#charge(entries.length / CHARACTERS_PER_STEP);
    this.#sizes.set(owner, size);
    return size;
  }

  /** Namespaces are the only values that change: measured every time, and never inside each other. */
  #measureNamespace(content: ReadonlyMap<string, JinjaValue>): Size {
    let length = sumKeys(content);
    for (const entry of content.values()) {
      if (entry.type === "NamespaceValue") {
        throw templateFailed("puts a namespace into a namespace");
      }
      length += this.#measure(entry).length + 4;
    }
    return { length, depth: 1 };
  }
}

function isHeld(node: JinjaNode): node is HeldNode {
  return node.type === "Held";
}

function sumKeys(map: ReadonlyMap<unknown, unknown>): number {
  let length = 0;
  for (const key of map.keys()) length += String(key).length;
  return length;
}
