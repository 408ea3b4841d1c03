// GET /usage: what was counted, by API key and day: a key's own, and everybody's for a key that administers.

import { z } from "zod";
import { invalid } from "../errors.ts";
import { queryOf, type Route, type ServerRequest } from "../route.ts";
import { addAmounts, type Amounts, amountsBody, NOTHING, selectRows, type UsageFilter } from "../usage/usage.ts";

const DAY = z.iso.date();

export const usageRoutes: readonly Route[] = [
  {
    method: "GET",
    path: "/usage",
    scope: "inference",
    summary:
      "Requests, tokens and cost by API key and day (from and to: as 2026-01-31); all keys with the scope admin.",
    handle: (request) => {
      const { ledger, options } = request.server;
      const rows = selectRows(ledger.rows(), filterOf(request));
      return Response.json({
        object: "list",
        currency: "USD",
        prices_per_million: {
          input: options.prices.input,
          cached_input: options.prices.cachedInput,
          output: options.prices.output,
        },
        data: rows.map((row) => ({ day: row.day, key: row.key, ...amountsBody(row) })),
        total: amountsBody(rows.reduce<Amounts>(addAmounts, NOTHING)),
      });
    },
  },
];

function filterOf(request: ServerRequest): UsageFilter {
  const { key, server } = request;
  const query = queryOf(request);
  const day = (name: string): string | undefined => {
    const text = query.get(name) ?? undefined;
    if (text === undefined || DAY.safeParse(text).success) return text;
    throw invalid(name, "expected a day such as 2026-01-31.");
  };
  // Whoever reaches a server without keys may see all that it has done.
  const seesAll = server.keys === undefined || key?.scopes.includes("admin") === true;
  return {
    from: day("from"),
    to: day("to"),
    key: seesAll ? (query.get("key") ?? undefined) : (key?.name ?? null),
  };
}
