// What the command line takes from its surroundings: environment variables, standard folders, the package's own
// files. The only place that reads the environment; everything else is told.

import { readFileSync } from "node:fs";
import { homedir } from "node:os";
import { isAbsolute, join } from "node:path";
import { packageRoot } from "../util/package-root.ts";

export interface Environment {
  /** Whether colours are asked for or refused, by FORCE_COLOR or NO_COLOR; undefined where neither says. */
  readonly colour: boolean | undefined;
  /** What a user would miss; `$XDG_STATE_HOME/mimo-flash`. */
  readonly stateFolder: string;
  /** Variables of this project, MIMO_…, by name. */
  readonly variables: Readonly<Record<string, string>>;
  /** All variables, for programs that are started from here. */
  readonly inherited: NodeJS.ProcessEnv;
}

export function readEnvironment(variables: NodeJS.ProcessEnv = process.env): Environment {
  const folder = (name: string, fallback: string): string => {
    const value = variables[name];
    // The XDG specification has relative paths ignored.
    return join(value !== undefined && isAbsolute(value) ? value : join(homedir(), fallback), "mimo-flash");
  };
  return {
    colour: readColour(variables),
    stateFolder: folder("XDG_STATE_HOME", join(".local", "state")),
    variables: Object.fromEntries(
      Object.entries(variables).flatMap(([name, value]) =>
        name.startsWith("MIMO_") && value !== undefined ? [[name, value]] : [],
      ),
    ),
    inherited: variables,
  };
}

function readColour(variables: NodeJS.ProcessEnv): boolean | undefined {
  if ((variables["NO_COLOR"] ?? "") !== "" || variables["TERM"] === "dumb") return false;
  return (variables["FORCE_COLOR"] ?? "") === "" ? undefined : variables["FORCE_COLOR"] !== "0";
}

/** Where `mimo keys` keeps the hashes of API keys, and `mimo serve` looks for them. */
export function defaultKeyFile({ stateFolder }: Environment): string {
  return join(stateFolder, "api-keys.json");
}

/** Where `mimo serve` counts tokens by API key and day, and `mimo keys usage` reads them. */
export function defaultUsageFile({ stateFolder }: Environment): string {
  return join(stateFolder, "usage.json");
}

export function packageVersion(): string {
  const manifest = JSON.parse(readFileSync(join(packageRoot(), "package.json"), "utf8")) as {
    readonly version: string;
  };
  return manifest.version;
}

/** The model that comes with the package. */
export function embeddedModel(): string {
  return join(packageRoot(), "models", "nano");
}

/** The web studio that comes with the package, once it is built. */
export function embeddedStudio(): string {
  return join(packageRoot(), "dist", "studio");
}
