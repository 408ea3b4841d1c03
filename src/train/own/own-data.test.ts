// Own data as a mixture gives it: every kind of file, each row once an epoch, some held out; and every fault of a file by
// its place.

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { parquetWriteBuffer } from "hyparquet-writer";
import { afterAll, describe, expect, test } from "vitest";
import { createByteTokenizer } from "../../tokenizer/byte-tokenizer.ts";
import { Tokenizer } from "../../tokenizer/tokenizer.ts";
import { type Mixture, mixtureSample } from "../data/mixture.ts";
import type { Split } from "../data/random.ts";
import type { Sample } from "../data/sample.ts";
import { Dataset } from "../dataset.ts";
import type { Recipe } from "../recipe.ts";
import { OwnData } from "./own-data.ts";

const FOLDER = mkdtempSync(join(tmpdir(), "mimo-own-"));
afterAll(() => rmSync(FOLDER, { recursive: true }));

let numFiles = 0;
function fileOf(content: string | Uint8Array, kind: string): string {
  const path = join(FOLDER, `${numFiles++}${kind}`);
  writeFileSync(path, content);
  return path;
}

/** Opens files as a run with the folder does; a new folder by default. */
function open(
  paths: readonly string[],
  options: { folder?: string; maxLength?: number; signal?: AbortSignal; onProgress?: () => void } = {},
): Promise<OwnData> {
  const { folder = join(FOLDER, `index-${numFiles++}`), maxLength = 64, ...watch } = options;
  const data = paths.map((file) => ({ file, weight: 1 }));
  return OwnData.open({
    ...watch,
    folder,
    isBegun: true,
    recipe: { stages: [{ data, maxLength }] } as unknown as Recipe,
  });
}

async function rowsOf(path: string, split: Split = "train"): Promise<Sample[]> {
  using data = await open([path]);
  const source = data.sources.get(path)!;
  return Array.from({ length: source.size(split) }, (_, row) => source.sample(split, row));
}

async function allTexts(path: string): Promise<string[]> {
  const rows = [...(await rowsOf(path)), ...(await rowsOf(path, "heldout"))];
  return rows.map((row) => (row.kind === "text" ? row.text : JSON.stringify(row.messages))).toSorted();
}

const CHAT = [
  { role: "user", content: "Which colour is the sky?" },
  { role: "assistant", content: "Blue." },
];
const jsonl = (...rows: unknown[]): string => rows.map((row) => `${JSON.stringify(row)}\n`).join("");
const texts = (count: number): { text: string }[] => Array.from({ length: count }, (_, i) => ({ text: `Text ${i}.` }));

describe("a text", () => {
  test("has documents between two blank lines or more, with paragraphs inside", async () => {
    const path = fileOf("\n\none\n\nstill one\n\n\ntwo\n \n\t\n\n\nthree", ".txt");
    expect(await allTexts(path)).toEqual(["one\n\nstill one", "three", "two"]);
  });

  test("may come from Windows, with a byte order mark", async () => {
    expect(await allTexts(fileOf("\ufeffone\r\nline\r\n\r\n\r\ntwo\r\n", ".txt"))).toEqual(["one\nline", "two"]);
  });

  test.each([
    ["of many lines", Array.from({ length: 3000 }, (_, i) => `line ${i} of the tale, große Zeile`).join("\n")],
    ["of one line", "日本語と🙂and so on without end, ".repeat(3000)],
  ])("that is one long document %s loses nothing, and ends once", async (_, text) => {
    const path = fileOf(text, ".txt");
    const rows = [...(await rowsOf(path)), ...(await rowsOf(path, "heldout"))];
    expect(rows.length).toBeGreaterThan(20);
    const parts = rows.map((row) => (row.kind === "text" ? row.text : ""));
    expect(Math.max(...parts.map((part) => Buffer.byteLength(part)))).toBeLessThanOrEqual(32 * 64);
    expect(parts.every((part) => text.includes(part))).toBe(true);
    expect(parts.reduce((sum, part) => sum + part.length, 0)).toBe(text.length);
    expect(rows.filter((row) => row.kind === "text" && row.continues !== true)).toHaveLength(1);
  });
});

describe("JSON lines", () => {
  test("are texts and conversations; blank and empty ones are passed over", async () => {
    const tools = [{ type: "function", function: { name: "look" } }];
    const path = fileOf(`\ufeff${jsonl({ text: "one" }, { text: " " }, { messages: CHAT, tools })}\r\n\n`, ".jsonl");
    const rows = [...(await rowsOf(path)), ...(await rowsOf(path, "heldout"))];
    expect(rows).toHaveLength(2);
    expect(rows.find(({ kind }) => kind === "chat")).toMatchObject({ messages: CHAT, tools, thinking: false });
  });

  test("think where their messages do, unless they say otherwise", async () => {
    const messages = [CHAT[0], { role: "assistant", reasoning_content: "Look up.", content: "Blue." }];
    const path = fileOf(jsonl({ messages }, { messages, thinking: false }), ".jsonl");
    const rows = [...(await rowsOf(path)), ...(await rowsOf(path, "heldout"))];
    expect(new Set(rows.map((row) => row.kind === "chat" && row.thinking))).toEqual(new Set([true, false]));
  });
});

describe("Parquet", () => {
  test("has texts, row group after row group", async () => {
    const data = texts(1000).map(({ text }) => text);
    const buffer = parquetWriteBuffer({
      columnData: [
        { name: "id", data: data.map((_, i) => i), type: "INT32" },
        { name: "text", data, type: "STRING" },
      ],
      rowGroupSize: 64,
    });
    expect(await allTexts(fileOf(new Uint8Array(buffer), ".parquet"))).toEqual(data.toSorted());
  });

  test("has conversations as lists of structs, whose absent fields are null", async () => {
    const messages = [CHAT, [{ role: "system", content: null }, ...CHAT]].map((list) =>
      list.map(({ role, content }) => ({
        role,
        content: content ?? "Be brief.",
        tool_calls: null,
        reasoning_content: null,
      })),
    );
    const text = { type: "BYTE_ARRAY", converted_type: "UTF8", repetition_type: "OPTIONAL" } as const;
    const buffer = parquetWriteBuffer({
      columnData: [{ name: "messages", data: messages }],
      schema: [
        { name: "root", num_children: 1 },
        { name: "messages", repetition_type: "OPTIONAL", num_children: 1, converted_type: "LIST" },
        { name: "list", repetition_type: "REPEATED", num_children: 1 },
        { name: "element", repetition_type: "OPTIONAL", num_children: 4 },
        { ...text, name: "role" },
        { ...text, name: "content" },
        { ...text, name: "tool_calls" },
        { ...text, name: "reasoning_content" },
      ],
    });
    const plain = messages.map((list) => JSON.stringify(list.map(({ role, content }) => ({ role, content }))));
    expect(await allTexts(fileOf(new Uint8Array(buffer), ".parquet"))).toEqual(plain.toSorted());
  });

  test("has conversations, as lists or as their JSON", async () => {
    const others = [
      { role: "user", content: "And grass?" },
      { role: "assistant", content: "Green." },
    ];
    for (const type of ["JSON", "STRING"] as const) {
      const data = [CHAT, others].map((messages) => (type === "JSON" ? messages : JSON.stringify(messages)));
      const buffer = parquetWriteBuffer({ columnData: [{ name: "messages", data, type }], codec: "UNCOMPRESSED" });
      const found = await allTexts(fileOf(new Uint8Array(buffer), ".parquet"));
      expect(found).toEqual([CHAT, others].map((messages) => JSON.stringify(messages)).toSorted());
    }
  });
});

describe("the order of rows", () => {
  test("has each row once in an epoch, and another order in the next", async () => {
    const path = fileOf(jsonl(...texts(500)), ".jsonl");
    using data = await open([path]);
    const { sources } = data;
    const size = sources.get(path)!.size("train");
    const heldout = sources.get(path)!.size("heldout");
    expect(size + heldout).toBe(500);
    expect(heldout).toBeGreaterThan(0);
    expect(heldout).toBeLessThan(20);
    const epochs = [0, 1].map((epoch) =>
      Array.from({ length: size }, (_, i) =>
        JSON.stringify(
          mixtureSample([{ file: path, weight: 3 }], { split: "train", seed: 1, index: epoch * size + i }, sources),
        ),
      ),
    );
    for (const epoch of epochs) expect(new Set(epoch).size).toBe(size);
    expect(epochs[0]).not.toEqual(epochs[1]);
    expect(epochs[0]!.toSorted()).toEqual(epochs[1]!.toSorted());
  });

  test("holds in a mixture, where files have their shares and generators theirs", async () => {
    const [one, two] = ["one", "two"].map((name) =>
      fileOf(jsonl(...texts(300).map(({ text }) => ({ text: `${name} ${text}` }))), ".jsonl"),
    );
    using data = await open([one!, two!]);
    const mixture: Mixture = [
      { file: one!, weight: 1 },
      { generator: "arithmetic", weight: 1, options: { textShare: 0 } },
      { file: two!, weight: 2 },
    ];
    const samples = Array.from({ length: 800 }, (_, index) =>
      mixtureSample(mixture, { split: "train", seed: 2, index }, data.sources),
    );
    const found = samples.map((sample) => (sample.kind === "text" ? sample.text : ""));
    expect(found.filter((text) => text.startsWith("one"))).toHaveLength(200);
    expect(new Set(found.filter((text) => text.startsWith("one"))).size).toBe(200);
    expect(found.filter((text) => text.startsWith("two"))).toHaveLength(400);
    expect(found.filter((text) => text === "")).toHaveLength(200);
  });

  test("never mixes splits, whatever a row stands beside", async () => {
    const path = fileOf(jsonl(...texts(1000)), ".jsonl");
    const heldout = await rowsOf(path, "heldout");
    const again = fileOf(jsonl({ text: "another" }, ...texts(1000).toReversed()), ".jsonl");
    const train = new Set((await rowsOf(again)).map((row) => JSON.stringify(row)));
    expect(heldout.filter((row) => train.has(JSON.stringify(row)))).toEqual([]);
  });
});

describe("batches", () => {
  const { tokenizerJson, tokenizerConfig } = createByteTokenizer({ vocabSize: 320 });
  const tokenizer = Tokenizer.fromJson(tokenizerJson, tokenizerConfig);
  const options = { tokenizer, split: "train", seed: 1, numRows: 100, maxDocuments: 8, maxLength: 40 } as const;

  test("hold all of a document that is longer than they are, wherever they are resumed", async () => {
    const text = Array.from({ length: 90 }, (_, i) => `word ${i}`).join(" ");
    const path = fileOf(jsonl({ text }, { text }), ".jsonl");
    using data = await open([path]);
    const all = { ...options, mixture: [{ file: path, weight: 1 }], sources: data.sources, learn: "all" } as const;
    const whole = new Dataset(all);
    const learnt: number[] = [];
    while (whole.position < 1) {
      const { position } = whole;
      const batch = whole.next();
      expect(new Dataset(all, JSON.parse(JSON.stringify(position)) as number).next()).toEqual(batch);
      for (const { row, count } of batch.spans.filter(({ row }) => row < batch.numTokens)) {
        expect(count).toBeLessThanOrEqual(40);
        // Each part begins with the last token of the one before.
        learnt.push(...batch.tokens.subarray(row + (learnt.length === 0 ? 0 : 1), row + count));
      }
    }
    const ids = [...tokenizer.encode(text), tokenizer.addedTokenId("<|endoftext|>")!];
    expect(learnt.slice(0, ids.length)).toEqual(ids);
  });

  test("leave out what of a conversation teaches nothing", async () => {
    const messages = [{ role: "user", content: "Why? ".repeat(100) }, ...CHAT];
    const path = fileOf(jsonl({ messages }, { messages }), ".jsonl");
    using data = await open([path]);
    const mixture = [{ file: path, weight: 1 }];
    const batch = new Dataset({ ...options, mixture, sources: data.sources, learn: "answers" }).next();
    for (const { row, count } of batch.spans.filter(({ row }) => row < batch.numTokens)) {
      expect(batch.isLearnt.subarray(row + 1, row + count)).toContain(1);
    }
  });
});

describe("faults", () => {
  const good = JSON.stringify({ text: "good" });
  test.each<[string, string, string | Uint8Array, string]>([
    ["an empty text", ".txt", "", "an empty file"],
    ["a blank text", ".txt", "\n \n", "none that says anything"],
    ["a single document", ".txt", "only this", "found 1"],
    ["an empty file of JSON lines", ".jsonl", "", "an empty file"],
    ["JSON that is cut off", ".jsonl", `${good}\n\n{"text": "a`, ", line 3: expected"],
    ["a line that is a list", ".jsonl", `${good}\n[1]\n`, ", line 2: expected an object"],
    ["a line without text", ".jsonl", `{"txet": "a"}\n`, "found the fields txet"],
    ["a text that is a number", ".jsonl", `{"text": 5}\n`, 'line 1: expected a string as "text", found "5"'],
    [
      "an unknown role",
      ".jsonl",
      jsonl({ messages: [{ role: "root", content: "" }] }),
      "line 1: messages[0].role must be",
    ],
    ["no messages", ".jsonl", jsonl({ messages: [] }), "line 1: messages must be"],
    ["nobody who answers", ".jsonl", jsonl({ messages: CHAT.slice(0, 1) }), "a message of the assistant"],
    ["thinking that is a word", ".jsonl", jsonl({ messages: CHAT, thinking: "yes" }), '"thinking", found'],
    ["broken tools", ".jsonl", jsonl({ messages: CHAT, tools: [{}] }), "line 1: tools[0].type must be"],
    [
      "bytes that are not UTF-8",
      ".jsonl",
      Buffer.from(`${good}\n{"text": "\xe9"}\n`, "latin1"),
      ", line 2: expected UTF-8",
    ],
    ["UTF-16", ".txt", Buffer.from("\ufeffone\n\n\ntwo", "utf16le"), ", line 1: expected UTF-8"],
    ["a line beyond reason", ".jsonl", `{"text": "${"a".repeat(17 << 20)}"}`, "line 1: expected at most 16 MiB"],
    ["another kind of file", ".csv", "a,b", "expected a file that ends in .txt, .jsonl, .parquet, found .csv"],
    ["a file without ending", "", "a", "found no ending"],
    ["Parquet that is none", ".parquet", "PAR1 or so", "expected Parquet"],
    [
      "Parquet without text",
      ".parquet",
      parquetOf("body", ["a", "b"]),
      "a column text or messages, found the columns body",
    ],
    ["Parquet that is cut off", ".parquet", parquetOf("text", ["a", "b"]).subarray(3), "expected Parquet"],
    ["a wrong row of Parquet", ".parquet", parquetOf("messages", ["[]", "[]"]), ", row 1: messages must be"],
    ["Parquet that is compressed twice", ".parquet", gzipSync(parquetOf("text", ["a", "b"])), "expected Parquet"],
  ])("%s is refused by its place", async (_, kind, content, problem) => {
    const path = fileOf(content, kind);
    await expect(open([path])).rejects.toMatchObject({
      name: "MimoError",
      code: "invalid_argument",
      param: "data",
      message: expect.stringContaining(problem) as string,
    });
    await expect(open([path])).rejects.toThrow(path);
  });

  test("a file that is missing and a folder are refused", async () => {
    await expect(open([join(FOLDER, "missing.txt")])).rejects.toMatchObject({ code: "not_found" });
    mkdirSync(join(FOLDER, "folder.txt"));
    await expect(open([join(FOLDER, "folder.txt")])).rejects.toThrow("found something else");
  });

  test.each([".txt", ".parquet"])("a %s file that has changed since the run was begun is refused", async (kind) => {
    const content = kind === ".txt" ? Buffer.from("one\n\n\ntwo") : parquetOf("text", ["one", "two"]);
    const path = fileOf(content, kind);
    const folder = join(FOLDER, `index-${numFiles++}`);
    (await open([path], { folder }))[Symbol.dispose]();
    writeFileSync(path, content);
    (await open([path], { folder }))[Symbol.dispose]();
    const other = Uint8Array.from(content);
    other[5]! ^= 1;
    writeFileSync(path, other);
    await expect(open([path], { folder })).rejects.toThrow("expected the SHA-256");
    appendFileSync(path, "more");
    await expect(open([path], { folder })).rejects.toThrow(`expected ${content.length} bytes, found`);
    rmSync(path);
    await expect(open([path], { folder })).rejects.toMatchObject({ code: "not_found" });
  });

  test("a file that changes while it is used gives no other samples", async () => {
    const path = fileOf("one\n\n\ntwo\n\n\nthree", ".txt");
    using data = await open([path]);
    const source = data.sources.get(path)!;
    source.sample("train", 0);
    utimesSync(path, 5, 5);
    expect(() => source.sample("train", 0)).toThrow("the file has changed");
    rmSync(path);
    expect(() => source.sample("train", 0)).toThrow("found nothing");
  });

  test("reading can be aborted, and is begun anew then", async () => {
    const path = fileOf(jsonl(...texts(50)), ".jsonl");
    const folder = join(FOLDER, `index-${numFiles++}`);
    const controller = new AbortController();
    const opening = open([path], { folder, signal: controller.signal, onProgress: () => controller.abort() });
    await expect(opening.then(() => open([path], { folder, signal: controller.signal }))).rejects.toMatchObject({
      code: "aborted",
    });
    using data = await open([path], { folder });
    expect(data.sources.get(path)!.size("train")).toBeGreaterThan(40);
  });
});

function parquetOf(name: string, data: readonly string[]): Uint8Array {
  return new Uint8Array(parquetWriteBuffer({ columnData: [{ name, data: [...data], type: "STRING" }] }));
}
