// JSON that was cut off, closed: everything whole in it, and nothing that was half written.
//
// For replies that must hold a value where a model was stopped in the middle of one.

/** `text` up to the last place where its value could end, with what is open closed; "{}" where there is no such place. */
export function closeJson(text: string): string {
  let best = "{}";
  const open: string[] = [];
  /** Inside an object, where a name is due. */
  let isName = false;
  const mark = (end: number): void => {
    best = text.slice(0, end) + open.toReversed().join("");
  };
  for (const { 0: token, 1: quote, index } of text.matchAll(/"(?:[^"\\]|\\[^]?)*(")?|[[\]{},:]|[^\s[\]{},:"]+/g)) {
    const end = index + token.length;
    if (token === "{" || token === "[") {
      open.push(token === "{" ? "}" : "]");
      isName = token === "{";
      mark(end);
    } else if (token === "}" || token === "]") {
      open.pop();
      mark(end);
    } else if (token === ",") isName = open.at(-1) === "}";
    else if (token === ":") isName = false;
    // A number or a word at the very end may have been going on.
    else if (!isName && (quote !== undefined || end < text.length)) mark(end);
  }
  return best;
}
