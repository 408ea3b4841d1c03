// `mimo config`: what the settings of a command are, and which flag, variable or file each comes from.

import { Argument, Command } from "commander";
import { stringify } from "yaml";
import type { Cli } from "../cli.ts";
import { examples } from "../options.ts";
import { addSettingOptions, allSettings, readSettings, type Resolved, type SettingFlags } from "../settings/resolve.ts";
import { SERVE_SETTINGS } from "../settings/serve-settings.ts";
import { presetText, settingName, valueText } from "../settings/setting.ts";

interface ConfigFlags extends SettingFlags {
  readonly explain?: boolean;
  readonly json?: boolean;
}

export function configCommand(cli: Cli): Command {
  const command = new Command("config")
    .description("Print the settings of a command, as mimo.yaml has them, or with where each comes from.")
    .addArgument(new Argument("[command]", "whose settings").choices(["serve"]).default("serve"))
    .option("--explain", "print every setting with its value and its source")
    .option("--json", "print JSON");
  // The command's own flags are understood, to see what they would do.
  return addSettingOptions(command, SERVE_SETTINGS, true)
    .action((section: string, flags: ConfigFlags) => config(cli, section, flags))
    .addHelpText(
      "after",
      examples(
        ["mimo config --explain serve", "Every setting of `mimo serve`, its value, and where it comes from."],
        ["mimo config serve --port 8000 > mimo.yaml", "A file of settings to start from."],
      ),
    );
}

async function config(cli: Cli, section: string, flags: ConfigFlags): Promise<void> {
  const { output } = cli;
  const resolved = await readSettings(cli, section, SERVE_SETTINGS, flags);
  if (flags.json === true) {
    const settings = Object.entries(resolved).map(([key, one]) => [settingName(key), plain(one)]);
    output.json({ [section]: Object.fromEntries(settings) as object });
  } else if (flags.explain === true) {
    const rows = allSettings(SERVE_SETTINGS).map(([key, setting]) => {
      const { value, source } = resolved[key] as Resolved;
      const shown = source === "default" ? (presetText(setting) ?? "") : valueText(value);
      return [settingName(key), output.untrusted(source), output.untrusted(shown)];
    });
    const widths = [0, 1].map((column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
    for (const row of [["setting", "from", "value"], ...rows])
      output.line(
        row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join("  ")
          .trimEnd(),
      );
  } else {
    const said = Object.entries(resolved).filter(([, { value }]) => value !== undefined);
    const values = said.map(([key, { value }]) => [settingName(key), value === Infinity ? "all" : value]);
    output.write(stringify({ [section]: Object.fromEntries(values) as object }));
  }
}

function plain({ value, source }: Resolved): object {
  // JSON has no word for no limit.
  return { value: value === undefined ? null : value === Infinity ? "all" : value, source };
}
