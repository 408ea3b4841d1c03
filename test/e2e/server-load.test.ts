// A short form of bench/server-load.ts: a real `mimo serve`, more clients than it takes, and nothing left of them.

import { afterAll, expect, test } from "vitest";
import { holdingWhenIdle, sendWave } from "../../bench/load/crowd.ts";
import { streamProblem } from "../../bench/load/visit.ts";
import { resultOf, Surroundings, urlOf } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

test("every request ends well, and an idle server holds what it held before", async () => {
  const model = here.path("tiny");
  expect((await here.run(["init", "--preset", "tiny", model])).exitCode).toBe(0);
  const load = ["--max-queue", "16", "--max-running-requests", "4", "--context-length", "8192"];
  const child = here.spawn(["serve", model, "--port", "0", "--threads", "1", ...load]);
  const result = resultOf(child);
  const url = await urlOf(child);
  const wave = { url, connections: 40, patienceMs: 100_000 };
  const warmUp = await sendWave({ ...wave, requests: 20, first: 0 });
  const before = await holdingWhenIdle(url);
  const { outcomes, refusals, problems } = await sendWave({ ...wave, requests: 100, first: 20 });
  expect([...warmUp.problems, ...problems]).toEqual([]);
  expect(outcomes).toHaveLength(100);
  expect(refusals).toBeGreaterThan(0);
  const after = await holdingWhenIdle(url);
  expect(after).toMatchObject({ kvUse: 0, resources: before.resources });
  child.kill("SIGTERM");
  expect((await result).exitCode).toBe(0);
});

test("a stream that is not whole is noticed", () => {
  const chunk = 'data: {"choices":[{"finish_reason":null}]}\n\n';
  const end = 'data: {"choices":[{"finish_reason":"stop"}]}\n\n';
  const error = 'data: {"error":{"message":"Broken","type":"server_error","param":null,"code":"internal"}}\n\n';
  for (const whole of [`${chunk}: ping\n\n${end}data: [DONE]\n\n`, chunk + error])
    expect(streamProblem(whole)).toBeUndefined();
  for (const broken of [
    "",
    chunk,
    chunk + end,
    `${chunk}data: [DONE]\n\n`,
    `${end}data: {"x\n\ndata: [DONE]\n\n`,
    `${end}data`,
  ])
    expect(streamProblem(broken)).toEqual(expect.any(String));
});
