// What a setting is. A table of them is everything there is to know: flags, names in the environment, keys of the file,
// the document and `mimo config --explain` are made of it.
//
// `maxQueue` is --max-queue, MIMO_MAX_QUEUE and max-queue. Refuses to know where a value comes from.

import { z } from "zod";

/** How text becomes a value: as it stands, as a number, as one or several parts, as yes or no. */
export type SettingForm = "text" | "number" | "list" | "switch";

export interface Setting<Value = unknown> {
  readonly form: SettingForm;
  /** What a value must be, whatever it was written as. */
  readonly schema: z.ZodType<Value>;
  readonly help: string;
  /** How help names the value; undefined for a switch. */
  readonly placeholder: string | undefined;
  readonly preset: Value | undefined;
  /** What holds without a value, where that is not a constant. */
  readonly presetText: string | undefined;
  /** Further names of the flag. */
  readonly aliases: readonly string[];
}

export type SettingGroups = Readonly<Record<string, Readonly<Record<string, Setting>>>>;

interface Given<Preset> {
  readonly placeholder?: string;
  readonly preset?: Preset;
  readonly presetText?: string;
  readonly aliases?: readonly string[];
}

/** What is settled has a value always; anything else may be missing. */
type Settled<Value, Preset> = Setting<Value> & { readonly preset: Preset extends undefined ? undefined : Value };

export function text<const P extends string | undefined = undefined>(help: string, given: Given<P> = {}) {
  return make<string, P>("text", z.string().min(1), help, "text", given);
}

export function integer<const P extends number | undefined = undefined>(
  help: string,
  range: readonly [min: number, max: number],
  given: Given<P> = {},
) {
  return make<number, P>("number", z.int().min(range[0]).max(range[1]), help, "n", given);
}

export function decimal<const P extends number | undefined = undefined>(
  help: string,
  range: readonly [min: number, max: number],
  given: Given<P> = {},
) {
  return make<number, P>("number", z.number().min(range[0]).max(range[1]), help, "number", given);
}

export function choice<const T extends string, const P extends T | undefined = undefined>(
  help: string,
  choices: readonly T[],
  given: Given<P> = {},
) {
  const schema: z.ZodType<T> = z.enum(choices as readonly [T, ...T[]]) as unknown as z.ZodType<T>;
  return make<T, P>("text", schema, `${help}: ${choices.join(", ")}`, "name", given);
}

export function list<const P extends readonly string[] | undefined = undefined>(help: string, given: Given<P> = {}) {
  return make<readonly string[], P>("list", z.array(z.string().min(1)), help, "text", given);
}

export function toggle(help: string): Settled<boolean, false> {
  return make<boolean, false>("switch", z.boolean(), help, undefined, { preset: false });
}

/** A value that the command line writes in a way of its own; `parse` throws what is wrong with it. */
export function custom<T>(help: string, parse: (text: string) => T, given: Given<undefined> = {}) {
  const schema = z.union([z.string(), z.number()]).transform((value, context): T => {
    try {
      return parse(String(value));
    } catch (error) {
      context.addIssue({ code: "custom", message: (error as Error).message });
      return z.NEVER;
    }
  });
  return make<T, undefined>("text", schema, help, "text", given);
}

function make<Value, Preset>(
  form: SettingForm,
  schema: z.ZodType<Value>,
  help: string,
  placeholder: string | undefined,
  given: Given<Preset>,
): Settled<Value, Preset> {
  return {
    form,
    schema,
    help,
    placeholder: given.placeholder ?? placeholder,
    preset: given.preset as (Preset extends undefined ? undefined : Value) & (Value | undefined),
    presetText: given.presetText,
    aliases: given.aliases ?? [],
  };
}

/** `maxQueue` as flags and files have it: max-queue. */
export function settingName(key: string): string {
  return key.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** `maxQueue` as the environment has it: MIMO_MAX_QUEUE. */
export function variableName(key: string): string {
  return `MIMO_${settingName(key).replaceAll("-", "_").toUpperCase()}`;
}

/** What holds where nothing is said, as text; undefined where nothing does. */
export function presetText({ preset, presetText: said }: Setting): string | undefined {
  if (said !== undefined || preset === undefined) return said;
  return valueText(preset);
}

/** A value as people read it. */
export function valueText(value: unknown): string {
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.length === 0 ? "none" : value.join(", ");
  if (value === Infinity) return "all";
  return typeof value === "string" ? value : JSON.stringify(value);
}
