// `mimo keys`: API keys of `mimo serve`. A key is shown once, when it is made; the file holds its hash.

import { Command, Option } from "commander";
import { createKey, readKeys, revokeKey, type Scope, SCOPES } from "../../server/keys.ts";
import type { Cli } from "../cli.ts";
import { defaultKeyFile } from "../environment.ts";
import { formatTable } from "../format.ts";
import { examples } from "../options.ts";

interface KeysFlags {
  readonly apiKeyFile: string;
  readonly scope?: readonly Scope[];
  readonly json?: boolean;
}

export function keysCommand(cli: Cli): Command {
  return new Command("keys")
    .description("Make, list and revoke the API keys that `mimo serve` asks for.")
    .addCommand(
      subcommand(cli, "create", "Make a key and print it, once.")
        .argument("<name>", "whom it is for")
        .addOption(
          new Option("--scope <scope...>", "what it allows").choices(SCOPES).default([...SCOPES], SCOPES.join(" and ")),
        )
        .action((name: string, flags: KeysFlags) => create(cli, name, flags)),
    )
    .addCommand(subcommand(cli, "list", "Who has a key, and for what.").action((flags: KeysFlags) => list(cli, flags)))
    .addCommand(
      subcommand(cli, "revoke", "End a key; a running server knows within a second.")
        .argument("<name>", "name or id of the key")
        .action((name: string, flags: KeysFlags) => revoke(cli, name, flags)),
    )
    .addHelpText(
      "after",
      examples(
        ["mimo keys create laptop", "A key for one client; `mimo serve --host 0.0.0.0` then asks for it."],
        ["mimo keys create prometheus --scope metrics", "One that reads measurements only."],
        ["mimo keys revoke laptop", "It works no longer."],
      ),
    );
}

function subcommand(cli: Cli, name: string, description: string): Command {
  const file = new Option("--api-key-file <file>", "where the hashes are kept").env("MIMO_API_KEY_FILE");
  return new Command(name)
    .description(description)
    .addOption(file.default(defaultKeyFile(cli.environment)))
    .option("--json", "print JSON");
}

function create({ output, messages }: Cli, name: string, { apiKeyFile, scope = SCOPES, json }: KeysFlags): void {
  const { secret, key } = createKey(apiKeyFile, name, scope);
  if (json === true) output.json({ id: key.id, name, scopes: key.scopes, key: secret });
  else {
    output.line(secret);
    messages.line(messages.style.dim("Keep it: it is shown only now."));
  }
}

function list({ output }: Cli, { apiKeyFile, json }: KeysFlags): void {
  const keys = readKeys(apiKeyFile).map(({ id, name, scopes, created }) => ({ id, name, scopes, created }));
  if (json === true) output.json(keys);
  else {
    const rows = keys.map(({ id, name, scopes, created }) => [id, output.untrusted(name), scopes.join(" "), created]);
    output.line(formatTable([["id", "name", "scopes", "created"], ...rows]).join("\n"));
  }
}

function revoke({ output }: Cli, name: string, { apiKeyFile, json }: KeysFlags): void {
  const { id, name: revoked } = revokeKey(apiKeyFile, name);
  if (json === true) output.json({ id, name: revoked, revoked: true });
  else output.line(`Revoked ${output.untrusted(revoked)} (${id}).`);
}
