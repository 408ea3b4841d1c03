// Builds dist/, which is what the npm package runs: JavaScript bundled by esbuild, declarations by tsc, the studio by Vite.
//
//   node scripts/build.mjs
//
// All JavaScript goes into one folder. A module that starts a worker names the worker's file beside itself, and so
// finds it there, whichever bundle the module became a part of. dist/ is replaced only once the new one is whole.

import { spawnSync } from "node:child_process";
import { renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "esbuild";
import { buildStudio } from "./build-studio.mjs";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const ENTRIES = {
  index: "src/index.ts",
  train: "src/train/train.ts",
  main: "src/cli/main.ts",
  worker: "src/engine/worker.ts",
  "chunk-worker": "src/convert/chunk-worker.ts",
  "compile-worker": "src/schema/compile-worker.ts",
};

/** Writes the JavaScript into a folder of this package. Throws what esbuild has reported. */
export async function bundle(folder) {
  await build({
    absWorkingDir: root,
    entryPoints: ENTRIES,
    outdir: folder,
    bundle: true,
    splitting: true,
    packages: "external",
    platform: "node",
    format: "esm",
    target: "node20",
    sourcemap: "linked",
    sourcesContent: false,
    legalComments: "none",
    logLevel: "warning",
  });
}

/** Throws without a word more: tsc has said why. */
function declare(folder) {
  const tsc = join(root, "node_modules", "typescript", "bin", "tsc");
  const args = [tsc, "--project", join(root, "tsconfig.build.json"), "--outDir", folder];
  const { status } = spawnSync(process.execPath, args, { stdio: "inherit" });
  if (status !== 0) throw new Error("tsc failed");
}

async function buildDist() {
  const dist = join(root, "dist");
  const building = join(root, "dist.part");
  try {
    rmSync(building, { recursive: true, force: true });
    await bundle(building);
    declare(building);
    buildStudio({ folder: join(building, "studio"), force: true });
    rmSync(dist, { recursive: true, force: true });
    renameSync(building, dist);
  } catch (error) {
    rmSync(building, { recursive: true, force: true });
    console.error(`error: dist/ could not be built.\nWhy: ${error.message}`);
    console.error("What to do: Fix what is reported above; `npm run check` shows all of it.");
    process.exitCode = 1;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) await buildDist();
