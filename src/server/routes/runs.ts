// GET /runs and what is in one of them: how training comes along.

import { invalid, notSupported } from "../errors.ts";
import { queryOf, type Route, type ServerContext, type ServerRequest } from "../route.ts";
import { listRuns, readRunLines, type Run, type RunFile } from "../runs.ts";

const MAX_LINES = 5000;

export const runsRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/runs",
    scope: "admin",
    summary: "The runs of training in the server's folder of runs, the latest first.",
    handle: async ({ server }) =>
      Response.json({ object: "list", data: (await listRuns(folderOf(server))).map(describeRun) }),
  },
  linesRoute("metrics", "What a run measured at each step: lines behind the first `after`."),
  linesRoute("samples", "What a run's model wrote on the way: lines behind the first `after`."),
];

function linesRoute(file: RunFile, summary: string): Route {
  return {
    method: "GET",
    path: `/runs/:name/${file}`,
    scope: "admin",
    summary,
    handle: async (request) => {
      const { name = "" } = request.params;
      const page = { after: afterOf(request), limit: MAX_LINES };
      const { lines, next, hasMore } = await readRunLines(folderOf(request.server), name, file, page);
      return Response.json({ object: "list", data: lines, next, has_more: hasMore });
    },
  };
}

function folderOf({ options }: ServerContext): string {
  if (options.runsFolder !== undefined) return options.runsFolder;
  throw notSupported("runs", "This server shows no runs.");
}

function afterOf(request: ServerRequest): number {
  const text = queryOf(request).get("after") ?? "0";
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw invalid("after", "must be a number of lines.");
}

function describeRun({ name, isRunning, startedAt, updatedAt, last = {} }: Run): object {
  return {
    name,
    object: "run",
    running: isRunning,
    started_at: startedAt.toISOString(),
    updated_at: updatedAt.toISOString(),
    stage: last["stage"] ?? null,
    step: last["step"] ?? null,
    total_steps: last["totalSteps"] ?? null,
    loss: last["loss"] ?? null,
    tokens_per_second: last["tokensPerSecond"] ?? null,
  };
}
