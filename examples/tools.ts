// A loop with tools: the model asks for a function, the program answers, until the model has what it needs.
//
//   node --import ./scripts/ts-loader.mjs examples/tools.ts MODEL     (`mimo init --preset tiny tiny` makes one to try) [QUESTION]
//
// The reasoning of a turn goes back with its calls: the model is trained to see it between tool turns.

import { type ChatMessage, load, type ToolDefinition } from "../src/index.ts";

const tools: ToolDefinition[] = [
  {
    type: "function",
    function: {
      name: "multiply",
      description: "Multiplies two numbers.",
      parameters: {
        type: "object",
        properties: { a: { type: "number" }, b: { type: "number" } },
        required: ["a", "b"],
      },
    },
  },
];

function runTool(name: string, args: Readonly<Record<string, unknown>>): string {
  if (name !== "multiply") return `There is no tool ${name}.`;
  return String(Number(args["a"]) * Number(args["b"]));
}

const MAX_TURNS = 4;
const [path = "tiny", question = "What is 1234 times 5678?"] = process.argv.slice(2);
await using mimo = await load(path, { onWarning: console.warn });

const messages: ChatMessage[] = [{ role: "user", content: question }];
for (let turn = 0; turn < MAX_TURNS; turn++) {
  const answer = await mimo.generate({ messages, tools, temperature: 0.3, maxTokens: 512 });
  // A call that could not be parsed has an error instead of a name.
  const calls = answer.toolCalls.filter((call) => "name" in call);
  messages.push({
    role: "assistant",
    content: answer.text,
    reasoning_content: answer.reasoning,
    tool_calls: calls.map((call) => ({ function: call })),
  });
  console.log(answer.text);
  if (calls.length === 0) break;
  for (const { name, arguments: args } of calls) {
    const content = runTool(name, args);
    console.log(`${name}(${JSON.stringify(args)}) = ${content}`);
    messages.push({ role: "tool", content });
  }
}
