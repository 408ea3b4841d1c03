// `mimo train` as people run it: from a recipe to a model that other commands take, through a kill that nobody announced.

import { appendFileSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { mix } from "../../src/util/random.ts";
import { resultOf, Surroundings } from "./command.ts";

const here = await Surroundings.create();
afterAll(() => here[Symbol.dispose]());

const RECIPE = `
name: mini
seed: 3
tokenizer: { vocabSize: 512, characters: 200000 }
model:
  hiddenSize: 48
  intermediateSize: 64
  contextLength: 256
  numLayers: 3
  attention: { numHeads: 2, numKvHeads: { global: 1, sliding: 2 }, headDim: 24, window: 16 }
  experts: { numExperts: 4, numExpertsPerToken: 2, intermediateSize: 32 }
saveEvery: 5
validateEvery: 20
stages:
  - name: only
    tokens: 102400
    batchTokens: 512
    maxLength: 256
    learningRate: { peak: 0.005, warmUpSteps: 5 }
    mtp: { heads: 1, weight: 0.3 }
    globalRopeTheta: 10000
    data:
      - { generator: identity, weight: 1 }
      - { generator: arithmetic, weight: 1, options: { maxDigits: 2 } }
`;

describe("mimo train", () => {
  test("goes on after kills, with the bits of a run that nobody killed, and writes a model that runs", async () => {
    writeFileSync(here.path("mini.yaml"), RECIPE);
    expect(await here.run(["train", "mini.yaml", "--out", "whole"])).toMatchObject({ exitCode: 0 });

    const metrics = here.path("runs/mini/metrics.jsonl");
    const numSteps = () => (existsSync(metrics) ? readFileSync(metrics, "utf8").split("\n").length - 1 : 0);
    for (let numKills = 0; numKills < 4; numKills++) {
      const child = here.spawn(["train", "mini.yaml", ...(numKills === 0 ? [] : ["--resume"])]);
      const ended = resultOf(child);
      const end = 50 * numKills + 5 + ((mix(11, numKills) >>> 8) % 40);
      while (numSteps() < end && child.exitCode === null) await delay(10);
      child.kill("SIGKILL");
      await ended;
      expect(numSteps()).toBeLessThan(200);
    }

    const again = await here.run(["train", "mini.yaml"]);
    expect(again).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("--resume") as string });

    const resumed = await here.run(["train", "mini.yaml", "--resume"]);
    expect(resumed).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("runs/mini/model") as string });
    const weightsOf = (run: string) => readFileSync(here.path(`${run}/model/model.safetensors`));
    expect(weightsOf("runs/mini").equals(weightsOf("whole"))).toBe(true);
    const steps = readFileSync(metrics, "utf8")
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { totalSteps: number; loss: number });
    expect(steps.map(({ totalSteps }) => totalSteps)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(steps.at(-1)!.loss).toBeLessThan(steps[0]!.loss - 2);

    const plotted = await here.run(["plot", "runs/mini"]);
    expect(plotted).toMatchObject({ exitCode: 0, stdout: "Wrote runs/mini/curves.svg: 200 steps.\n" });
    expect(readFileSync(here.path("runs/mini/curves.svg"), "utf8")).toMatch(/^<svg .*held out.*<\/svg>\n$/s);

    const inspected = await here.run(["inspect", "runs/mini/model"]);
    expect(inspected.stdout).toContain("Gss");
    const generated = await here.run(["generate", "runs/mini/model", "--chat", "Hi!", "--max-tokens", "20"]);
    expect(generated.exitCode).toBe(0);
  }, 240_000);

  test("goes on from a model, with its sizes and its tokenizer", async () => {
    const [head, stage] = RECIPE.split("stages:") as [string, string];
    writeFileSync(here.path("mini.yaml"), RECIPE.replace("102400", "15360"));
    expect((await here.run(["train", "mini.yaml", "--out", "first"])).exitCode).toBe(0);
    const lossesOf = (run: string): number[] =>
      readFileSync(here.path(`${run}/metrics.jsonl`), "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => (JSON.parse(line) as { loss: number }).loss);
    const [begin, end] = [lossesOf("first")[0]!, lossesOf("first").at(-1)!];
    expect(end).toBeLessThan(begin - 1);

    // Three heads begin as copies of the one that there is; the RoPE base is the model's.
    const more = stage.replace("heads: 1", "heads: 3").replace("    globalRopeTheta: 10000\n", "");
    writeFileSync(here.path("more.yaml"), `name: more\nfrom: first/model\nstages:${more.replace("102400", "5120")}`);
    expect((await here.run(["train", "more.yaml"])).exitCode).toBe(0);
    expect(lossesOf("runs/more")[0]).toBeLessThan(begin - 0.8);
    const inspected = await here.run(["inspect", "runs/more/model", "--json"]);
    expect(JSON.parse(inspected.stdout)).toMatchObject({ numMtpHeads: 3 });

    // The flag counts instead of what the recipe begins with.
    writeFileSync(here.path("mini.yaml"), RECIPE.replace("102400", "5120"));
    expect((await here.run(["train", "mini.yaml", "--from", "first/model", "--out", "third"])).exitCode).toBe(0);
    expect(lossesOf("third")[0]).toBeLessThan(begin - 0.8);

    writeFileSync(here.path("both.yaml"), `${head}from: first/model\nstages:${stage}`);
    const both = await here.run(["train", "both.yaml"]);
    expect(both).toMatchObject({
      exitCode: 2,
      stderr: expect.stringContaining("expected either `tokenizer`") as string,
    });
    const absent = await here.run(["train", "mini.yaml", "--from", "nowhere", "--out", "fourth"]);
    expect(absent).toMatchObject({ stderr: expect.stringContaining("nowhere") as string });
  }, 120_000);

  test("takes own data, refuses it by its line, and goes on with the same alone", async () => {
    const recipe = RECIPE.replace("name: mini", "name: own").replace("tokens: 102400", "tokens: 15360");
    writeFileSync(here.path("own.yaml"), `${recipe}samples: { every: 10, prompts: [to be], maxTokens: 4 }\n`);
    const rows = Array.from({ length: 40 }, (_, i) => JSON.stringify({ text: `to be or not to be, ${i}` }));
    writeFileSync(here.path("own.jsonl"), [...rows, '{"text": 7}'].join("\n"));
    writeFileSync(here.path("own.txt"), rows.join("\n\n\n"));
    const command = ["train", "own.yaml", "--data", "own.jsonl:3", "--data", "own.txt", "--threads", "1"];

    const faulty = await here.run(command);
    expect(faulty).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("own.jsonl, line 41: ") as string });
    writeFileSync(here.path("own.jsonl"), rows.join("\n"));
    const planned = await here.run([...command, "--dry-run"]);
    expect(planned).toMatchObject({ exitCode: 0, stdout: expect.stringContaining("tokens/s") as string });
    expect(existsSync(here.path("runs/own"))).toBe(true);
    expect(existsSync(here.path("runs/own/recipe.yaml"))).toBe(false);

    const trained = await here.run(command);
    expect(trained.exitCode).toBe(0);
    expect(trained.stderr).toMatch(/^30 to be → .+/m);
    const texts = readFileSync(here.path("runs/own/samples.jsonl"), "utf8").trimEnd().split("\n");
    expect(texts).toHaveLength(3);

    const without = await here.run(["train", "own.yaml", "--resume"]);
    expect(without).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("runs/own/recipe.yaml") as string });
    const resumed = await here.run([...command, "--resume"]);
    expect(resumed.exitCode).toBe(0);
    appendFileSync(here.path("own.txt"), "more");
    const changed = await here.run(["train", "runs/own/recipe.yaml", "--resume"]);
    expect(changed).toMatchObject({ exitCode: 2, stderr: expect.stringContaining("the file has changed") as string });
  });

  test("is in the package for programs", async () => {
    const { exports } = JSON.parse(readFileSync(new URL("../../package.json", import.meta.url), "utf8")) as {
      exports: Record<string, { default: string }>;
    };
    const main = here.command([])[1]!;
    const entry = join(dirname(main), basename(exports["./train"]!.default));
    const { train } = (await import(pathToFileURL(entry).href)) as typeof import("../../src/train/train.ts");
    const recipe = here.path("program.yaml");
    writeFileSync(recipe, RECIPE.replace("tokens: 102400", "tokens: 5120"));
    let steps = 0;
    const { model } = await train({ recipe, folder: here.path("program"), threads: 1, onStep: () => steps++ });
    expect(steps).toBe(10);
    expect(existsSync(join(model, "config.json"))).toBe(true);
  });

  test("names every fault of a recipe with its place", async () => {
    writeFileSync(here.path("bad.yaml"), RECIPE.replace("peak: 0.005", "peak: fast").replace("seed: 3", "sed: 3"));
    const { exitCode, stderr } = await here.run(["train", "bad.yaml"]);
    expect(exitCode).toBe(2);
    expect(stderr).toContain("stages.0.learningRate.peak");
    expect(stderr).toContain("sed");
  });
});
