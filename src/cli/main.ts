// The command `mimo`: parses the command line, runs one command, and ends with its exit code.
//
// Commands throw; this file alone turns errors into text and exit codes. Nothing calls process.exit on the way to
// success, so that what was written is always flushed.

import { Command, CommanderError, Option } from "commander";
import type { Cli } from "./cli.ts";
import { benchCommand } from "./commands/bench.ts";
import { chatCommand } from "./commands/chat.ts";
import { configCommand } from "./commands/config.ts";
import { convertCommand } from "./commands/convert.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { evalCommand } from "./commands/eval.ts";
import { generateCommand } from "./commands/generate.ts";
import { initCommand } from "./commands/init.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { keysCommand } from "./commands/keys.ts";
import { launchCommand } from "./commands/launch.ts";
import { logitsCommand } from "./commands/logits.ts";
import { planCommand } from "./commands/plan.ts";
import { plotCommand } from "./commands/plot.ts";
import { serveCommand } from "./commands/serve.ts";
import { studioCommand } from "./commands/studio.ts";
import { trainCommand } from "./commands/train.ts";
import { packageVersion, readEnvironment } from "./environment.ts";
import { examples } from "./options.ts";
import { Output } from "./output.ts";
import { reportError } from "./report-error.ts";

/** Read by `main`, wherever it stands. */
const debugOption = (): Option => new Option("--debug").hideHelp();

function createProgram(cli: Cli): Command {
  const program = new Command("mimo")
    .description("MiMo-V2-Flash: chat with it, generate text, serve it, look inside, convert, train and measure.")
    .version(packageVersion(), "-V, --version", "print the version")
    .option("--debug", "print the stack of an error")
    // `bench train` has options that `bench` calls the same: they belong to the command that they follow.
    .enablePositionalOptions()
    .helpOption("-h, --help", "explain a command, with examples")
    .exitOverride()
    .configureOutput({ outputError: () => {}, getOutHasColors: () => false });
  const commands = [
    chatCommand,
    generateCommand,
    serveCommand,
    studioCommand,
    keysCommand,
    launchCommand,
    configCommand,
    inspectCommand,
    planCommand,
    convertCommand,
    initCommand,
    trainCommand,
    plotCommand,
    evalCommand,
    benchCommand,
    logitsCommand,
    doctorCommand,
  ];
  for (const create of commands) {
    const command = create(cli);
    for (const part of [command, ...command.commands]) part.copyInheritedSettings(program).addOption(debugOption());
    program.addCommand(command);
  }
  return program.addHelpText(
    "after",
    examples(
      ["mimo chat", "Talk to the model that comes along."],
      ["mimo chat ~/models/MiMo-V2-Flash-Q4_K_M.gguf", "Talk to a checkpoint: a GGUF file or a Hugging Face folder."],
      ["mimo serve", "Serve the model that comes along on http://127.0.0.1:9001, as OpenAI's API."],
      ["mimo studio", "Use it in the browser, and look inside."],
      ["mimo inspect ~/models/MiMo-V2-Flash", "What is in a checkpoint, at once, however large it is."],
      ["mimo doctor", "Whether this machine is ready, and what to do where it is not."],
    ),
  );
}

async function main(argv: readonly string[]): Promise<number> {
  const environment = readEnvironment();
  const output = new Output(process.stdout, environment.colour);
  const messages = new Output(process.stderr, environment.colour);
  const options = argv.slice(0, argv.includes("--") ? argv.indexOf("--") : argv.length);
  const report = { json: options.includes("--json"), debug: options.includes("--debug") };
  process.on("uncaughtException", (error) => process.exit(reportError(error, messages, report)));
  try {
    await createProgram({ input: process.stdin, output, messages, environment }).parseAsync(
      argv.length === 0 ? ["--help"] : argv,
      { from: "user" },
    );
    return 0;
  } catch (error) {
    // Help and version have been printed; they only arrive as errors.
    if (error instanceof CommanderError && (error.exitCode === 0 || error.code === "commander.help"))
      return error.exitCode;
    return reportError(error, messages, report);
  }
}

const exitCode = await main(process.argv.slice(2));
process.exitCode ??= exitCode;
