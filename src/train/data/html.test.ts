// Pages are well formed and show what was asked; the strict reader finds what browsers would forgive.

import { Script } from "node:vm";
import { describe, expect, test } from "vitest";
import { drawPage, pageProblem } from "./html.ts";
import { htmlProblem, visibleText } from "./html-check.ts";
import { Random } from "./random.ts";

const pages = Array.from({ length: 600 }, (_, i) => drawPage(new Random([31, i])));
const page = (body: string): string =>
  `<!DOCTYPE html>\n<html>\n<head>\n<title>T</title>\n</head>\n<body>\n${body}\n</body>\n</html>`;

describe("pages", () => {
  test("are well formed, show what is asked for, and run", () => {
    for (const each of pages) {
      expect(pageProblem(each.html, each), each.html).toBeUndefined();
      for (const [, script] of each.html.matchAll(/<script>([\s\S]*?)<\/script>/g))
        expect(() => new Script(script!)).not.toThrow();
    }
    expect(new Set(pages.map(({ kind }) => kind)).size).toBeGreaterThanOrEqual(8);
  });

  test("name in the request whatever must be visible", () => {
    for (const { request, visible, kind } of pages) {
      const fixed = kind === "card" ? ["Buy"] : [];
      for (const part of visible.filter((each) => !fixed.includes(each))) {
        expect(request.toLowerCase()).toContain(part.toLowerCase());
      }
    }
  });

  test("are refused when a line is missing or a word is changed", () => {
    for (const each of pages.slice(0, 100)) {
      const lines = each.html.split("\n");
      const closing = lines.findLastIndex((line) => line.trim() === "</body>");
      expect(pageProblem(lines.toSpliced(closing, 1).join("\n"), each)).toBeDefined();
      expect(pageProblem(each.html.replaceAll(each.visible[0]!, "other"), each)).toBeDefined();
    }
  });
});

describe("the strict reader", () => {
  test.each([
    '<p class="a">Text &amp; more</p><br><img src="a.png" alt="a">',
    "<ul><li>one</li></ul>",
    '<div hidden id="a"></div><div id="b"></div>',
    "<script>if (1 < 2) f();</script>",
    "<h1>T</h1>",
  ])("accepts %s", (body) => {
    expect(htmlProblem(page(body))).toBeUndefined();
  });

  test.each([
    ["<p>", "stands where"],
    ["<b><i></b></i>", "stands where"],
    ["</p>", "stands where"],
    ["<p class=a></p>", "cannot be read"],
    ['<p class="a" class="b"></p>', "twice"],
    ['<p id="a"></p><p id="a"></p>', "only one"],
    ["a < b", "not a tag"],
    ["a & b", "entity"],
    ["<P></P>", "not a tag"],
    ["<script>", "not closed"],
    ["<p", "cannot be read"],
    ["<title>U</title>", "2 of <title>"],
  ])("refuses %s", (body, problem) => {
    expect(htmlProblem(page(body))).toMatch(new RegExp(problem.replace(/[<>]/g, ".")));
  });

  test.each(["", "<html></html>", "<!DOCTYPE html>", `${page("")} more`])("refuses %j", (text) => {
    expect(htmlProblem(text)).toBeDefined();
  });

  test("reads what is visible", () => {
    expect(visibleText(page("<p>One</p><script>two</script>")).trim()).toBe("T One");
  });
});
