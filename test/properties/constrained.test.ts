// Constrained decoding, end to end: random schemas, random weights, temperature 1, with drafts and without.

import { Ajv2020 } from "ajv/dist/2020.js";
import { expect, test } from "vitest";
import { writeTextCheckpoint } from "../../src/api/testing.ts";
import { openCheckpoint } from "../../src/checkpoint/checkpoint.ts";
import { loadTokenizer } from "../../src/api/load-tokenizer.ts";
import { checkSchemas, openSmallEngine } from "../constrained.ts";

test("what is strict always satisfies its schema, and drafts change nothing", async () => {
  const { path, remove } = await writeTextCheckpoint();
  try {
    using checkpoint = openCheckpoint(path);
    const tokenizer = loadTokenizer(checkpoint).tokenizer!;
    using opened = openSmallEngine(path, tokenizer);
    const ajv = new Ajv2020({ strict: false, logger: false, ownProperties: true });
    const tally = checkSchemas(
      opened.engine,
      tokenizer,
      Array.from({ length: 100 }, (_, seed) => seed),
      ajv,
    );
    expect(tally).toMatchObject({ calls: 100, texts: 100 });
  } finally {
    remove();
  }
}, 300_000);
