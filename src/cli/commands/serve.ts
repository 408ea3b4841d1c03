// `mimo serve`: a model over HTTP, until Ctrl-C. Listens at once, and says 503 until the model is loaded.

import { existsSync } from "node:fs";
import { join } from "node:path";
import { Command } from "commander";
import type { Cli } from "../cli.ts";
import { embeddedStudio } from "../environment.ts";
import { watchInterrupt } from "../interrupt.ts";
import { examples, mcpConfigOption } from "../options.ts";
import type { ServeSettings } from "../serving.ts";
import { addSettingOptions, readSettings, type SettingFlags, valuesOf } from "../settings/resolve.ts";
import { SERVE_SETTINGS } from "../settings/serve-settings.ts";
import { addForeignOptions, foreignNotes } from "../settings/sglang.ts";

interface ServeFlags extends SettingFlags {
  readonly mcpConfig?: string;
}

export function serveCommand(cli: Cli): Command {
  const command = new Command("serve")
    .description("Serve a model over HTTP to clients of OpenAI's API.")
    .argument("[model]", "a Hugging Face folder or a .gguf file; default: the model that comes along");
  return addForeignOptions(addSettingOptions(command, SERVE_SETTINGS))
    .addOption(mcpConfigOption())
    .action(async (model: string | undefined, flags: ServeFlags) => {
      // The argument is one more spelling of --model.
      const given = model === undefined ? flags : { ...flags, model };
      const resolved = await readSettings(cli, "serve", SERVE_SETTINGS, given);
      const settings = { ...valuesOf(SERVE_SETTINGS, resolved), mcpConfig: flags.mcpConfig };
      await serve(cli, settings, foreignNotes(command));
    })
    .addHelpText(
      "after",
      examples(
        ["mimo serve", "The model that comes along, on http://127.0.0.1:9001/v1."],
        ["mimo serve model.gguf --served-model-name mimo --context-length 65536", "A real one, under a name of yours."],
        ["mimo keys create me && mimo serve model.gguf --host 0.0.0.0", "For other machines, with a key."],
        ["MIMO_PORT=8000 mimo config --explain serve", "What every setting is, and where it comes from."],
      ),
    );
}

/** Serves until Ctrl-C. `onServing` is told where the studio is. */
export async function serve(
  cli: Cli,
  settings: ServeSettings,
  notes: readonly string[],
  onServing: (studioUrl: string) => void | Promise<void> = () => {},
): Promise<void> {
  const { messages } = cli;
  const { style } = messages;
  using interrupt = watchInterrupt();
  const { signal } = interrupt;
  for (const note of notes) messages.line(`${style.dim("note:")} ${note}`);
  // Here, as no other command needs what a server is made of.
  const { startServing } = await import("../serving.ts");
  await using serving = await startServing(cli, settings, messages.stream, signal);
  const { server, modelNames } = serving;
  messages.line(`Serving ${style.bold(messages.untrusted(modelNames.join(", ")))} at ${server.url}/v1`);
  const studioUrl = pageAddress(server.url);
  if (hasStudio(settings)) messages.line(`Studio at ${style.bold(studioUrl)}`);
  await onServing(studioUrl);
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
  messages.line(style.dim("Stopping: requests that run may finish; Ctrl-C again ends them."));
}

export function hasStudio({ studio = embeddedStudio() }: Pick<ServeSettings, "studio">): boolean {
  return existsSync(join(studio, "index.html"));
}

/** A server on all interfaces is at home on loopback. */
function pageAddress(url: string): string {
  return `${url.replace("//0.0.0.0:", "//127.0.0.1:").replace("//[::]:", "//[::1]:")}/`;
}
