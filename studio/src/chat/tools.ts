// Tools that run in this page: a calculator and a clock. They read their arguments and nothing else of the page.

import { calculate } from "./calculator.ts";

export interface BuiltInTool {
  readonly description: string;
  /** JSON Schema. */
  readonly parameters: object;
  /** Throws an error with a sentence for the model. */
  readonly run: (parameters: Readonly<Record<string, unknown>>) => string;
}

export const builtInTools: ReadonlyMap<string, BuiltInTool> = new Map([
  [
    "calculator",
    {
      description: "Evaluates an arithmetic expression with + - * / % ^ and parentheses.",
      parameters: {
        type: "object",
        properties: { expression: { type: "string", description: "Such as (3 + 4) * 5." } },
        required: ["expression"],
      },
      run: ({ expression }) => {
        if (typeof expression !== "string") throw new Error("expression must be a string.");
        return String(calculate(expression));
      },
    },
  ],
  [
    "current_time",
    {
      description: "The current date and time.",
      parameters: {
        type: "object",
        properties: { timezone: { type: "string", description: "IANA name, such as Asia/Shanghai." } },
      },
      run: ({ timezone }) => currentTime(typeof timezone === "string" && timezone !== "" ? timezone : undefined),
    },
  ],
]);

function currentTime(timeZone: string | undefined): string {
  const options = { dateStyle: "full", timeStyle: "long", timeZone } as const;
  try {
    return new Intl.DateTimeFormat("en", options).format(new Date());
  } catch {
    throw new Error(`There is no time zone ${JSON.stringify(timeZone)}. Use an IANA name, such as Asia/Shanghai.`);
  }
}

/** Throws where the arguments are no JSON object, and as the tool. */
export function runTool(tool: BuiltInTool, json: string): string {
  const parameters: unknown = JSON.parse(json === "" ? "{}" : json);
  if (typeof parameters !== "object" || parameters === null) throw new Error("The arguments must be a JSON object.");
  return tool.run(parameters as Readonly<Record<string, unknown>>);
}
