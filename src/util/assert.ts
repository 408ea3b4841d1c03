// Checks of our own reasoning. A failed assertion is a bug of this project, never a user's mistake:
// mistakes of callers and malformed input throw `MimoError`.

/** A message that costs something to write is given as a function: most assertions hold. */
export function assert(condition: unknown, message: string | (() => string)): asserts condition {
  if (condition) return;
  throw new Error(`Assertion failed (a bug in mimo-flash): ${typeof message === "string" ? message : message()}`);
}

/** The value, or a failed assertion where it is null or undefined. */
export function defined<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}
