// No page has a barrier that axe finds serious: both languages, both appearances, at a desk and on a phone.

import { rmSync } from "node:fs";
import { join } from "node:path";
import { AxeBuilder } from "@axe-core/playwright";
import { makeRun, writeSample, writeSteps } from "./runs.ts";
import { expect, test } from "./studio.ts";

/** Each with what it has once it is there. */
const PAGES = {
  chat: ".composer",
  playground: "h1",
  server: ".chart canvas",
  "server/keys": ".table",
  "server/usage": ".bars",
  "server/log": ".table",
  training: ".chart canvas",
} as const;
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true } as const;

/** Any two of language, appearance and size meet in one of them. */
const WAYS = [
  { name: "English, light", use: { locale: "en", colorScheme: "light" } },
  { name: "English, dark, on a phone", use: { locale: "en", colorScheme: "dark", ...PHONE } },
  { name: "Chinese, dark", use: { locale: "zh-CN", colorScheme: "dark" } },
  { name: "Chinese, light, on a phone", use: { locale: "zh-CN", colorScheme: "light", ...PHONE } },
] as const;

// Seven pages each, on machines that have more to do.
test.setTimeout(180_000);

test.beforeAll(async ({ stateFolder, studioUrl }) => {
  const run = makeRun(stateFolder, "first");
  writeSteps(run, 1, 20);
  writeSample(run, 20, "I am MiMo.");
  await fetch(`${studioUrl}/v1/keys`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ name: "laptop", scopes: ["inference", "admin"] }),
  });
  await fetch(`${studioUrl}/v1/chat/completions`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ messages: [{ role: "user", content: "Hello" }], max_tokens: 8 }),
  });
});

// Other tests begin with a server that has neither.
test.afterAll(async ({ stateFolder, studioUrl }) => {
  rmSync(join(stateFolder, "runs"), { recursive: true });
  await fetch(`${studioUrl}/v1/keys/laptop`, { method: "DELETE" });
});

for (const { name, use } of WAYS)
  test.describe(name, () => {
    test.use(use);
    test(`every page: ${name}`, async ({ chat: { page } }) => {
      const found: string[] = [];
      for (const [path, content] of Object.entries(PAGES)) {
        await page.goto(`/#/${path}`);
        await expect(page.locator(content).first()).toBeVisible();
        const { violations } = await new AxeBuilder({ page }).analyze();
        const serious = violations.filter(({ impact }) => impact === "serious" || impact === "critical");
        found.push(...serious.flatMap(({ id, nodes }) => nodes.map(({ html }) => `${path} ${id}: ${html}`)));
        const width = await page.evaluate(() => document.documentElement.scrollWidth);
        if (width !== page.viewportSize()!.width) found.push(`${path} is ${width} wide`);
      }
      expect(found).toEqual([]);
    });
  });
