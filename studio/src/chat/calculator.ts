// Arithmetic without `eval`: numbers, + - * / % ^, signs and parentheses, by recursive descent.

const TOKEN = /\s*(\d+(?:\.\d*)?(?:e[+-]?\d+)?|\.\d+(?:e[+-]?\d+)?|[-+*/%^()])/iy;
const MAX_DEPTH = 200;
const OPERATORS: Readonly<Record<string, (a: number, b: number) => number>> = {
  "*": (a, b) => a * b,
  "/": (a, b) => a / b,
  "%": (a, b) => a % b,
};

/** Throws with a sentence that says where the expression stops making sense. */
export function calculate(expression: string): number {
  const tokens = tokensOf(
    expression.replace(/[×·]/g, "*").replace(/[÷]/g, "/").replace(/[−–]/g, "-").replace(/\*\*/g, "^"),
  );
  let at = 0;
  let depth = 0;

  const sum = (): number => {
    let value = product();
    while (tokens[at] === "+" || tokens[at] === "-")
      value = tokens[at++] === "+" ? value + product() : value - product();
    return value;
  };
  const product = (): number => {
    let value = signed();
    for (;;) {
      const operator = OPERATORS[tokens[at] ?? ""];
      if (operator === undefined) return value;
      at++;
      value = operator(value, signed());
    }
  };
  const signed = (): number => {
    if (++depth > MAX_DEPTH) throw new Error("The expression is nested too deeply.");
    const operator = tokens[at];
    const isSigned = operator === "-" || operator === "+";
    if (isSigned) at++;
    const value = isSigned ? signed() : power();
    depth--;
    return operator === "-" ? -value : value;
  };
  const power = (): number => {
    const base = atom();
    if (tokens[at] !== "^") return base;
    at++;
    return base ** signed();
  };
  const atom = (): number => {
    const token = tokens[at++];
    if (token === "(") {
      const value = sum();
      if (tokens[at++] !== ")") throw new Error("A parenthesis is not closed.");
      return value;
    }
    const value = Number(token);
    if (token === undefined || Number.isNaN(value)) throw new Error(`Expected a number, found ${token ?? "the end"}.`);
    return value;
  };

  const result = sum();
  if (at < tokens.length) throw new Error(`Did not expect ${tokens[at]} there.`);
  return result;
}

function tokensOf(expression: string): readonly string[] {
  const tokens: string[] = [];
  const text = expression.trimEnd();
  TOKEN.lastIndex = 0;
  while (TOKEN.lastIndex < text.length) {
    const from = TOKEN.lastIndex;
    const match = TOKEN.exec(text);
    if (match === null)
      throw new Error(`Expected a number or an operator at ${JSON.stringify(text.slice(from, from + 12))}.`);
    tokens.push(match[1]!);
  }
  return tokens;
}
