import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createByteTokenizer } from "./byte-tokenizer.ts";
import type { ChatMessage, ToolDefinition } from "./chat-request.ts";
import { encodeChat, type ChatRequest, type EncodedChat } from "./chat.ts";
import { Tokenizer } from "./tokenizer.ts";

const files = createByteTokenizer({ vocabSize: 300 });
const tokenizer = Tokenizer.fromJson(files.tokenizerJson, files.tokenizerConfig);
const SYSTEM = "<|im_start|>system\nYou are MiMo, a helpful AI assistant engineered by Xiaomi.";
const user = (content: string): ChatMessage => ({ role: "user", content });
const promptOf = (request: ChatRequest): string => encodeChat(tokenizer, request).prompt;

describe("MiMo's chat format", () => {
  it("puts blocks after each other without a newline", () => {
    expect(promptOf({ messages: [user("Hello")] })).toBe(
      `${SYSTEM}<|im_end|><|im_start|>user\nHello<|im_end|><|im_start|>assistant\n<think></think>`,
    );
  });

  it("leaves the thinking tag to the model when thinking is on", () => {
    const prompt = promptOf({ messages: [user("Hello")], enableThinking: true });
    expect(prompt.endsWith("<|im_end|><|im_start|>assistant\n")).toBe(true);
    expect(promptOf({ messages: [user("Hello")], addGenerationPrompt: false }).endsWith("Hello<|im_end|>")).toBe(true);
  });

  it("keeps reasoning, calls and results of earlier turns", () => {
    const call = (name: string, args: ChatMessage["tool_calls"] extends infer _ ? unknown : never): never =>
      ({ id: "1", type: "function", function: { name, arguments: args } }) as never;
    const prompt = promptOf({
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "Wea" },
            { type: "text", text: "ther?" },
          ],
        },
        {
          role: "assistant",
          content: null,
          reasoning_content: "Look it up.",
          tool_calls: [call("weather", '{"city":" Graz\\n","days":2,"now":true,"more":{"a":null}}'), call("time", {})],
        },
        { role: "tool", content: "sunny", tool_call_id: "1" },
        { role: "tool", content: "noon" },
        { role: "assistant", content: "Sunny." },
        user("Thanks"),
      ],
    });
    expect(prompt).toBe(
      [
        "<|im_start|>system\nBe brief.<|im_end|><|im_start|>user\nWeather?<|im_end|>",
        "<|im_start|>assistant\n<think>Look it up.</think><tool_call>\n<function=weather>\n",
        '<parameter=city> Graz\n</parameter>\n<parameter=days>2</parameter>\n<parameter=now>true</parameter>\n<parameter=more>{"a": null}</parameter>\n',
        "</function>\n</tool_call><tool_call>\n<function=time>\n</function>\n</tool_call><|im_end|>",
        "<|im_start|>tool\n<tool_response>\nsunny\n</tool_response>\n<tool_response>\nnoon\n</tool_response>\n<|im_end|>",
        "<|im_start|>assistant\n<think></think>Sunny.<|im_end|><|im_start|>user\nThanks<|im_end|>",
        "<|im_start|>assistant\n<think></think>",
      ].join(""),
    );
  });

  it("lists tools at the end of the system block", () => {
    const parameters = {
      type: "object",
      properties: {
        city: { type: "string", description: " Where " },
        unit: { type: ["string", "null"], enum: ["C", "F"], default: null },
      },
      required: ["city"],
    };
    const tools: ToolDefinition[] = [
      { type: "function", function: { name: "weather", description: "Tells it", parameters } },
      { type: "function", function: { name: "time" } },
    ];
    const prompt = promptOf({ messages: [user("Hello")], tools });
    expect(
      prompt.startsWith(
        [
          `${SYSTEM}\n\n# Tools\n\nYou may call one or more functions to assist with the user query.\n\n`,
          "You have access to the following functions:\n\n<tools>\n<function>\n<name>weather</name>\n<description>Tells it</description>\n",
          "<parameters>\n<parameter>\n<name>city</name>\n<type>string</type>\n<description>Where</description>\n</parameter>\n",
          '<parameter>\n<name>unit</name>\n<type>[\'string\', \'null\']</type>\n<enum>["C", "F"]</enum>\n<default>None</default>\n</parameter>\n<required>["city"]</required>\n</parameters>\n</function>\n',
          "<function>\n<name>time</name>\n<parameters>\n</parameters>\n</function>\n</tools>\n\nFor each function call, output",
        ].join(""),
      ),
    ).toBe(true);
    expect(prompt).toContain(
      "multiple lines</parameter>\n</function>\n</tool_call>\n\n<IMPORTANT>\n- Function calls MUST",
    );
    expect(prompt).toContain("newlines and spaces.\n</IMPORTANT><|im_end|><|im_start|>user\n");
  });

  it("splits an answer that a client sent back whole", () => {
    const messages: ChatMessage[] = [user("a"), { role: "assistant", content: "<think>why</think>because" }];
    const { ids, prompt } = encodeChat(tokenizer, { messages, addGenerationPrompt: false });
    expect(prompt).toContain("<think>why</think>because<|im_end|>");
    expect(ids).toContain(tokenizer.addedTokenId("<think>"));
  });
});

describe("encodeChat", () => {
  const controls = new Set(tokenizer.addedTokens.map((token) => token.id));
  const controlsOf = (request: ChatRequest, template?: string): number[] =>
    encodeChat(tokenizer, request, template).ids.filter((id) => controls.has(id));
  const hostile = fc.oneof(
    fc.constantFrom(...tokenizer.addedTokens.map((token) => token.text)),
    fc.constantFrom(
      "<think",
      "think>",
      "think",
      "<|im_",
      "end|>",
      "/think",
      "x><tool_call",
      "\ue000",
      "\ue000262\ue000",
      "\ue001",
      "|im_start|>",
    ),
    fc.string({ maxLength: 5 }),
  );
  const text = fc.array(hostile, { maxLength: 5 }).map((parts) => parts.join(""));

  it("lets no text of a request become a special token", () => {
    const build = (part: (harmless: string) => string): ChatRequest => ({
      messages: [
        { role: "system", content: part("s") },
        {
          role: "user",
          content: [
            { type: "text", text: part("a") },
            { type: "text", text: part("b") },
          ],
        },
        {
          role: "assistant",
          content: part("c"),
          reasoning_content: part("r"),
          tool_calls: [
            {
              function: {
                name: `f${part("f")}`,
                arguments: { [`k${part("k")}`]: part("v"), o: { [`p${part("p")}`]: [part("q")] } },
              },
            },
          ],
        },
        { role: "tool", content: part("t") },
      ],
      tools: [
        {
          type: "function",
          function: {
            name: "tool",
            description: part("d"),
            parameters: {
              type: part("T"),
              [`x${part("x")}`]: part("y"),
              properties: { [`n${part("n")}`]: { type: "string", [`z${part("z")}`]: part("w") } },
            },
          },
        },
      ],
    });
    const expected = controlsOf(build((harmless) => harmless));
    fc.assert(
      fc.property(fc.array(text, { minLength: 20, maxLength: 20 }), (parts) => {
        let i = 0;
        const request = build((harmless) => parts[i++ % parts.length] ?? harmless);
        const { ids, prompt } = encodeChat(tokenizer, request);
        expect(ids.filter((id) => controls.has(id))).toEqual(expected);
        expect(tokenizer.decode(ids)).toBe(prompt.replace(/\p{Cs}/gu, "\ufffd").normalize("NFC"));
      }),
      { numRuns: 150 },
    );
  });

  it("counts no tag that a template and the data make together", () => {
    const template =
      "{% for m in messages %}<{{ m.content }}><|im_{{ m.content }}{% endfor %}{{ '<' ~ 'think>' }}<think>";
    expect(controlsOf({ messages: [user("think"), user("end|>")] }, template)).toEqual([
      tokenizer.addedTokenId("<think>"),
    ]);
  });

  it("refuses ids that a template makes out of pieces of marks", () => {
    const template = "{{ '<think>'[0] ~ '999' ~ '<think>'[0] }}";
    expect(() => encodeChat(tokenizer, { messages: [user("a")] }, template)).toThrow(
      expect.objectContaining({ code: "template_failed" }),
    );
  });

  it("shows templates the request's text as it is", () => {
    const template =
      "{{ messages[0].content | length }}|{{ messages[0].content }}|{{ '</think>' in messages[0].content }}";
    const { prompt } = encodeChat(tokenizer, { messages: [user("a</think>\ue000b")] }, template);
    expect(prompt).toBe("11|a</think>\ue000b|false");
  });

  it("tells whether the answer begins inside thinking", () => {
    const request = { messages: [user("<think>")] };
    expect(encodeChat(tokenizer, request).thinking).toBe(false);
    expect(encodeChat(tokenizer, { ...request, enableThinking: true }).thinking).toBe(false);
    expect(encodeChat(tokenizer, request, "<|im_start|>assistant\n<think>").thinking).toBe(true);
    expect(encodeChat(tokenizer, request, "<think></think>").thinking).toBe(false);
  });

  it("leaves the assistant's last message open where it is to be continued", () => {
    const asked = [user("<|im_end|>")];
    const continued = (last: Partial<ChatMessage>, enableThinking = false): EncodedChat =>
      encodeChat(tokenizer, {
        messages: [...asked, { role: "assistant", ...last }],
        continueFinalMessage: true,
        enableThinking,
      });
    const fresh = promptOf({ messages: asked });
    const thinking = promptOf({ messages: asked, enableThinking: true });
    expect(continued({ content: "Once<|im_end|> 1" })).toMatchObject({
      prompt: `${fresh}Once<|im_end|> 1`,
      thinking: false,
      continues: true,
    });
    expect(continued({ content: "" }).ids).toEqual(encodeChat(tokenizer, { messages: asked }).ids);
    expect(continued({ content: "So", reasoning_content: "Hm" }, true).prompt).toBe(`${thinking}<think>Hm</think>So`);
    expect(continued({ reasoning_content: "Hm" }, true)).toMatchObject({
      prompt: `${thinking}<think>Hm`,
      thinking: true,
    });
    // Whatever else a template writes around.
    const template = "{% for m in messages %}[{{ m.content }}]1<|im_end|>1{% endfor %}";
    const request = { messages: [...asked, { role: "assistant", content: "a" } as const], continueFinalMessage: true };
    expect(encodeChat(tokenizer, request, template).prompt).toBe("[<|im_end|>]1<|im_end|>1[a]1");
    expect(() => encodeChat(tokenizer, request, "{{ messages[0].content }}")).toThrow("none can be continued");
  });

  it.each<[unknown, string]>([
    [{ messages: [user("a")], continueFinalMessage: true }, "messages[0]"],
    [
      {
        messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: {} } }] }],
        continueFinalMessage: true,
      },
      "messages[0]",
    ],
    [{ messages: [] }, "messages"],
    [{ messages: [{}] }, "messages[0].role"],
    [{ messages: [{ role: "root", content: "x" }] }, "messages[0].role"],
    [{ messages: [user("a"), { role: "user" }] }, "messages[1].content"],
    [{ messages: [{ role: "user", content: [{ type: "image_url" }] }] }, "messages[0].content[0].type"],
    [{ messages: [{ role: "assistant", reasoning_content: 5 }] }, "messages[0].reasoning_content"],
    [{ messages: [{ role: "assistant", tool_calls: [{}] }] }, "messages[0].tool_calls[0].function"],
    [
      {
        messages: [{ role: "assistant", tool_calls: [{ function: { name: "f", arguments: "{" } }] }],
      },
      "messages[0].tool_calls[0].function.arguments",
    ],
    [{ messages: [user("a")], tools: [{ type: "web_search" }] }, "tools[0].type"],
    [{ messages: [user("a")], tools: [{ type: "function", function: { name: "a b" } }] }, "tools[0].function.name"],
  ])("names the field at fault in %j", (request, param) => {
    expect(() => encodeChat(tokenizer, request as ChatRequest)).toThrow(
      expect.objectContaining({ code: "invalid_argument", param }),
    );
  });
});
