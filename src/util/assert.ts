// Checks of our own reasoning. A failed assertion is a bug of this project, never a user's mistake:
// mistakes of callers and malformed input throw `MimoError`.

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`Assertion failed (a bug in mimo-flash): ${message}`);
}

/** The value, or a failed assertion where it is null or undefined. */
export function defined<T>(value: T | null | undefined, what: string): T {
  assert(value !== null && value !== undefined, `${what} is missing`);
  return value;
}
