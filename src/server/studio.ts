// The web studio: static files of one folder, as its build left them.
//
// A path is served only where it spells a name of plain parts, so none leads out of the folder. Names under assets/ carry a
// hash of their content and never change; all others are asked for anew. What the page may do is said here, by headers:
// it loads and calls nothing but this server, and pages that a model wrote run in a document of no origin.

import { readFile } from "node:fs/promises";
import { extname, join } from "node:path";

/** Where documents of a model run: a page of the studio that is handed their text. */
const SANDBOX_PAGE = "/artifact.html";

const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data: blob:",
  "font-src 'self'",
  "connect-src 'self'",
  "worker-src 'self'",
  "manifest-src 'self'",
  "frame-src 'self' blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** Scripts run, but reach nothing: not the studio, not its storage, not the network. */
const SANDBOX_POLICY = [
  "sandbox allow-scripts",
  "default-src 'none'",
  "script-src 'unsafe-inline'",
  "style-src 'unsafe-inline'",
  "img-src data: blob:",
  "font-src data:",
  "media-src data: blob:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'self'",
].join("; ");

const MEDIA_TYPES: Readonly<Record<string, string>> = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".json": "application/json",
  ".webmanifest": "application/manifest+json",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".ico": "image/x-icon",
  ".webp": "image/webp",
  ".woff2": "font/woff2",
  ".woff": "font/woff",
  ".ttf": "font/ttf",
  ".bcmap": "application/octet-stream",
  ".txt": "text/plain; charset=utf-8",
};

const PLAIN_PATH = /^(?:\/\w[\w.-]*)+$/;

/** The file at a path of the studio; undefined where there is none. */
export async function studioFile(folder: string | undefined, path: string): Promise<Response | undefined> {
  const name = path === "/" ? "/index.html" : path;
  const type = MEDIA_TYPES[extname(name)];
  if (folder === undefined || type === undefined || !PLAIN_PATH.test(name)) return undefined;
  const content = await readFile(join(folder, name)).catch(() => undefined);
  if (content === undefined) return undefined;
  return new Response(content, {
    headers: {
      "content-type": type,
      "cache-control": name.startsWith("/assets/") ? "public, max-age=31536000, immutable" : "no-cache",
      "content-security-policy": name === SANDBOX_PAGE ? SANDBOX_POLICY : PAGE_POLICY,
      "x-content-type-options": "nosniff",
      "referrer-policy": "no-referrer",
    },
  });
}
