// The matcher against the plainest definition of a mask: a token is allowed if its bytes are.

import { expect, test } from "vitest";
import { compileGrammar, type GrammarSource } from "../schema/compile.ts";
import { randomKey, randomUnit } from "../util/random.ts";
import { Matcher } from "./matcher.ts";
import { createVocabulary, tokenTable } from "./vocabulary.ts";

const LIMITS = { maxStates: 200_000, maxMs: 20_000 };
const UTF8 = new TextEncoder();
/** All bytes, an added token, and long ones that run across every border there is. */
const WORDS = [
  '{"',
  '":',
  '": ',
  '","',
  '"}',
  "}}",
  "],",
  "[[",
  '[{"',
  ' "',
  "true",
  "null,",
  "12",
  "0.5",
  "e9",
  "\\u00",
  '\\"',
  "abc",
  "the quick",
  "é",
  "日本語",
  "本",
  "</",
  "</parameter>",
  "</parameter>\n",
  "</parameter></function>",
  ">a",
  "<p",
  "</parameter>\n<parameter=",
  "<function=",
  "x</par",
  "ameter>",
  "\n\n",
  "a".repeat(40),
  "日".repeat(9),
  '": "aa", "',
].map((word) => UTF8.encode(word));
const TOKENS = [
  ...Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte)),
  new Uint8Array(),
  ...WORDS,
  Uint8Array.of(0xe6, 0x97),
  UTF8.encode("abc"),
];
const VOCABULARY = createVocabulary(tokenTable(TOKENS));
const BYTES = createVocabulary(tokenTable(TOKENS.slice(0, 256)));

const schema = {
  type: "object",
  properties: {
    city: { type: "string", minLength: 2, maxLength: 45 },
    free: { type: "string" },
    kind: { enum: ["abc", "abcd", 12, null] },
    code: { type: "string", pattern: "^(abc|日+)[0-9]{2}$" },
    list: { type: "array", items: { anyOf: [{ type: "number" }, { $ref: "#" }] }, maxItems: 3 },
    maybe: { type: ["string", "null"] },
  },
  required: ["city"],
};
const SOURCES: readonly GrammarSource[] = [
  { kind: "json_object" },
  { kind: "json_schema", schema, path: "schema" },
  { kind: "calls", tools: [{ name: "f", parameters: schema, isStrict: true, path: "f" }] },
  { kind: "calls", tools: [{ name: "g", isStrict: false, path: "g" }] },
];

const has = (mask: Uint32Array, token: number): boolean => (mask[token >> 5]! & (1 << (token & 31))) !== 0;

test("a mask allows exactly the tokens whose bytes the grammar allows, along random texts", () => {
  for (const [i, source] of SOURCES.entries()) {
    const program = compileGrammar(source, String(i), LIMITS);
    const matcher = new Matcher(program, VOCABULARY);
    const bytewise = new Matcher(program, BYTES);
    for (let walk = 0; walk < 4; walk++) {
      const key = randomKey(i, walk);
      let state = matcher.start;
      let shadow = bytewise.start;
      for (let n = 0; n < 40; n++) {
        const mask = matcher.mask(state);
        const allowed: number[] = [];
        TOKENS.forEach((bytes, token) => {
          let at: typeof shadow | undefined = bytes.length === 0 ? undefined : shadow;
          for (const byte of bytes) {
            if (at === undefined || !has(bytewise.mask(at), byte)) at = undefined;
            else at = bytewise.advance(at, byte);
          }
          expect(has(mask, token), `token ${token} (${new TextDecoder().decode(bytes)})`).toBe(at !== undefined);
          expect(matcher.advance(state, token) !== undefined).toBe(at !== undefined);
          if (at !== undefined) allowed.push(token);
        });
        // From wherever a text has come to, it can be finished.
        if (allowed.length === 0) {
          expect(state.isFinal).toBe(true);
          break;
        }
        const chosen = allowed[Math.floor(randomUnit(key, n) * allowed.length)]!;
        state = matcher.advance(state, chosen)!;
        for (const byte of TOKENS[chosen]!) shadow = bytewise.advance(shadow, byte)!;
        expect(state.isFinal).toBe(shadow.isFinal);
      }
    }
  }
});

test("states are values: what was allowed stays so, whatever was tried since", () => {
  const matcher = new Matcher(compileGrammar(SOURCES[1]!, "1", LIMITS), VOCABULARY);
  let state = matcher.start;
  const states = [...UTF8.encode('{"city":"日本","list":[1')].map((byte) => (state = matcher.advance(state, byte)!));
  const masks = states.map((each) => matcher.mask(each).slice());
  for (let i = 0; i < 3000; i++) matcher.advance(states[i % states.length]!, i % TOKENS.length);
  expect(states.map((each) => matcher.mask(each))).toEqual(masks);
});
