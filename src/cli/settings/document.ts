// The settings as the document of the server has them: tables in Markdown, one for each group.

import { presetText, type SettingGroups, settingName, variableName } from "./setting.ts";

const BEGIN = "<!-- settings: made of the table in src/cli/settings, by `npx vitest run src/cli/settings -u` -->";
const END = "<!-- end of settings -->";

export function settingsDocument(groups: SettingGroups): string {
  return Object.entries(groups)
    .map(([group, settings]) => {
      const rows = Object.entries(settings).map(([key, setting]) => [
        `\`--${settingName(key)}\``,
        `\`${variableName(key)}\``,
        setting.help.replaceAll("|", "\\|"),
        presetText(setting) ?? "",
      ]);
      return `### ${group}\n\n${markdownTable([["flag, key", "variable", "is", "default"], ...rows])}`;
    })
    .join("\n\n");
}

/** A document with its tables made anew. */
export function withSettings(document: string, groups: SettingGroups): string {
  const [before = "", rest = ""] = document.split(BEGIN);
  const [, after = ""] = rest.split(END);
  return `${before}${BEGIN}\n\n${settingsDocument(groups)}\n\n${END}${after}`;
}

/** With columns that line up, as the formatter wants them. */
function markdownTable(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const [head = [], ...body] = rows.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)));
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...body.map(line)].join("\n");
}
