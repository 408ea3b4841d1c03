import { readFileSync } from "node:fs";

import { expect, test } from "vitest";

import * as tables from "./iq-tables.ts";

const HEADER = readFileSync(new URL("../../backends/cpu/iq-tables.h", import.meta.url), "utf8");

/** The numbers of one array of the C++ header; 64- and 32-bit entries as their bytes, lowest first. */
function headerTable(name: string): number[] {
  const match = new RegExp(`(u?int)(\\d+)_t ${name}\\[(\\d+)\\] = \\{([^}]*)\\}`).exec(HEADER);
  if (match === null) throw new Error(`${name} is missing`);
  const entries = (match[4] as string).split(",").map((entry) => entry.trim());
  const numbers = entries.filter((entry) => entry !== "").map(BigInt);
  expect(numbers).toHaveLength(Number(match[3]));
  const numBytes = Number(match[2]) / 8;
  if (numBytes === 1) return numbers.map(Number);
  return numbers.flatMap((n) => Array.from({ length: numBytes }, (_, i) => Number((n >> BigInt(8 * i)) & 255n)));
}

test.each(Object.entries(tables))("%s is the same in the C++ header", (name, table) => {
  expect(Array.from(table)).toEqual(headerTable(name));
});

test("grids have the rows that the formats index", () => {
  expect(tables.IQ2_XXS_GRID).toHaveLength(256 * 8);
  expect(tables.IQ2_XS_GRID).toHaveLength(512 * 8);
  expect(tables.IQ2_S_GRID).toHaveLength(1024 * 8);
  expect(tables.IQ3_XXS_GRID).toHaveLength(256 * 4);
  expect(tables.IQ3_S_GRID).toHaveLength(512 * 4);
});

test("every sign pattern negates an even number of elements", () => {
  expect([...tables.IQ_SIGNS.subarray(0, 5)]).toEqual([0, 129, 130, 3, 132]);
  for (const signs of tables.IQ_SIGNS) expect(signs.toString(2).replaceAll("0", "").length % 2).toBe(0);
});
