// Takes the pictures of the documents: `npm run pictures`, with `RUNS=FOLDER` for runs of training that are worth seeing.

import { defineConfig } from "@playwright/test";
import tests from "./playwright.config.ts";

export default defineConfig({ ...tests, testMatch: "pictures.ts" });
