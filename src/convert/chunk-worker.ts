// Runs chunk jobs on a thread of its own, one after the other in the order they come.

import { parentPort } from "node:worker_threads";
import { defined } from "../util/assert.ts";
import { toMimoError } from "../util/errors.ts";
import { runJob } from "./chunk-job.ts";
import type { FromChunkWorker, ToChunkWorker } from "./chunk-pool.ts";

const port = defined(parentPort, "the port of a worker thread");

port.on("message", ({ id, job }: ToChunkWorker) => {
  try {
    const chunk = runJob(job);
    const buffers = [chunk.bytes.buffer, ...(chunk.scales === undefined ? [] : [chunk.scales.buffer])];
    port.postMessage({ id, chunk } satisfies FromChunkWorker, buffers as ArrayBuffer[]);
  } catch (thrown) {
    port.postMessage({ id, error: toMimoError(thrown).toJSON() } satisfies FromChunkWorker);
  }
});
