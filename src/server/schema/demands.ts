// What a request demands of its answer: which tools it may or must call, and what its text is. The fields, as OpenAI's
// two APIs and Anthropic's have them, and what they mean to the library.
//
// A demand is kept or refused, never passed over. Refuses to know how it is enforced.

import { z } from "zod";
import type { ResponseFormat, ToolChoice } from "../../api/constrain.ts";
import type { UnsupportedFields } from "../body.ts";
import { invalid } from "../errors.ts";
import { depthOf } from "../json.ts";
import { LIMITS } from "../options.ts";
import { flag, optional, text } from "./fields.ts";

const called = z.looseObject({ type: z.literal("function"), function: z.looseObject({ name: z.string() }) });
const named = z.looseObject({ type: z.literal("function"), name: z.string() });
const mode = z.enum(["auto", "required"]);
const choices = z.enum(["auto", "none", "required"]);
const CHOICE_ERROR = { error: 'must be "auto", "none", "required", a function, or allowed_tools that are functions.' };

export const TOOL_CHOICE = optional(
  z.union(
    [
      choices,
      called,
      z.looseObject({
        type: z.literal("allowed_tools"),
        allowed_tools: z.looseObject({ mode, tools: z.array(called).min(1) }),
      }),
    ],
    CHOICE_ERROR,
  ),
);

/** The same in a Responses request. */
export const FLAT_TOOL_CHOICE = optional(
  z.union(
    [choices, named, z.looseObject({ type: z.literal("allowed_tools"), mode, tools: z.array(named).min(1) })],
    CHOICE_ERROR,
  ),
);

const plainText = z.looseObject({ type: z.literal("text") });
const jsonObject = z.looseObject({ type: z.literal("json_object") });
const schema = z.record(z.string(), z.unknown(), { error: "must be a JSON Schema, which is an object." });
const schemaFields = { name: text, description: text, schema, strict: flag };
const FORMAT_ERROR = { error: 'must be "text", "json_object" or "json_schema".' };

export const RESPONSE_FORMAT = optional(
  z.discriminatedUnion(
    "type",
    [
      plainText,
      jsonObject,
      z.looseObject({ type: z.literal("json_schema"), json_schema: z.looseObject(schemaFields) }),
    ],
    FORMAT_ERROR,
  ),
);

/** The same in a Responses request. */
export const TEXT_FORMAT = optional(
  z.discriminatedUnion(
    "type",
    [plainText, jsonObject, z.looseObject({ type: z.literal("json_schema"), ...schemaFields })],
    FORMAT_ERROR,
  ),
);

/** The same in Anthropic's. */
export const OUTPUT_FORMAT = optional(
  z.looseObject({ type: z.literal("json_schema", { error: 'must be "json_schema".' }), schema }),
);

export type ToolChoiceField = z.output<typeof TOOL_CHOICE>;
export type ResponseFormatField = z.output<typeof RESPONSE_FORMAT>;

export function toolChoiceOf(choice: ToolChoiceField = "auto"): ToolChoice {
  if (typeof choice === "string") return choice;
  if (choice.type === "function") return { name: choice.function.name };
  const { mode: allowedMode, tools } = choice.allowed_tools;
  return { allowed: tools.map((tool) => tool.function.name), mode: allowedMode };
}

/** Throws `invalid_argument` for a schema that is too large, or stands where none is read. */
export function responseFormatOf(format: ResponseFormatField = { type: "text" }): ResponseFormat {
  if (format.type === "json_schema") {
    const { schema: asked, strict } = format.json_schema;
    checkSchemaSize(asked, "response_format.json_schema.schema");
    return { type: "json_schema", schema: asked, strict };
  }
  // Where other servers look for one.
  const stray = ["schema", "json_schema"].find((field) => (format[field] ?? undefined) !== undefined);
  if (stray !== undefined) throw invalid(`response_format.${stray}`, 'needs type "json_schema".');
  return { type: format.type };
}

/** Throws `invalid_argument`. */
export function checkSchemaSize(asked: unknown, path: string): void {
  if (JSON.stringify(asked).length > LIMITS.schemaBytes)
    throw invalid(path, `is larger than ${LIMITS.schemaBytes} bytes.`);
  if (depthOf(asked) > LIMITS.schemaDepth) throw invalid(path, `is nested more than ${LIMITS.schemaDepth} deep.`);
}

/** Other servers' ways to demand a format, refused by name; `fields` are those that this API lacks, too. */
export function otherFormats(why: string, fields: readonly string[] = []): UnsupportedFields {
  const others = ["guided_json", "guided_regex", "guided_choice", "guided_grammar", "grammar", "json_schema"];
  return Object.fromEntries([...others, "structured_outputs", ...fields].map((field) => [field, { why }]));
}
