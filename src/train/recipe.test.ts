// The recipes that come along, as far as other parts rely on them.

import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { PRESETS } from "../model/presets.ts";
import { describedConfig, parseRecipe } from "./recipe.ts";

test("the preset nano has the sizes of recipes/nano", () => {
  const path = "recipes/nano/recipe.yaml";
  const recipe = parseRecipe(readFileSync(new URL(`../../${path}`, import.meta.url), "utf8"), path);
  expect(describedConfig(recipe)).toEqual(PRESETS.nano.config);
  expect(Math.max(...recipe.stages.map(({ mtp }) => mtp.heads))).toBe(PRESETS.nano.numMtpHeads);
});
