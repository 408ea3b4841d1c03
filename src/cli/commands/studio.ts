// `mimo studio`: `mimo serve`, with its web page opened in the browser.

import { Command } from "commander";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { openBrowser } from "../open-browser.ts";
import { examples, mcpConfigOption } from "../options.ts";
import { addSettingOptions, readSettings, type SettingFlags, valuesOf } from "../settings/resolve.ts";
import { SERVE_SETTINGS } from "../settings/serve-settings.ts";
import { hasStudio, serve } from "./serve.ts";

interface StudioFlags extends SettingFlags {
  readonly open: boolean;
  readonly mcpConfig?: string;
}

export function studioCommand(cli: Cli): Command {
  const command = new Command("studio")
    .description("Chat with a model in the browser, and look inside it.")
    .argument("[model]", "a Hugging Face folder or a .gguf file; default: the model that comes along")
    .option("--no-open", "print the page's address only")
    .addOption(mcpConfigOption());
  // How the server is set up is said as to `mimo serve`, whose help explains it.
  return addSettingOptions(command, SERVE_SETTINGS, true)
    .action((model: string | undefined, flags: StudioFlags) => studio(cli, model, flags))
    .addHelpText(
      "after",
      `\nFlags, variables and the file of \`mimo serve\` set up the server.\n${examples(
        ["mimo studio", "The model that comes along."],
        ["mimo studio model.gguf --port 8000", "A real one, at http://127.0.0.1:8000."],
        ["mimo studio --no-open", "For a browser of your own choice."],
      )}`,
    );
}

async function studio(cli: Cli, model: string | undefined, flags: StudioFlags): Promise<void> {
  const given = model === undefined ? flags : { ...flags, model };
  const resolved = await readSettings(cli, "serve", SERVE_SETTINGS, given);
  const settings = { ...valuesOf(SERVE_SETTINGS, resolved), mcpConfig: flags.mcpConfig };
  if (!hasStudio(settings))
    throw new MimoError("not_found", "The web studio is not built.", { remedy: "Build it with `npm run setup`." });
  await serve(cli, settings, [], async (url) => {
    if (flags.open && !(await openBrowser(url, cli.environment.inherited)))
      cli.messages.line(cli.messages.style.dim("No browser could be opened: open the address yourself."));
  });
}
