// Judges short answers: is the expected thing said, and nothing that contradicts it?
//
// Case, punctuation and articles do not matter. Numbers are compared as numbers.
// Refuses to know questions.

/** Whether the answer says `expected` as whole words and none of `others`. */
export function says(expected: string, others: readonly string[] = []): (content: string) => boolean {
  const wanted = words(expected);
  const unwanted = others.map(words).filter((other) => !wanted.includes(other));
  return (content) => {
    const said = words(content);
    return said.includes(wanted) && unwanted.every((other) => !said.includes(other));
  };
}

/** Whether the last number of the answer is this one. */
export function saysNumber(expected: number): (content: string) => boolean {
  return (content) => {
    const last = content
      .replaceAll(/(?<=\d),(?=\d{3})/g, "")
      .match(/-?\d+(?:\.\d+)?/g)
      ?.at(-1);
    return last !== undefined && Math.abs(Number(last) - expected) < 1e-9;
  };
}

/** Whether the answer says exactly these, in any order. */
export function saysAll(expected: readonly string[], others: readonly string[]): (content: string) => boolean {
  const judges = expected.map((one) => says(one));
  return (content) => judges.every((accepts) => accepts(content)) && !others.some((other) => says(other)(content));
}

/** Words in lower case, between single spaces, without articles: so that inclusion means whole words. */
function words(text: string): string {
  const found = text.toLowerCase().match(/\d+(?:\.\d+)+|[\p{L}\p{N}-]+/gu) ?? [];
  return ` ${found.filter((word) => !["the", "a", "an"].includes(word)).join(" ")} `;
}
