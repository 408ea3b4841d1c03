// Whether a call that the model wrote is one that its tool takes.

import { validateValue } from "../schema/validate.ts";
import type { ToolDefinition } from "../tokenizer/chat-request.ts";
import type { ParsedToolCall } from "./events.ts";

export type CallValidation = { readonly ok: true } | { readonly ok: false; readonly errors: readonly string[] };

/** Errors are sentences that can be shown to the model. */
export function checkCall(call: ParsedToolCall, tools: readonly ToolDefinition[]): CallValidation {
  if ("error" in call) return { ok: false, errors: [call.error] };
  const tool = tools.find((each) => each.function.name === call.name);
  if (tool === undefined) return { ok: false, errors: [`There is no tool named ${call.name}.`] };
  const errors = validateValue(call.arguments, tool.function.parameters ?? true);
  return errors.length === 0 ? { ok: true } : { ok: false, errors };
}
