import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { StopStrings } from "./stop-strings.ts";

/** What the stream should show: the whole text up to the stop string that ends first, the longest among equals. */
function expected(text: string, stops: readonly string[]): { text: string; stop: string | undefined } {
  for (let end = 1; end <= text.length; end++) {
    const found = stops.filter((stop) => text.slice(0, end).endsWith(stop)).toSorted((a, b) => b.length - a.length)[0];
    if (found !== undefined) return { text: text.slice(0, end - found.length), stop: found };
  }
  return { text, stop: undefined };
}

describe("StopStrings", () => {
  it("shows what a search of the whole text would show, however the text is cut", () => {
    const letters = fc.string({ unit: fc.constantFrom("a", "b", "c"), minLength: 1, maxLength: 5 });
    fc.assert(
      fc.property(
        fc.array(letters, { maxLength: 12 }),
        fc.array(letters, { minLength: 1, maxLength: 4 }),
        (pieces, stops) => {
          const matcher = new StopStrings(stops);
          let shown = "";
          let stop: string | undefined;
          for (const piece of pieces) {
            const result = matcher.push(piece);
            shown += result.text;
            stop = result.stop;
          }
          if (stop === undefined) shown += matcher.flush();
          expect({ text: shown, stop }).toEqual(expected(pieces.join(""), stops));
        },
      ),
      { numRuns: 1000 },
    );
  });

  it("holds back no more than a possible beginning", () => {
    const matcher = new StopStrings(["STOP", "\n\n"]);
    expect(matcher.push("abST").text).toBe("ab");
    expect(matcher.push("x\n").text).toBe("STx");
    expect(matcher.push("\nrest")).toEqual({ text: "", stop: "\n\n", rest: "rest" });
    expect(matcher.push("more")).toEqual({ text: "", stop: "\n\n", rest: "more" });
  });

  it("refuses an empty stop string", () => {
    expect(() => new StopStrings([""])).toThrow("must not be empty");
  });
});
