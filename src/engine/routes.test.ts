// What a log keeps, ids that need more than a byte, and models without experts.

import { describe, expect, test } from "vitest";
import { FLASH_CONFIG } from "../model/presets.ts";
import { createRouteLog, joinRoutes } from "./routes.ts";

const { layers, experts } = FLASH_CONFIG;

describe("routes of a token", () => {
  test("are bytes, one for each choice, as long as that is enough", () => {
    const log = createRouteLog(FLASH_CONFIG);
    log.append(0, new Uint8Array(2 * 47 * 8).fill(255));
    const { ids, numTokens, layers: indices } = joinRoutes([log.takeNew(), log.takeNew()], 2, FLASH_CONFIG);
    expect(ids).toEqual(new Uint8Array(2 * 47 * 8).fill(255));
    expect([numTokens, indices.length, indices[0]]).toEqual([2, 47, 1]);
  });

  test("have 16 bits where there are more experts", () => {
    const config = { ...FLASH_CONFIG, layers: layers.slice(0, 2), experts: { ...experts, numExperts: 257 } };
    const log = createRouteLog(config);
    log.append(0, new Uint16Array(3 * 8).fill(256));
    expect(joinRoutes([log.slice(0, 1), log.slice(1, 5)], 2, config).ids).toEqual(new Uint16Array(2 * 8).fill(256));
  });

  test("stay as they were recorded first, and leave no hole", () => {
    const log = createRouteLog({ ...FLASH_CONFIG, layers: layers.slice(0, 2) });
    const rows = (...values: number[]): Uint8Array => Uint8Array.from(values.flatMap((value) => Array(8).fill(value)));
    log.append(0, rows(1, 2, 3));
    log.append(1, rows(9));
    log.append(1, rows(9, 9, 4));
    expect(log.slice(0, 9)).toEqual(rows(1, 2, 3, 4));
    expect(() => log.append(5, rows(5))).toThrow("known up to 4");
  });

  test("are refused by a model that has none", () => {
    expect(() => createRouteLog({ ...FLASH_CONFIG, layers: layers.slice(0, 1) })).toThrow(
      expect.objectContaining({ code: "invalid_argument", param: "routedExperts" }),
    );
  });
});
