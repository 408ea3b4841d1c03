// Builds the studio, the web page of the server, from studio/ into dist/studio.
//
//   node scripts/build-studio.mjs [--force]
//
// A stamp beside the result holds a hash of everything it was made of, so that setup builds it only when that changed.
// An installed package has the result and no sources.

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const sources = join(root, "studio");

/** Throws without a word more: Vite has said why. */
export function buildStudio({ folder = join(root, "dist", "studio"), force = false } = {}) {
  if (!existsSync(sources)) return;
  const stamp = join(folder, ".stamp");
  const hash = hashOfSources();
  if (!force && readIfThere(stamp) === hash) return;
  console.log("Building the studio …");
  const vite = join(root, "node_modules", "vite", "bin", "vite.js");
  const args = [vite, "build", sources, "--outDir", folder, "--emptyOutDir", "--logLevel", "warn"];
  const { status } = spawnSync(process.execPath, args, { cwd: sources, stdio: "inherit" });
  if (status !== 0) throw new Error("vite failed");
  writeFileSync(stamp, hash);
}

/** Of names and bytes of what the page is made of, and of the versions of what it is made with. */
function hashOfSources() {
  const hash = createHash("sha256");
  const folders = ["src", "public"].map((name) => join(sources, name));
  const files = folders.flatMap((folder) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name)),
  );
  const others = ["index.html", "package.json", "vite.config.ts"].map((name) => join(sources, name));
  const all = [...files, ...others, join(root, "package-lock.json")];
  for (const file of all.toSorted((a, b) => (a < b ? -1 : 1)))
    hash.update(relative(root, file)).update("\0").update(readFileSync(file)).update("\0");
  return hash.digest("hex");
}

function readIfThere(path) {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return undefined;
  }
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href)
  buildStudio({ force: process.argv.includes("--force") });
