// Makes a fresh checkout ready to run; `npm start` and `npm test` begin with it. Plain Node, no dependencies.
//
//   node scripts/setup.mjs
//
// Installs the npm packages when they are missing or older than the lockfile, then builds the CPU addon and the studio
// where they are not up to date. A failed build is no failure of setup: the reference backend computes the same, slowly,
// and the server serves without its page. Silent where there is nothing to do.

import { spawnSync } from "node:child_process";
import { statSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** npm writes the hidden lockfile last, so its time is that of the last complete install. */
function packagesAreCurrent() {
  const installed = modifiedAt(join(root, "node_modules", ".package-lock.json"));
  return installed !== undefined && installed >= (modifiedAt(join(root, "package-lock.json")) ?? 0);
}

function modifiedAt(path) {
  return statSync(path, { throwIfNoEntry: false })?.mtimeMs;
}

/** Whether it succeeded; says why not. */
function installPackages() {
  console.log("Installing npm packages …");
  const { status, error } = spawnSync("npm", ["ci"], {
    cwd: root,
    stdio: "inherit",
    shell: process.platform === "win32",
  });
  if (status === 0) return true;
  const why =
    error === undefined ? `\`npm ci\` ended with exit code ${status}; its own message stands above.` : error.message;
  console.error(`error: The npm packages could not be installed.\nWhy: ${why}`);
  console.error("What to do: Check the network and the npm registry (`npm ping`), then run `npm run setup` again.");
  return false;
}

async function buildAddonOrExplain() {
  const { AddonBuildError, buildAddon } = await import("./build-addon.mjs");
  try {
    await buildAddon();
  } catch (error) {
    if (!(error instanceof AddonBuildError)) throw error;
    console.error(error.message);
    console.error("Until then the reference backend carries on: the same results, about a hundred times slower.\n");
  }
}

async function buildStudioOrExplain() {
  const { buildStudio } = await import("./build-studio.mjs");
  try {
    buildStudio();
  } catch (error) {
    console.error(`error: The studio could not be built.\nWhy: ${error.message}`);
    console.error("What to do: `npm run build:studio` shows all of it. Until then the server has no page.\n");
  }
}

if (packagesAreCurrent() || installPackages()) {
  await buildAddonOrExplain();
  await buildStudioOrExplain();
} else process.exitCode = 1;
