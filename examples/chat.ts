// A conversation: the answer streams, the turn is kept, and the next question builds on it.
//
//   node --import ./scripts/ts-loader.mjs examples/chat.ts MODEL     (`mimo init --preset tiny tiny` makes one to try)
//
// In a project of your own, import from "mimo-flash" and run it as it is.

import { type ChatMessage, load } from "../src/index.ts";

const [path = "tiny"] = process.argv.slice(2);
await using mimo = await load(path, { onWarning: console.warn });

const messages: ChatMessage[] = [{ role: "system", content: "Answer in one sentence." }];
for (const content of ["Why is the sky blue?", "And at sunset?"]) {
  messages.push({ role: "user", content });
  console.log(`\n› ${content}`);
  let answer = "";
  for await (const event of mimo.chat({ messages, maxTokens: 200 })) {
    if (event.type === "text") {
      answer += event.text;
      process.stdout.write(event.text);
    } else if (event.type === "done") {
      const { completionTokens, tokensPerSecond, speculation } = event.usage;
      console.log(
        `\n${completionTokens} tokens, ${tokensPerSecond.toFixed(1)}/s, ${speculation.acceptLength.toFixed(2)} per step`,
      );
    }
  }
  messages.push({ role: "assistant", content: answer });
}
