// The folder of this package: where its package.json is, its addon, its models.
//
// It is looked for upwards from this module, so that the same code finds it from src and from a bundle in dist.

import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export function packageRoot(): string {
  const start = dirname(fileURLToPath(import.meta.url));
  for (let folder = start; ; folder = dirname(folder)) {
    if (isPackageRoot(folder)) return folder;
    if (folder === dirname(folder)) return start;
  }
}

function isPackageRoot(folder: string): boolean {
  try {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8")) as { readonly name?: unknown };
    return manifest.name === "mimo-flash";
  } catch {
    return false;
  }
}
