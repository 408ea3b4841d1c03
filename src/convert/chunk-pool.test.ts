// Threads change nothing but the time: same bytes, same order, same errors.

import { describe, expect, test } from "vitest";
import type { Chunk, ChunkJob } from "./chunk-job.ts";
import { openChunkPool } from "./chunk-pool.ts";

const FEW_WEIGHTS = 0;
const MANY_WEIGHTS = 2 ** 40;

function* randomJobs(): Generator<ChunkJob> {
  for (let key = 0; key < 12; key++) {
    const drawsBlocks = key % 2 === 0;
    yield { kind: "random", dtype: "q4_k", key, mean: 0, deviation: 1, begin: 0, count: 4096, drawsBlocks };
  }
  yield { kind: "copy", bytes: Uint8Array.of(1, 2, 3) };
  yield {
    kind: "transcode",
    from: "f32",
    bytes: new Uint8Array(4 * 512),
    columns: 256,
    scales: undefined,
    to: "f8_e4m3",
  };
}

async function chunksOf(numWeights: number, jobs: Iterable<ChunkJob>): Promise<Chunk[]> {
  using pool = openChunkPool(numWeights);
  const chunks: Chunk[] = [];
  for await (const chunk of pool.map(jobs)) chunks.push(chunk);
  return chunks;
}

test("threads give the results of none, in order", async () => {
  const expected = await chunksOf(FEW_WEIGHTS, randomJobs());
  expect(expected.length).toBe(14);
  expect(expected.at(-1)?.scales).toEqual(Float32Array.of(1, 1));
  expect(await chunksOf(MANY_WEIGHTS, randomJobs())).toEqual(expected);
});

describe.each([FEW_WEIGHTS, MANY_WEIGHTS])("with %i weights", (numWeights) => {
  test("an error of a job reaches who asked", async () => {
    const bytes = new Uint8Array(Float32Array.from({ length: 256 }, () => Number.NaN).buffer);
    const broken: ChunkJob = { kind: "transcode", from: "f32", bytes, columns: 256, scales: undefined, to: "q4_k" };
    await expect(chunksOf(numWeights, [broken])).rejects.toMatchObject({ code: "invalid_argument" });
  });

  test("jobs are drawn as results are taken, and leaving early is no failure", async () => {
    using pool = openChunkPool(numWeights);
    let drawn = 0;
    function* endless(): Generator<ChunkJob> {
      for (;;) {
        drawn++;
        yield {
          kind: "random",
          dtype: "f32",
          key: drawn,
          mean: 0,
          deviation: 1,
          begin: 0,
          count: 2,
          drawsBlocks: true,
        };
      }
    }
    for await (const chunk of pool.map(endless())) {
      expect(chunk.bytes.length).toBe(8);
      break;
    }
    expect(drawn).toBeLessThan(100);
  });
});
