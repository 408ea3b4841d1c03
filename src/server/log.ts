// The server's log: a line for each request, as JSON for programs or in columns for people. Prompts, answers and keys are
// never given to it.

import { type DestinationStream, type Logger, pino } from "pino";
import type { LogFormat, LogLevel } from "./options.ts";

/** Where lines go. */
export type LogStream = DestinationStream;

export function createLog(level: LogLevel, stream: LogStream, format: LogFormat = "json"): Logger {
  const options = { level, base: null, timestamp: pino.stdTimeFunctions.isoTime };
  return pino(options, format === "json" ? stream : { write: (line) => stream.write(`${prettyLine(line)}\n`) });
}

/** A line, as pino writes it; the fields of requests are those of `app.ts`. */
interface Entry {
  readonly level: number;
  readonly time: string;
  readonly msg?: string;
  readonly method?: string;
  readonly route?: string;
  readonly status?: number;
  readonly id?: string;
  readonly key?: string;
  readonly ms?: number;
  readonly firstTokenMs?: number;
  readonly promptTokens?: number;
  readonly cachedTokens?: number;
  readonly completionTokens?: number;
  readonly finish?: string;
}

/** "12:30:00 POST /chat/completions 200 in 340 ms, first token 25 ms, 12+40 tokens, stop, laptop 4f…". */
function prettyLine(json: string): string {
  const { level, time, msg, method, route, status, ...rest } = JSON.parse(json) as Entry;
  const clock = time.slice(11, 19);
  if (msg !== "request") {
    const word = level >= 50 ? "error " : level >= 40 ? "warning " : "";
    const details = Object.keys(rest).length === 0 ? "" : ` ${JSON.stringify(rest)}`;
    return `${clock} ${word}${msg ?? ""}${details}`;
  }
  const { ms, firstTokenMs, promptTokens, cachedTokens = 0, completionTokens = 0, finish, key, id } = rest;
  const cached = cachedTokens === 0 ? "" : ` (${cachedTokens} cached)`;
  const facts = [
    `${method} ${route} ${status} in ${ms} ms`,
    firstTokenMs === undefined ? undefined : `first token ${firstTokenMs} ms`,
    promptTokens === undefined ? undefined : `${promptTokens}${cached}+${completionTokens} tokens`,
    finish,
    // Quotes keep a name's odd letters from doing anything to the terminal.
    key === undefined ? undefined : JSON.stringify(key),
    id,
  ];
  return `${clock} ${facts.filter((fact) => fact !== undefined).join(", ")}`;
}
