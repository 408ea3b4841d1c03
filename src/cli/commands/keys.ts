// `mimo keys`: API keys of `mimo serve`, and what they were used for. A key is shown once, when it is made; the file
// holds its hash.

import { Command, InvalidArgumentError, Option } from "commander";
import { createKey, DEFAULT_SCOPES, readKeys, revokeKey, type Scope, SCOPES } from "../../server/keys.ts";
import { readUsage } from "../../server/usage/ledger.ts";
import { addAmounts, type Amounts, amountsBody, NOTHING, selectRows } from "../../server/usage/usage.ts";
import { MimoError } from "../../util/errors.ts";
import type { Cli } from "../cli.ts";
import { defaultKeyFile, defaultUsageFile } from "../environment.ts";
import { formatTable } from "../format.ts";
import { examples, parseInteger, parseNumber } from "../options.ts";
import { readSettings, valuesOf } from "../settings/resolve.ts";
import { SERVE_SETTINGS } from "../settings/serve-settings.ts";

interface KeysFlags {
  readonly apiKeyFile?: string;
  readonly scope?: readonly Scope[];
  readonly maxRequests?: number;
  readonly queueShare?: number;
  readonly json?: boolean;
}

interface UsageFlags {
  readonly usageFile?: string;
  readonly from?: string;
  readonly to?: string;
  readonly json?: boolean;
}

export function keysCommand(cli: Cli): Command {
  return new Command("keys")
    .description("Make, list and revoke the API keys that `mimo serve` asks for.")
    .addCommand(
      subcommand("create", "Make a key and print it, once.")
        .argument("<name>", "whom it is for")
        .addOption(
          new Option("--scope <scope...>", "what it allows; admin: everything, and everybody's usage")
            .choices(SCOPES)
            .default(DEFAULT_SCOPES, DEFAULT_SCOPES.join(" and ")),
        )
        .option("--max-requests <n>", "requests at once; default: what the server gives to every key", parseInteger)
        .option("--queue-share <share>", "share of the queue, 0 to 1; default: likewise", parseNumber)
        .action((name: string, flags: KeysFlags) => create(cli, name, flags)),
    )
    .addCommand(subcommand("list", "Who has a key, and for what.").action((flags: KeysFlags) => list(cli, flags)))
    .addCommand(
      subcommand("revoke", "End a key; a running server knows within a second.")
        .argument("<name>", "name or id of the key")
        .action((name: string, flags: KeysFlags) => revoke(cli, name, flags)),
    )
    .addCommand(
      new Command("usage")
        .description("Requests, tokens and cost by API key and day.")
        .argument("[name]", "of one key only")
        .addOption(new Option("--usage-file <file>", "where they are counted; default: as `mimo serve` is told"))
        .option("--from <day>", "first day, as 2026-01-31", parseDay)
        .option("--to <day>", "last day", parseDay)
        .option("--json", "print JSON")
        .action((name: string | undefined, flags: UsageFlags) => usage(cli, name, flags)),
    )
    .addHelpText(
      "after",
      examples(
        ["mimo keys create laptop", "A key for one client; `mimo serve --host 0.0.0.0` then asks for it."],
        ["mimo keys create prometheus --scope metrics", "One that reads measurements only."],
        ["mimo keys create batch --max-requests 4", "One that may have four requests at once."],
        ["mimo keys revoke laptop", "It works no longer."],
        ["mimo keys usage --from 2026-01-01", "What every key has used, day by day, and what it costs."],
      ),
    );
}

function subcommand(name: string, description: string): Command {
  return new Command(name)
    .description(description)
    .option("--api-key-file <file>", "where the hashes are kept; default: as `mimo serve` is told")
    .option("--json", "print JSON");
}

function parseDay(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError("Expected a day such as 2026-01-31.");
}

/** Where the server that these settings start keeps its files. */
async function filesOf(
  cli: Cli,
  { apiKeyFile, usageFile }: Pick<KeysFlags, "apiKeyFile"> & Pick<UsageFlags, "usageFile">,
): Promise<{ readonly keyFile: string; readonly usageFile: string }> {
  const resolved = await readSettings(cli, "serve", SERVE_SETTINGS, { apiKeyFile, usageFile });
  const settings = valuesOf(SERVE_SETTINGS, resolved);
  return {
    keyFile: settings.apiKeyFile ?? defaultKeyFile(cli.environment),
    usageFile: settings.usageFile ?? defaultUsageFile(cli.environment),
  };
}

async function create(cli: Cli, name: string, flags: KeysFlags): Promise<void> {
  const { output, messages } = cli;
  const { scope = DEFAULT_SCOPES, maxRequests, queueShare, json } = flags;
  if (maxRequests !== undefined && maxRequests < 1)
    throw new MimoError("invalid_argument", `--max-requests must be at least 1, found ${maxRequests}.`);
  if (queueShare !== undefined && !(queueShare >= 0 && queueShare <= 1))
    throw new MimoError("invalid_argument", `--queue-share must be from 0 to 1, found ${queueShare}.`);
  const limits = maxRequests === undefined && queueShare === undefined ? undefined : { maxRequests, queueShare };
  const { keyFile } = await filesOf(cli, flags);
  const { secret, key } = createKey(keyFile, name, scope, limits);
  if (json === true) output.json({ id: key.id, name, scopes: key.scopes, key: secret });
  else {
    output.line(secret);
    messages.line(messages.style.dim("Keep it: it is shown only now."));
  }
}

async function list(cli: Cli, flags: KeysFlags): Promise<void> {
  const { output } = cli;
  const { keyFile } = await filesOf(cli, flags);
  const keys = readKeys(keyFile).map(({ id, name, scopes, created }) => ({ id, name, scopes, created }));
  if (flags.json === true) output.json(keys);
  else {
    const rows = keys.map(({ id, name, scopes, created }) => [id, output.untrusted(name), scopes.join(" "), created]);
    output.line(formatTable([["id", "name", "scopes", "created"], ...rows]).join("\n"));
  }
}

async function revoke(cli: Cli, name: string, flags: KeysFlags): Promise<void> {
  const { output } = cli;
  const { keyFile } = await filesOf(cli, flags);
  const { id, name: revoked } = revokeKey(keyFile, name);
  if (flags.json === true) output.json({ id, name: revoked, revoked: true });
  else output.line(`Revoked ${output.untrusted(revoked)} (${id}).`);
}

async function usage(cli: Cli, name: string | undefined, flags: UsageFlags): Promise<void> {
  const { output } = cli;
  const { from, to, json } = flags;
  const { usageFile } = await filesOf(cli, flags);
  const rows = selectRows(readUsage(usageFile), { from, to, key: name });
  const total = rows.reduce<Amounts>(addAmounts, NOTHING);
  if (json === true) {
    const usage = rows.map((row) => ({ day: row.day, key: row.key, ...amountsBody(row) }));
    output.json({ currency: "USD", usage, total: amountsBody(total) });
    return;
  }
  const columns = (amounts: Amounts): readonly string[] => [
    String(amounts.requests),
    String(amounts.promptTokens),
    String(amounts.cachedTokens),
    String(amounts.completionTokens),
    String(amounts.reasoningTokens),
    `$${amounts.cost.toFixed(4)}`,
  ];
  const header = ["day", "key", "requests", "prompt", "cached", "completion", "reasoning", "cost"];
  const body = rows.map((row) => [row.day, output.untrusted(row.key ?? "(no key)"), ...columns(row)]);
  output.line(formatTable([header, ...body, ["total", "", ...columns(total)]]).join("\n"));
}
