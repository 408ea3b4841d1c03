// One row of own data as JSON has it: `{"text": …}`, or a conversation `{"messages": […], "tools": […], "thinking": …}`
// in the OpenAI shape. Checked when a file is first read, so that no row fails hours into a run.
// Refuses to know files and tokens.

import { checkMessages, checkTools } from "../../tokenizer/chat-request.ts";
import { isJsonObject } from "../../tokenizer/tokenizer-json.ts";
import { MimoError } from "../../util/errors.ts";
import type { Sample } from "../data/sample.ts";
import { badData, excerpt } from "./faults.ts";

const SHAPES = 'an object with "text" or "messages"';

/** Undefined for a row that says nothing. Throws `invalid_argument` that begins with `place`. */
export function parseRow(json: string, place: string): Sample | undefined {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw badData(place, SHAPES, `${(cause as Error).message} in ${excerpt(json.trim())}`, "Correct the line as JSON.");
  }
  if (!isJsonObject(value)) throw badData(place, SHAPES, excerpt(json.trim()));
  if (value["messages"] !== undefined) return conversationOf(value, place);
  const { text } = value as { text?: unknown };
  if (text === undefined) throw badData(place, SHAPES, `the fields ${Object.keys(value).join(", ") || "none"}`);
  if (typeof text !== "string") throw badData(place, 'a string as "text"', excerpt(JSON.stringify(text)));
  return text.trim() === "" ? undefined : { kind: "text", text, isDivisible: true };
}

function conversationOf(value: Readonly<Record<string, unknown>>, place: string): Sample {
  const thinking = value["thinking"] ?? undefined;
  if (thinking !== undefined && typeof thinking !== "boolean") {
    throw badData(place, 'true or false as "thinking"', excerpt(JSON.stringify(thinking)));
  }
  try {
    const messages = checkMessages(value["messages"]);
    if (!messages.some(({ role }) => role === "assistant")) {
      const roles = [...new Set(messages.map(({ role }) => role))].join(", ");
      throw badData(place, "a message of the assistant, which is what is learnt", `only ${roles}`);
    }
    return {
      kind: "chat",
      messages,
      tools: checkTools(value["tools"]),
      thinking: thinking ?? messages.some(({ reasoning_content: reasoning = "" }) => reasoning !== ""),
      isDivisible: true,
    };
  } catch (error) {
    if (!(error instanceof MimoError) || error.param === "data") throw error;
    throw new MimoError("invalid_argument", `${place}: ${error.message}`, {
      param: "data",
      remedy: "Conversations are in the OpenAI shape: a list of messages, each with a role and its content.",
    });
  }
}
