// Texts that a model writes while it is trained, one line each in samples.jsonl, for people to follow how it learns.
// Lines of steps that will be taken again are forgotten. Refuses to know how texts come about.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { encodeChat } from "../tokenizer/chat.ts";
import { UNHURRIED } from "../tokenizer/chat-template.ts";
import type { Tokenizer } from "../tokenizer/tokenizer.ts";
import type { SamplePrompt } from "./recipe.ts";

export interface WrittenText {
  readonly stage: string;
  readonly step: number;
  readonly totalSteps: number;
  readonly prompt: string;
  readonly text: string;
}

const FILE = "samples.jsonl";

export function appendTexts(folder: string, texts: readonly WrittenText[]): void {
  appendFileSync(join(folder, FILE), texts.map((text) => `${JSON.stringify(text)}\n`).join(""));
}

/** Keeps what was written up to a step. */
export function forgetTextsAfter(folder: string, totalSteps: number): void {
  const path = join(folder, FILE);
  if (!existsSync(path)) return;
  const lines = readFileSync(path, "utf8").split("\n");
  const kept = lines.filter((line) => (stepOf(line) ?? Infinity) <= totalSteps);
  if (kept.length < lines.length) writeFileSync(path, kept.map((line) => `${line}\n`).join(""));
}

export function promptText(prompt: SamplePrompt): string {
  return typeof prompt === "string" ? prompt : prompt.chat;
}

export function encodePrompt(tokenizer: Tokenizer, prompt: SamplePrompt): readonly number[] {
  if (typeof prompt === "string") return tokenizer.encode(prompt);
  return encodeChat(tokenizer, { messages: [{ role: "user", content: prompt.chat }] }, undefined, UNHURRIED).ids;
}

/** Undefined for the part of a line that a killed run has left. */
function stepOf(line: string): number | undefined {
  try {
    return (JSON.parse(line) as WrittenText).totalSteps;
  } catch {
    return undefined;
  }
}
