// Where a setting's value comes from: its flag, or else the environment, or else the file, or else its default.

import { type Command, InvalidArgumentError, Option } from "commander";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { readConfigFile } from "./config-file.ts";
import { presetText, type Setting, type SettingGroups, settingName, variableName } from "./setting.ts";

export interface Resolved {
  readonly value: unknown;
  /** For people: "flag --port", "MIMO_PORT", "mimo.yaml" or "default". */
  readonly source: string;
}

type Union<Groups> = Groups[keyof Groups];
type ValueOf<S> = S extends { readonly schema: { readonly _output: infer Value }; readonly preset: infer Preset }
  ? Preset extends undefined
    ? Value | undefined
    : Value
  : never;
type Keys<Group> = Group extends unknown ? keyof Group : never;
type At<Group, Key> = Group extends unknown ? (Key extends keyof Group ? Group[Key] : never) : never;

/** The values of a table, by key. */
export type SettingValues<Groups extends SettingGroups> = {
  readonly [Key in Keys<Union<Groups>>]: ValueOf<At<Union<Groups>, Key>>;
};

export interface ResolveInput {
  /** What was given on the command line, by key: text, or whether a switch is on. */
  readonly flags: Readonly<Record<string, unknown>>;
  /** Variables by name. */
  readonly variables: Readonly<Record<string, string>>;
  readonly file?: { readonly path: string; readonly values: Readonly<Record<string, unknown>> } | undefined;
}

export interface SettingFlags {
  readonly config?: string;
}

export function allSettings(groups: SettingGroups): readonly (readonly [key: string, setting: Setting])[] {
  return Object.values(groups).flatMap((group) => Object.entries(group));
}

/** Gives a command a flag for every setting, and --config. Values stay unset where no flag is given. */
export function addSettingOptions(command: Command, groups: SettingGroups, hidden = false): Command {
  const add = (option: Option, isHidden = false): void => {
    command.addOption(option.hideHelp(hidden || isHidden));
  };
  for (const [group, settings] of Object.entries(groups)) {
    command.optionsGroup(`${group}:`);
    for (const [key, setting] of Object.entries(settings)) {
      const name = settingName(key);
      add(flagOption(name, setting));
      if (setting.form === "switch") add(new Option(`--no-${name}`), true);
      for (const alias of setting.aliases) add(flagOption(alias, setting), true);
    }
  }
  command.optionsGroup("Settings:");
  add(new Option("--config <file>", "settings, below flags and environment; default: mimo.yaml, if there is one"));
  return command;
}

function flagOption(name: string, setting: Setting): Option {
  const { form, help, placeholder } = setting;
  const preset = presetText(setting);
  const several = form === "list" ? "; may be given several times" : "";
  const description = `${help}${several}${preset === undefined || form === "switch" ? "" : `; default: ${preset}`}`;
  const option = new Option(placeholder === undefined ? `--${name}` : `--${name} <${placeholder}>`, description);
  const parse = (text: string): unknown => {
    const value = form === "list" ? [text] : fromText(setting, text);
    const problem = problemOf(setting, value);
    if (problem !== undefined) throw new InvalidArgumentError(problem);
    return value;
  };
  if (form === "switch") return option;
  return option.argParser<unknown>((text: string, others) =>
    form === "list" ? [...((others ?? []) as readonly string[]), ...(parse(text) as readonly string[])] : parse(text),
  );
}

/** Every setting with where it came from. Throws `invalid_argument` naming the variable at fault. */
export function resolveSettings(groups: SettingGroups, input: ResolveInput): Readonly<Record<string, Resolved>> {
  return Object.fromEntries(allSettings(groups).map(([key, setting]) => [key, resolveOne(key, setting, input)]));
}

function resolveOne(key: string, setting: Setting, { flags, variables, file }: ResolveInput): Resolved {
  for (const name of [settingName(key), ...setting.aliases]) {
    const given = flags[camelCase(name)];
    if (given !== undefined) return { value: checked(setting, given, `--${name}`), source: `flag --${name}` };
  }
  const variable = variableName(key);
  const said = variables[variable];
  if (said !== undefined && said !== "")
    return { value: checked(setting, fromText(setting, said), variable), source: variable };
  const written = file?.values[key];
  if (file !== undefined && written !== undefined) return { value: written, source: file.path };
  return { value: setting.preset, source: "default" };
}

/** What schemas take, of what people write. */
function fromText({ form }: Setting, text: string): unknown {
  switch (form) {
    case "text":
      return text;
    case "number":
      return text.trim() === "" || Number.isNaN(Number(text)) ? text : Number(text);
    case "list":
      return text.split(",").map((part) => part.trim());
    case "switch":
      return SWITCH_WORDS[text.toLowerCase()] ?? text;
    default:
      return form satisfies never;
  }
}

const SWITCH_WORDS: Readonly<Record<string, boolean>> = {
  "1": true,
  true: true,
  yes: true,
  on: true,
  "0": false,
  false: false,
  no: false,
  off: false,
};

function checked(setting: Setting, value: unknown, name: string): unknown {
  const parsed = setting.schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new MimoError("invalid_argument", `${name}: ${parsed.error.issues[0]?.message ?? "not valid"}.`, {
    param: name,
  });
}

function problemOf({ schema }: Setting, value: unknown): string | undefined {
  const parsed = schema.safeParse(value);
  return parsed.success ? undefined : `${parsed.error.issues[0]?.message ?? "It is not valid"}.`;
}

/** As commander keeps flags: max-queue as maxQueue. */
function camelCase(name: string): string {
  return name.replace(/-(\w)/g, (_, letter: string) => letter.toUpperCase());
}

/** The settings of a command, from all their sources. Throws as `resolveSettings` and `readConfigFile`. */
export async function readSettings(
  cli: Cli,
  section: string,
  groups: SettingGroups,
  flags: object,
): Promise<Readonly<Record<string, Resolved>>> {
  const { variables } = cli.environment;
  const { config } = flags as SettingFlags;
  const path = config ?? (variables["MIMO_CONFIG"] === "" ? undefined : variables["MIMO_CONFIG"]);
  const file = await readConfigFile(cli, path, section, groups);
  return resolveSettings(groups, { flags: flags as Readonly<Record<string, unknown>>, variables, file });
}

export function valuesOf<Groups extends SettingGroups>(
  _: Groups,
  resolved: Readonly<Record<string, Resolved>>,
): SettingValues<Groups> {
  return Object.fromEntries(Object.entries(resolved).map(([key, { value }]) => [key, value])) as SettingValues<Groups>;
}
