#!/usr/bin/env node
// The command `mimo`: runs the TypeScript sources in a source checkout, and dist/ in an installed package, which has
// no sources. A checkout without its dependencies and a Node that is too old get a sentence instead of a stack.

import { existsSync } from "node:fs";

const source = new URL("../src/cli/main.ts", import.meta.url);
const built = new URL("../dist/main.js", import.meta.url);
const dependencies = new URL("../node_modules/esbuild", import.meta.url);
const [major, minor] = process.versions.node.split(".").map(Number);

function refuse(what, why, remedy) {
  console.error(`error: ${what}\nWhy: ${why}\nWhat to do: ${remedy}`);
  process.exitCode = 1;
}

if (major < 20 || (major === 20 && minor < 19)) {
  refuse(
    "This Node.js is too old.",
    `mimo needs 20.19 or newer, found ${process.versions.node}.`,
    "Install a current Node.js from https://nodejs.org.",
  );
} else if (!existsSync(source)) {
  await import(built);
} else if (existsSync(dependencies)) {
  await import("../scripts/ts-loader.mjs");
  await import(source);
} else {
  refuse(
    "The dependencies are not installed.",
    "This is a source checkout without node_modules.",
    "Run `npm run setup`, then try again.",
  );
}
