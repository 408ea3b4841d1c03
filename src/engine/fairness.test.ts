// Who is next, in small numbers.

import { expect, test } from "vitest";
import { type Contender, Fairness } from "./fairness.ts";

let arrivals = 0;
const contender = (tenant: string, priority = 0): Contender => ({ tenant, priority, arrival: ++arrivals });

test("priority goes before what a tenant was given, and that before the order of arrival", () => {
  const fairness = new Fairness();
  const [a, a2, b, high] = [contender("a"), contender("a"), contender("b"), contender("a", 1)];
  for (const one of [a, a2, b, high]) fairness.enter(one);
  expect(fairness.first([b, a2, a])).toBe(a);
  fairness.charge(a, 10);
  expect(fairness.first([a, a2, b])).toBe(b);
  expect(fairness.first([a, a2, b, high])).toBe(high);
  fairness.charge(b, 11);
  expect(fairness.first([b, a2, a])).toBe(a);
  expect(fairness.first([])).toBeUndefined();
});

test("a tenant that was away does not catch up, nor is what it had when alone held against it", () => {
  const fairness = new Fairness();
  const [a, b] = [contender("a"), contender("b")];
  fairness.enter(a);
  fairness.charge(a, 1000);
  fairness.enter(b);
  // Level from now on: the older one is first, and one row decides.
  expect(fairness.first([a, b])).toBe(a);
  fairness.charge(a, 1);
  expect(fairness.first([a, b])).toBe(b);
  fairness.leave(b);
  fairness.charge(a, 500);
  const again = contender("b");
  fairness.enter(again);
  expect(fairness.first([a, again])).toBe(a);
  for (const one of [a, again]) fairness.leave(one);
  fairness.enter(b);
  expect(fairness.first([b])).toBe(b);
});
