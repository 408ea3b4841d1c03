// Dialogues with tools: questions, calls, what the simulators gave back, answers.
//
// Every result in a dialogue comes from the tool box itself, so replaying the calls gives the recorded results. The
// task of a dialogue is its last question, in the world that the questions before it have left.
// Refuses to know what the tools do and what is asked.

import type { ToolDefinition } from "../../tokenizer/chat-request.ts";
import { assert } from "../../util/assert.ts";
import { NOTE_NAMES, noteText } from "./note-scenes.ts";
import { assistantMessage, type ChatSample, freshSample, type Generator, type SampleMessage } from "./sample.ts";
import type { Random } from "./random.ts";
import { systemMessage } from "./system-prompt.ts";
import { openToolBox, type ToolBox, type ToolName, TOOLS, type ToolWorld } from "./tool-box.ts";
import type { Finish, Scene } from "./tool-scene.ts";
import { SCENES } from "./tool-scenes.ts";
import { CITIES } from "./words.ts";

export interface ToolOptions {
  readonly maxQuestions: number;
  /** Tools beyond those that are needed. */
  readonly maxOtherTools: number;
  readonly thinkingShare: number;
}

export const tools: Generator<ToolOptions> = {
  name: "tools",
  defaults: { maxQuestions: 3, maxOtherTools: 2, thinkingShare: 0.5 },
  generate: (random, options) => freshSample(random, () => drawDialogue(random, options)),
};

function drawDialogue(random: Random, { maxQuestions, maxOtherTools, thinkingShare }: ToolOptions): ChatSample {
  const thinking = random.chance(thinkingShare);
  const world = drawWorld(random);
  const scenes = Array.from({ length: random.integer(1, maxQuestions) }, () => random.pick(SCENES)(random, world));
  const offered = chooseTools(random, scenes, maxOtherTools);
  // A question about a missing tool falls away where another question needs that tool.
  const asked = scenes.filter(({ without = [] }) => !without.some((name) => offered.includes(name)));
  const definitions = random.shuffle(offered).map((name) => TOOLS[name]);
  return playDialogue(asked, { world, definitions, thinking, system: systemMessage(random) });
}

interface Setting {
  readonly world: ToolWorld;
  readonly definitions: readonly ToolDefinition[];
  readonly thinking: boolean;
  readonly system: SampleMessage | undefined;
}

function playDialogue(scenes: readonly Scene[], setting: Setting): ChatSample {
  const { world, definitions, thinking, system } = setting;
  const box = openToolBox(world);
  const messages: SampleMessage[] = system === undefined ? [] : [system];
  const notes: Record<string, string> = { ...world.notes };
  let prompt: readonly SampleMessage[] = [];
  let worldThen = world;
  let last: Finish | undefined;
  for (const scene of scenes) {
    messages.push({ role: "user", content: scene.question });
    prompt = [...messages];
    worldThen = { ...world, notes: { ...notes } };
    last = playScene(scene, { messages, notes, box, thinking });
  }
  assert(last !== undefined, "a dialogue has a scene");
  const { content: answer, accepts } = last;
  return { kind: "chat", messages, tools: definitions, thinking, task: { prompt, answer, accepts, world: worldThen } };
}

interface Stage {
  readonly messages: SampleMessage[];
  readonly notes: Record<string, string>;
  readonly box: ToolBox;
  readonly thinking: boolean;
}

function playScene(scene: Scene, { messages, notes, box, thinking }: Stage): Finish {
  const results: string[] = [];
  for (;;) {
    const step = scene.next(results);
    const reasoning = thinking ? step.why : "";
    if (!("calls" in step)) {
      messages.push(assistantMessage(step.content, reasoning));
      return step;
    }
    const calls = step.calls.map(({ name, args }) => ({
      type: "function" as const,
      function: { name, arguments: args },
    }));
    messages.push({ ...assistantMessage("", reasoning), tool_calls: calls });
    for (const { name, args } of step.calls) {
      const result = box.call(name, args);
      if (name === "save_note") notes[String(args["name"])] = String(args["text"]);
      results.push(result);
      messages.push({ role: "tool", content: result });
    }
  }
}

const SKIES = ["sunny", "cloudy", "rainy", "windy", "snowy", "foggy"];

function drawWorld(random: Random): ToolWorld {
  const cities = random.sample(CITIES, 4);
  const weather = Object.fromEntries(
    cities.map((city) => [city, { sky: random.pick(SKIES), degrees: random.integer(0, 35) }] as const),
  );
  const names = random.sample(NOTE_NAMES, random.integer(1, 3));
  const notes = {
    ...Object.fromEntries(names.map((name) => [name, noteText(random)] as const)),
    score: String(random.integer(10, 999)),
    age: String(random.integer(5, 99)),
    "home town": random.pick(cities),
  };
  const two = (value: number): string => String(value).padStart(2, "0");
  return { time: `${two(random.integer(0, 23))}:${two(random.integer(0, 59))}`, weather, notes };
}

function chooseTools(random: Random, scenes: readonly Scene[], maxOther: number): ToolName[] {
  const needed = new Set(scenes.flatMap(({ needs }) => needs));
  const unwanted = new Set(scenes.flatMap(({ without = [] }) => without));
  const others = (Object.keys(TOOLS) as ToolName[]).filter((name) => !needed.has(name) && !unwanted.has(name));
  const count = Math.min(others.length, random.integer(needed.size === 0 ? 1 : 0, Math.max(1, maxOther)));
  return [...needed, ...random.sample(others, count)];
}
