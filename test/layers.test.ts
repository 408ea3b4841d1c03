// The direction of imports and the other rules of the tree, read from the sources themselves.
//
// LAYERS is the rule: what a folder may import, besides itself. A value import binds at run time; a type import
// (`import type`) only says what is handed through, so it may reach further. A new folder needs a new row.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, extname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";

const ROOT = fileURLToPath(new URL("../", import.meta.url));

interface Layer {
  /** Folders of src, or files in them, whose values it may use. */
  readonly values: readonly string[];
  /** Folders or files of which it may name types only, beside those of `values`. */
  readonly types?: readonly string[];
  /** Packages from the registry. */
  readonly packages?: readonly string[];
  readonly mustNotKnow: string;
}

const LAYERS: Readonly<Record<string, Layer>> = {
  util: { values: [], mustNotKnow: "anything of this project" },
  tensor: { values: ["util"], mustNotKnow: "devices" },
  backends: { values: ["tensor", "util"], mustNotKnow: "models, or what an op means" },
  ops: { values: ["backends", "tensor", "util"], mustNotKnow: "names of weights, or sequences" },
  checkpoint: { values: ["tensor", "util"], mustNotKnow: "the model, or the tokenizer" },
  tokenizer: {
    values: ["tensor", "util"],
    packages: ["@huggingface/jinja", "@huggingface/tokenizers"],
    mustNotKnow: "the model, or checkpoints",
  },
  model: {
    values: ["ops", "backends", "tensor", "util"],
    types: ["checkpoint"],
    mustNotKnow: "sequences and requests",
  },
  cache: {
    values: ["ops/kv-write", "ops/attention/kv-batch.ts", "backends", "tensor", "util"],
    mustNotKnow: "what tokens mean",
  },
  grammar: { values: ["util"], mustNotKnow: "schemas, text, or the engine" },
  schema: {
    values: ["grammar", "tokenizer", "util"],
    mustNotKnow: "the engine, HTTP, or a vocabulary",
  },
  engine: {
    values: ["model", "cache", "grammar", "ops/sample", "tensor", "util"],
    types: ["backends", "checkpoint", "ops/linear"],
    mustNotKnow: "text, HTTP and JSON",
  },
  api: {
    values: [
      "engine/client.ts",
      "engine/protocol.ts",
      "engine/routes.ts",
      "grammar",
      "ops/sample",
      "schema",
      "tokenizer",
      "checkpoint",
      "backends/cpu/addon.ts",
      "tensor/dtype.ts",
      "util",
    ],
    types: ["engine", "cache", "backends", "ops/linear", "model/packing.ts"],
    mustNotKnow: "the inside of the engine, or tensors",
  },
  convert: {
    values: ["api/load-tokenizer.ts", "model", "checkpoint", "tokenizer", "tensor", "util"],
    mustNotKnow: "the engine, or devices",
  },
  train: {
    values: [
      "api/load-tokenizer.ts",
      "convert",
      "model",
      "ops",
      "backends",
      "checkpoint",
      "tokenizer",
      "tensor",
      "util",
    ],
    packages: ["hyparquet", "yaml", "zod"],
    mustNotKnow: "the engine, or HTTP",
  },
  eval: {
    values: ["api/request.ts", "tokenizer/chat.ts", "tokenizer/chat-template.ts", "train/data", "util"],
    types: ["api", "tokenizer"],
    mustNotKnow: "the inside of the engine, training, or the terminal",
  },
  mcp: {
    values: ["util"],
    packages: ["@modelcontextprotocol/client", "zod"],
    mustNotKnow: "models, or who calls its tools",
  },
  server: {
    values: ["api", "tokenizer", "util"],
    types: ["mcp"],
    packages: ["@hono/node-server", "hono", "pino", "prom-client", "zod"],
    mustNotKnow: "the engine, tensors, or the environment",
  },
  cli: {
    values: [
      "api",
      "eval",
      "mcp",
      "server",
      "convert",
      "train",
      "engine",
      "cache",
      "grammar",
      "model",
      "schema",
      "tokenizer",
      "checkpoint",
      "ops",
      "backends",
      "tensor",
      "util",
      "index.ts",
    ],
    packages: ["commander", "yaml", "zod"],
    mustNotKnow: "nothing: it stands above all",
  },
};

/** Single files with a row of their own. */
const FILES: Readonly<Record<string, Layer>> = {
  "engine/worker.ts": {
    // The composition root: here a backend and a checkpoint are opened and handed to the engine.
    values: ["backends", "checkpoint", "model", "cache", "util"],
    mustNotKnow: "text and HTTP",
  },
  "index.ts": {
    values: ["api", "convert", "tokenizer", "checkpoint", "util"],
    mustNotKnow: "the engine, or tensors",
  },
};

/** Longest files. Kernels have more, because one kernel is one thought. */
const MAX_LINES = { ".ts": 350, ".cpp": 600, ".h": 600 };
/** Longer files, each with its reason. */
const LONG_FILES: Readonly<Record<string, string>> = {};

interface Import {
  readonly specifier: string;
  readonly typeOnly: boolean;
}

interface SourceFile {
  /** Relative to src, with slashes. */
  readonly path: string;
  readonly text: string;
  readonly imports: readonly Import[];
}

const SOURCES = listFiles(join(ROOT, "src"))
  .filter((path) => extname(path) in MAX_LINES && !isTest(path))
  .map(readSource);
const MODULES = SOURCES.filter(({ path }) => path.endsWith(".ts"));

function isTest(path: string): boolean {
  return /\.(test|bench)\.ts$|[/\\]testing\.ts$/.test(path);
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    return entry.isDirectory() ? listFiles(path) : [path];
  });
}

function readSource(file: string): SourceFile {
  const path = relative(join(ROOT, "src"), file).split(sep).join("/");
  const text = readFileSync(file, "utf8");
  return { path, text, imports: path.endsWith(".ts") ? importsOf(text) : [] };
}

/** Every `import`, `export … from` and `import()` of a source text. */
function importsOf(text: string): Import[] {
  const code = withoutComments(text);
  const statements = [...code.matchAll(/^(?:import|export)\s+(type\s)?[^;"'`(]*?\bfrom\s*["']([^"']+)["']/gm)];
  const bare = [...code.matchAll(/^import\s*["']([^"']+)["']/gm)];
  const dynamic = [...code.matchAll(/\bimport\s*\(\s*["']([^"']+)["']/g)];
  return [
    ...statements.map(([, type, specifier]) => ({ specifier: specifier!, typeOnly: type !== undefined })),
    ...[...bare, ...dynamic].map(([, specifier]) => ({ specifier: specifier!, typeOnly: false })),
  ];
}

function withoutComments(text: string): string {
  return text.replace(/^\s*\/\/.*$/gm, "").replace(/^\s*\/\*[\s\S]*?\*\//gm, "");
}

function layerOf(path: string): Layer | undefined {
  return FILES[path] ?? LAYERS[path.split("/")[0]!];
}

/** The imported file relative to src; undefined for packages and Node's own modules. */
function targetOf(path: string, specifier: string): string | undefined {
  if (!specifier.startsWith(".")) return undefined;
  const absolute = resolve(ROOT, "src", dirname(path), specifier);
  return relative(join(ROOT, "src"), absolute).split(sep).join("/");
}

function covers(allowed: readonly string[], target: string): boolean {
  return allowed.some((entry) => target === entry || target.startsWith(`${entry}/`));
}

function importMistake({ path }: SourceFile, { specifier, typeOnly }: Import): string | undefined {
  const layer = layerOf(path);
  if (layer === undefined) return `${path}: its folder has no row in LAYERS (test/layers.test.ts); add one`;
  if (specifier.startsWith("node:")) return undefined;
  const target = targetOf(path, specifier);
  if (target === undefined) {
    const name = specifier
      .split("/")
      .slice(0, specifier.startsWith("@") ? 2 : 1)
      .join("/");
    if (layer.packages?.includes(name) === true) return undefined;
    return `${path}: imports the package ${name}, which is not in its row's packages`;
  }
  if (target.startsWith("..")) return `${path}: imports ${specifier}, which lies outside src`;
  if (!existsSync(join(ROOT, "src", target))) return `${path}: imports ${specifier}, which does not exist`;
  if (isTest(`/${target}`)) return `${path}: imports ${target}, which is only for tests`;
  const [folder] = path.split("/");
  if (path.includes("/") && target.split("/")[0] === folder) return undefined;
  const allowed = typeOnly ? [...layer.values, ...(layer.types ?? [])] : layer.values;
  if (covers(allowed, target)) return undefined;
  const how = covers(layer.types ?? [], target) ? "more than types of " : "";
  return `${path}: imports ${how}${target}; ${path.includes("/") ? folder : path} must not know ${layer.mustNotKnow}`;
}

test("imports go in one direction", () => {
  const mistakes = MODULES.flatMap((file) => file.imports.map((one) => importMistake(file, one)));
  expect(mistakes.filter((mistake) => mistake !== undefined)).toEqual([]);
});

describe("the reader of imports", () => {
  test("sees every form of import", () => {
    const text = [
      'import a, { type B } from "./a.ts";',
      'import type { C } from "./c.ts";',
      "import {\n  d,\n  e,\n} from './d.ts';",
      'import "./side-effect.ts";',
      'export type { F } from "./f.ts";',
      'export * from "./g.ts";',
      '// import { no } from "./commented.ts";',
      'const late = await import("./late.ts");',
      'export function from(text: string): string { return "x"; }',
    ].join("\n");
    const found = importsOf(text).map(({ specifier, typeOnly }) => (typeOnly ? `type ${specifier}` : specifier));
    expect(found.toSorted()).toEqual(
      ["./a.ts", "./d.ts", "./g.ts", "./late.ts", "./side-effect.ts", "type ./c.ts", "type ./f.ts"].toSorted(),
    );
  });

  test.each([
    ["engine/engine.ts", "../tokenizer/tokenizer.ts", true, "must not know text"],
    ["engine/engine.ts", "../checkpoint/checkpoint.ts", false, "more than types of checkpoint"],
    ["cache/hybrid-cache.ts", "../ops/linear/linear.ts", true, "must not know what tokens mean"],
    ["checkpoint/gguf.ts", "../model/config.ts", true, "must not know the model"],
    ["ops/linear/linear.ts", "../../nowhere.ts", false, "does not exist"],
    ["util/assert.ts", "zod", false, "package zod"],
    ["unheard-of/file.ts", "../util/assert.ts", false, "no row in LAYERS"],
  ])("%s must not import %s", (path, specifier, typeOnly, mistake) => {
    expect(importMistake({ path, text: "", imports: [] }, { specifier, typeOnly })).toContain(mistake);
  });

  test.each([
    ["engine/engine.ts", "../checkpoint/checkpoint.ts", true],
    ["engine/worker.ts", "../checkpoint/checkpoint.ts", false],
    ["cache/hybrid-cache.ts", "../ops/attention/kv-batch.ts", false],
  ])("%s may import %s", (path, specifier, typeOnly) => {
    expect(importMistake({ path, text: "", imports: [] }, { specifier, typeOnly })).toBeUndefined();
  });
});

test("files do not import each other in circles", () => {
  const edges = new Map(
    MODULES.map(({ path, imports }) => [
      path,
      imports.filter(({ typeOnly }) => !typeOnly).flatMap(({ specifier }) => targetOf(path, specifier) ?? []),
    ]),
  );
  expect(findCycle(edges)?.join(" → ")).toBeUndefined();
  expect(
    findCycle(
      new Map([
        ["a", ["b"]],
        ["b", ["c"]],
        ["c", ["b"]],
      ]),
    ),
  ).toEqual(["b", "c", "b"]);
});

/** A path along edges that ends where it began. */
function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | undefined {
  const done = new Set<string>();
  const visit = (node: string, trail: readonly string[]): string[] | undefined => {
    if (trail.includes(node)) return [...trail.slice(trail.indexOf(node)), node];
    if (done.has(node)) return undefined;
    for (const next of edges.get(node) ?? []) {
      const cycle = visit(next, [...trail, node]);
      if (cycle !== undefined) return cycle;
    }
    done.add(node);
    return undefined;
  };
  for (const node of edges.keys()) {
    const cycle = visit(node, []);
    if (cycle !== undefined) return cycle;
  }
  return undefined;
}

test("src/index.ts is the only barrel, and names what it exports", () => {
  const barrels = MODULES.filter(({ text }) => {
    const code = withoutComments(text);
    const rest = code.replace(/^(?:import|export)\s[^;]*?\bfrom\s*["'][^"']+["'];?/gm, "").trim();
    return rest === "" || /^export\s+(type\s+)?\*/m.test(code);
  });
  expect(barrels.map(({ path }) => path)).toEqual(["index.ts"]);
  expect(withoutComments(MODULES.find(({ path }) => path === "index.ts")!.text)).not.toContain("*");
});

test("every source file says first what it owns", () => {
  const silent = SOURCES.filter(({ text }) => !/^\/[/*]\s*\S/.test(text));
  expect(silent.map(({ path }) => path)).toEqual([]);
});

test("files are short enough to read", () => {
  const lines = (text: string): number => text.split("\n").length - 1;
  const limit = (path: string): number => MAX_LINES[extname(path) as keyof typeof MAX_LINES];
  const long = SOURCES.filter(({ path, text }) => lines(text) > limit(path) && !(path in LONG_FILES));
  expect(long.map(({ path, text }) => `${path}: ${lines(text)} lines, at most ${limit(path)}`)).toEqual([]);
  // An exception that is no longer needed goes away.
  const needed = SOURCES.filter(({ path, text }) => lines(text) > limit(path)).map(({ path }) => path);
  expect(Object.keys(LONG_FILES).filter((path) => !needed.includes(path))).toEqual([]);
});

test("no file depends on one person's machine", () => {
  const GENERATED = ["node_modules", "dist", "build", ".git", "runs", "coverage"];
  const foreign = /(?<![\w.~-])\/(?:work|root|home|Users)\/|\.\.\/shared\b/;
  const texts = readdirSync(ROOT, { withFileTypes: true })
    .filter(({ name }) => !GENERATED.includes(name))
    .flatMap((entry) => (entry.isDirectory() ? listFiles(join(ROOT, entry.name)) : [join(ROOT, entry.name)]))
    .filter((path) => path !== fileURLToPath(import.meta.url) && !path.includes(`${sep}node_modules${sep}`))
    .filter((path) =>
      /\.(ts|mjs|js|json|jsonl|md|cpp|h|txt|html|css|ya?ml|npmrc)$|[/\\](run|LICENSE|\.npmrc)$/.test(path),
    );
  const mentions = texts.flatMap((path) =>
    readFileSync(path, "utf8")
      .split("\n")
      .flatMap((line, i) =>
        foreign.test(line) ? [`${relative(ROOT, path)}:${i + 1}: ${line.trim().slice(0, 120)}`] : [],
      ),
  );
  expect(mentions).toEqual([]);
});
