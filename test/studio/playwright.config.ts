// Tests of the studio in a browser: Debian's Chromium, or the one that CHROMIUM names.

import { defineConfig } from "@playwright/test";

export default defineConfig({
  testDir: ".",
  testMatch: "*.spec.ts",
  outputDir: "../../build/studio-tests",
  workers: 1,
  timeout: 60_000,
  expect: { timeout: 20_000 },
  forbidOnly: true,
  reporter: [["list"]],
  use: {
    viewport: { width: 1280, height: 820 },
    locale: "en",
    // It would hide requests from the tests that change them.
    serviceWorkers: "block",
    launchOptions: {
      executablePath: process.env["CHROMIUM"] ?? "/usr/bin/chromium",
      // Tests run in containers, as root.
      args: ["--no-sandbox"],
    },
  },
});
