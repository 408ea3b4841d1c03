// Names under which a model knows the tools of several servers: `server__tool`, of letters, digits, _ and -, at most 64.
//
// A server's part has no two underscores in a row and none at its ends, so the first two end it: names of different
// servers differ, whatever their tools are called, and whichever of them has started.

const MAX_NAME = 64;
const MAX_PREFIX = 24;

/** The first parts of names, one for each server in the order of the file. */
export function serverPrefixes(names: readonly string[]): readonly string[] {
  const taken = new Set<string>();
  return names.map((name) => {
    const plain = safe(name).replace(/_+/g, "_").slice(0, MAX_PREFIX).replace(/^_|_$/g, "");
    return unused(plain === "" ? "server" : plain, taken, MAX_PREFIX);
  });
}

/** A server's tools by the names that a model gives them. */
export function toolNames<Tool extends { readonly name: string }>(
  prefix: string,
  tools: readonly Tool[],
): ReadonlyMap<string, Tool> {
  const taken = new Set<string>();
  return new Map(tools.map((tool) => [unused(`${prefix}__${safe(tool.name)}`, taken, MAX_NAME), tool]));
}

function safe(name: string): string {
  return name.replace(/[^A-Za-z0-9_-]/g, "_");
}

function unused(name: string, taken: Set<string>, max: number): string {
  let free = name.slice(0, max);
  for (let n = 2; taken.has(free); n++) free = `${name.slice(0, max - `${n}`.length - 1)}-${n}`;
  taken.add(free);
  return free;
}
