import fc from "fast-check";
import { expect, test } from "vitest";
import { serverPrefixes, toolNames } from "./names.ts";

const namesOf = (prefix: string, tools: readonly string[]): readonly string[] => [
  ...toolNames(
    prefix,
    tools.map((name) => ({ name })),
  ).keys(),
];

test("a tool is called by its server and itself", () => {
  const [files, wiki, list] = serverPrefixes(["files", "my wiki", "清单"]);
  expect(namesOf(files!, ["read_file", "a.b"])).toEqual(["files__read_file", "files__a_b"]);
  expect(namesOf(wiki!, ["search"])).toEqual(["my_wiki__search"]);
  expect(namesOf(list!, ["add"])).toEqual(["server__add"]);
});

test("names differ and are safe, whatever servers and tools are called", () => {
  // Few letters, so that many collide.
  const name = fc.oneof(fc.string({ unit: fc.constantFrom("a", "_", "-", ".") }), fc.string({ minLength: 60 }));
  const tools = fc.uniqueArray(name, { maxLength: 6 });
  fc.assert(
    fc.property(fc.uniqueArray(name, { maxLength: 6 }), fc.array(tools, { minLength: 6 }), (servers, toolsOf) => {
      const names = serverPrefixes(servers).flatMap((prefix, i) => namesOf(prefix, toolsOf[i]!));
      expect(new Set(names).size).toBe(names.length);
      for (const one of names) expect(one).toMatch(/^[\w-]{1,64}$/);
      const numTools = servers.reduce((sum, _, i) => sum + toolsOf[i]!.length, 0);
      expect(names).toHaveLength(numTools);
    }),
  );
});
