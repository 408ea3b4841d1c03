// GET /usage: what was counted, by API key and day: a key's own, and everybody's for a key that administers.

import { z } from "zod";
import { invalid } from "../errors.ts";
import type { Route, ServerRequest } from "../route.ts";
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

function filterOf({ incoming, key, server }: ServerRequest): UsageFilter {
  const { searchParams } = new URL(incoming.url ?? "/", "http://localhost");
  const day = (name: string): string | undefined => {
    const text = searchParams.get(name) ?? undefined;
    if (text === undefined || DAY.safeParse(text).success) return text;
    throw invalid(name, "expected a day such as 2026-01-31.");
  };
  // Whoever reaches a server without keys may see all that it has done.
  const seesAll = server.keys === undefined || key?.scopes.includes("admin") === true;
  return {
    from: day("from"),
    to: day("to"),
    key: seesAll ? (searchParams.get("key") ?? undefined) : (key?.name ?? null),
  };
}
