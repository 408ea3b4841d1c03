import { expect, test } from "vitest";
import { BlockSplitter } from "./blocks.ts";
import { marked } from "./lexer.ts";

const TEXT = `# Title

A paragraph with **bold**
over two lines.

- one

- two
  - nested

1. a

2. b

\`\`\`js
const x = "# no heading";

// - no list
\`\`\`

| a | b |
|---|---|
| 1 | 2 |

$$
x^2

+ y
$$

> quoted

The end.
`;

const raws = (splitter: BlockSplitter, text: string): readonly string[] => splitter.split(text).map(({ raw }) => raw);

test("a text that grows ends as the blocks of the whole", () => {
  const whole = raws(new BlockSplitter(), TEXT);
  for (const step of [1, 3, 17]) {
    const splitter = new BlockSplitter();
    for (let end = 0; end < TEXT.length; end += step) splitter.split(TEXT.slice(0, end));
    expect(raws(splitter, TEXT)).toEqual(whole);
  }
  expect(whole.join("").replace(/\n/g, "")).toBe(TEXT.replace(/\n/g, ""));
});

test("finished blocks stay the same objects, so that nothing of them is drawn again", () => {
  const splitter = new BlockSplitter();
  const before = splitter.split(TEXT);
  const after = splitter.split(`${TEXT}\nAnd more of it.`);
  const numSame = before.filter((block, i) => block === after[i]).length;
  expect(numSame).toBe(before.length - 2);
});

test("a text that was edited is split anew", () => {
  const splitter = new BlockSplitter();
  splitter.split(TEXT);
  const edited = TEXT.replace("Title", "Other title");
  expect(raws(splitter, edited)).toEqual(raws(new BlockSplitter(), edited));
});

test("dollars are money, unless they hug a formula", () => {
  const formulas = (text: string): readonly string[] =>
    (marked.lexer(text)[0] as { tokens?: { type: string; raw: string }[] }).tokens!.flatMap(({ type, raw }) =>
      type === "math" ? [raw] : [],
    );
  expect(formulas("It costs $5 and $10, and $ 3 $ each.")).toEqual([]);
  expect(formulas("Then $x^2$ and \\(y\\) and $$z$$ follow.")).toEqual(["$x^2$", "\\(y\\)", "$$z$$"]);
});
