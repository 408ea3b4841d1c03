// The tools of the tool tasks: definitions that a model sees, and simulators that execute its calls.
//
// A box is opened on a world (time, weather, notes) and is as hostile-proof as tools must be: any name and any
// arguments give a result string, and what cannot be done gives one that begins with "Error:". Only notes change.
// Refuses to know dialogues.

import type { ToolDefinition } from "../../tokenizer/chat-request.ts";

export interface ToolWorld {
  /** "14:35" */
  readonly time: string;
  /** City to weather. */
  readonly weather: Readonly<Record<string, Weather>>;
  readonly notes: Readonly<Record<string, string>>;
}

export interface Weather {
  readonly sky: string;
  readonly degrees: number;
}

export interface ToolBox {
  /** What the tool gives back. Never throws. */
  readonly call: (name: string, args: unknown) => string;
}

type Arguments = Readonly<Record<string, unknown>>;

interface Property {
  readonly type: "string" | "number";
  readonly description: string;
}

function define(name: string, description: string, properties: Readonly<Record<string, Property>>): ToolDefinition {
  const required = Object.keys(properties);
  return { type: "function", function: { name, description, parameters: { type: "object", properties, required } } };
}

export const TOOLS = {
  calculator: define("calculator", "Computes an expression.", {
    expression: { type: "string", description: "Numbers with + - * / and ( )." },
  }),
  clock: define("clock", "Tells the time.", {}),
  weather: define("weather", "Tells the weather of a city.", {
    city: { type: "string", description: "The name of the city." },
  }),
  save_note: define("save_note", "Keeps a text under a name.", {
    name: { type: "string", description: "The name of the note." },
    text: { type: "string", description: "What to keep." },
  }),
  read_note: define("read_note", "Reads a note.", { name: { type: "string", description: "The name of the note." } }),
  list_notes: define("list_notes", "Lists the names of all notes.", {}),
  convert: define("convert", "Converts a value between units.", {
    value: { type: "number", description: "The value." },
    from: { type: "string", description: "Its unit." },
    to: { type: "string", description: "The unit wanted." },
  }),
} as const satisfies Readonly<Record<string, ToolDefinition>>;

export type ToolName = keyof typeof TOOLS;

/** What is wrong with a call by its tool's schema, or undefined. */
export function callProblem(tools: readonly ToolDefinition[], name: string, args: unknown): string | undefined {
  const tool = tools.find((one) => one.function.name === name);
  if (tool === undefined) return `there is no tool called ${name}`;
  if (!isObject(args)) return "the arguments are not an object";
  const { properties = {}, required = [] } = (tool.function.parameters ?? {}) as {
    properties?: Readonly<Record<string, Property>>;
    required?: readonly string[];
  };
  const missing = required.find((key) => !Object.hasOwn(args, key));
  if (missing !== undefined) return `the argument ${missing} is missing`;
  for (const [key, value] of Object.entries(args)) {
    const type = Object.hasOwn(properties, key) ? properties[key]?.type : undefined;
    if (type === undefined) return `there is no argument ${key}`;
    if (typeof value !== type) return `the argument ${key} is not a ${type}`;
  }
  return undefined;
}

export function openToolBox(world: ToolWorld): ToolBox {
  const notes = new Map(Object.entries(world.notes));
  const execute: Readonly<Record<ToolName, (args: Arguments) => string>> = {
    calculator: ({ expression }) => calculate(String(expression)),
    clock: () => world.time,
    weather: ({ city }) => {
      const name = String(city);
      const found = Object.hasOwn(world.weather, name) ? world.weather[name] : undefined;
      return found === undefined ? `Error: no weather for ${name}.` : describeWeather(found);
    },
    save_note: ({ name, text }) => {
      notes.set(String(name), String(text));
      return "Saved.";
    },
    read_note: ({ name }) => notes.get(String(name)) ?? `Error: no note called ${String(name)}.`,
    list_notes: () => (notes.size === 0 ? "There are no notes." : [...notes.keys()].join(", ")),
    convert: ({ value, from, to }) => convert(Number(value), String(from), String(to)),
  };
  const tools = Object.values(TOOLS);
  return {
    call: (name, args) => {
      const problem = callProblem(tools, name, args);
      return problem === undefined ? execute[name as ToolName](args as Arguments) : `Error: ${problem}.`;
    },
  };
}

export function describeWeather({ sky, degrees }: Weather): string {
  return `${sky}, ${degrees} degrees`;
}

/** Units that can be converted into each other: how many of the base unit each is. */
export const UNITS: readonly Readonly<Record<string, number>>[] = [
  { meters: 1, kilometers: 1000, centimeters: 0.01, millimeters: 0.001 },
  { grams: 1, kilograms: 1000, tons: 1_000_000 },
  { seconds: 1, minutes: 60, hours: 3600, days: 86_400, weeks: 604_800 },
  { liters: 1, milliliters: 0.001 },
  { cents: 1, dollars: 100 },
];

function convert(value: number, from: string, to: string): string {
  const family = UNITS.find((units) => Object.hasOwn(units, from));
  if (family === undefined) return `Error: unknown unit ${from}.`;
  if (!Object.hasOwn(family, to)) return `Error: ${from} cannot become ${to}.`;
  return formatNumber((value * family[from]!) / family[to]!);
}

/** At most six digits behind the point, and none that binary fractions make up. */
function formatNumber(value: number): string {
  return String(Number(value.toFixed(6)));
}

const MAX_EXPRESSION = 200;

function calculate(expression: string): string {
  const tokens = expression.match(/\d+(?:\.\d+)?|[-+*/()]|\S/g) ?? [];
  if (tokens.length === 0 || expression.length > MAX_EXPRESSION) return "Error: the expression cannot be read.";
  const state: Reading = { tokens, place: 0 };
  const value = readSum(state);
  if (value === undefined || state.place < tokens.length) return "Error: the expression cannot be read.";
  return Number.isFinite(value) ? formatNumber(value) : "Error: division by zero.";
}

interface Reading {
  readonly tokens: readonly string[];
  place: number;
}

function readSum(state: Reading): number | undefined {
  let value = readProduct(state);
  while (value !== undefined && /^[-+]$/.test(state.tokens[state.place] ?? "")) {
    const operator = state.tokens[state.place++];
    const next = readProduct(state);
    if (next === undefined) return undefined;
    value = operator === "+" ? value + next : value - next;
  }
  return value;
}

function readProduct(state: Reading): number | undefined {
  let value = readValue(state);
  while (value !== undefined && /^[*/]$/.test(state.tokens[state.place] ?? "")) {
    const operator = state.tokens[state.place++];
    const next = readValue(state);
    if (next === undefined) return undefined;
    value = operator === "*" ? value * next : value / next;
  }
  return value;
}

function readValue(state: Reading): number | undefined {
  const token = state.tokens[state.place++] ?? "";
  if (token === "-") {
    const value = readValue(state);
    return value === undefined ? undefined : -value;
  }
  if (token === "(") {
    const value = readSum(state);
    return state.tokens[state.place++] === ")" ? value : undefined;
  }
  return /^\d/.test(token) ? Number(token) : undefined;
}

function isObject(value: unknown): value is Arguments {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
