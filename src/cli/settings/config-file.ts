// The file of settings, mimo.yaml: a section for each command, in it the names of the flags.
//
//   serve:
//     port: 8000
//     served-model-name: [mimo]
//
// Every key must be known: a file that is half understood is refused, with what may have been meant.

import { existsSync } from "node:fs";
import { parse } from "yaml";
import { z } from "zod";
import { MimoError } from "../../util/errors.ts";
import { readTextFile } from "../files.ts";
import type { Cli } from "../cli.ts";
import { nearest } from "./nearest.ts";
import { type Setting, type SettingGroups, settingName } from "./setting.ts";

export const DEFAULT_CONFIG_FILE = "mimo.yaml";

export interface ConfigFile {
  readonly path: string;
  /** Checked values by key. */
  readonly values: Readonly<Record<string, unknown>>;
}

/** The section of one command. Without a path, the working folder's mimo.yaml, if there is one. Throws `not_found`, `invalid_argument`. */
export async function readConfigFile(
  cli: Pick<Cli, "input">,
  path: string | undefined,
  section: string,
  groups: SettingGroups,
): Promise<ConfigFile | undefined> {
  if (path === undefined && !existsSync(DEFAULT_CONFIG_FILE)) return undefined;
  const file = path ?? DEFAULT_CONFIG_FILE;
  const content = parseYaml(await readTextFile(file, cli), file);
  return { path: file, values: checkConfig(content, file, section, groups) };
}

function parseYaml(content: string, file: string): unknown {
  try {
    // An empty file says nothing, and that is fine.
    return (parse(content) as unknown) ?? {};
  } catch (cause) {
    throw new MimoError("invalid_argument", `${file}: expected YAML: ${(cause as Error).message.split("\n")[0]}`, {
      param: "config",
      cause,
    });
  }
}

/** Values of a section by key. Throws `invalid_argument` with every fault. */
export function checkConfig(
  content: unknown,
  file: string,
  section: string,
  groups: SettingGroups,
): Readonly<Record<string, unknown>> {
  const settings = Object.entries(Object.assign({}, ...Object.values(groups)) as Record<string, Setting>);
  const shape = Object.fromEntries(settings.map(([key, { schema }]) => [settingName(key), schema.optional()]));
  const parsed = z
    .strictObject({ [section]: z.strictObject(shape).nullish() })
    .safeParse(content, { error: (issue) => (issue.code === "unrecognized_keys" ? "" : undefined) });
  if (!parsed.success) {
    const faults = parsed.error.issues.flatMap((issue) => describe(issue, section, Object.keys(shape)));
    throw new MimoError("invalid_argument", faults.map((fault) => `${file}: ${fault}`).join(" "), {
      param: "config",
      remedy: "Correct the file; `mimo config --explain` shows every setting.",
    });
  }
  const values = parsed.data[section] ?? {};
  return Object.fromEntries(
    settings.flatMap(([key]) => {
      const value = values[settingName(key)];
      return value === undefined ? [] : [[key, value]];
    }),
  );
}

function describe(issue: z.core.$ZodIssue, section: string, names: readonly string[]): readonly string[] {
  const path = issue.path.map(String);
  if (issue.code !== "unrecognized_keys") return [`${path.join(".") || "the file"}: ${issue.message}.`];
  return issue.keys.map((key) => {
    const known = path.length === 0 ? [section] : names;
    const meant = nearest(key, known);
    const hint = meant === undefined ? "" : `; did you mean ${[...path, meant].join(".")}?`;
    return `${[...path, key].join(".")} is not a setting${hint === "" ? "." : hint}`;
  });
}
