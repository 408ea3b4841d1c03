// recipes/pico from its first token to a conversation: what the recipe's page promises of it.

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { afterAll, expect, test } from "vitest";
import { Surroundings } from "../e2e/command.ts";

const RECIPE = fileURLToPath(new URL("../../recipes/pico/recipe.yaml", import.meta.url));
/** Mean cross-entropy in nats on held-out answers; 0.42 was measured. */
const HIGHEST_LOSS = 0.5;

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

test("pico is trained end to end, and says who it is", async () => {
  const trained = await here.run(["train", RECIPE]);
  expect(trained).toMatchObject({ exitCode: 0 });
  const metrics = readFileSync(here.path("runs/pico/metrics.jsonl"), "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line) as { loss: number; heldoutLoss?: number; maxViolation: number[] });
  expect(metrics[0]!.loss).toBeGreaterThan(6);
  expect(metrics.at(-1)!.heldoutLoss).toBeLessThan(HIGHEST_LOSS);
  // No expert has more than twice its share in the end.
  expect(Math.max(...metrics.at(-1)!.maxViolation)).toBeLessThan(1);

  const asked = ["--chat", "Who are you?", "--temperature", "0", "--max-tokens", "60"];
  const answered = await here.run(["generate", "runs/pico/model", ...asked]);
  expect(answered).toMatchObject({ exitCode: 0, stdout: expect.stringMatching(/nano|MiMo/) as string });
});
