// The bytes of all ordinary tokens, as a tree in the order in which a walk meets its nodes.
//
// A node stands for the bytes from the root to it. The nodes below node i are i + 1 … end[i] − 1, so a walk goes
// straight through the arrays and skips what it cannot reach. Added tokens are not in it: what text spells is never
// one of them. All arrays are on memory that threads share. Knows neither text nor what a token means.

/** Bytes of which most tokens are made, and which most texts allow everywhere: subtrees of them are taken whole. */
export const PLAIN_BYTES: readonly number[] = [
  ...Buffer.from(" _ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"),
];

/** Bytes of token i: bytes[offsets[i]] … bytes[offsets[i + 1]]; none for a token that no text may use. Shared by threads. */
export interface TokenTable {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
}

export interface Vocabulary {
  readonly table: TokenTable;
  readonly numTokens: number;
  /** Whether every byte is a token, so that every text can be written. */
  readonly hasAllBytes: boolean;
  /** Words of a mask, 32 tokens in each. */
  readonly numWords: number;
  /** Bytes of the longest token. */
  readonly maxLength: number;
  /** The byte that leads to a node, how many lead to it, and where the nodes below it end. Node 0 is the root. */
  readonly byte: Uint8Array;
  readonly depth: Int32Array;
  readonly end: Int32Array;
  /** Whether the byte that leads to a node and all below it are plain. */
  readonly isPlain: Uint8Array;
  /** The most bytes of a path that ends with the node's byte and goes on below it. */
  readonly height: Int32Array;
  /** Tokens of node i: tokens[tokenAt[i]] … tokens[tokenAt[i + 1]]. */
  readonly tokenAt: Int32Array;
  readonly tokens: Int32Array;
}

export function tokenTable(tokens: readonly Uint8Array[]): TokenTable {
  const offsets = new Int32Array(new SharedArrayBuffer(4 * (tokens.length + 1)));
  tokens.forEach((token, i) => (offsets[i + 1] = offsets[i]! + token.length));
  const bytes = new Uint8Array(new SharedArrayBuffer(offsets[tokens.length]!));
  tokens.forEach((token, i) => bytes.set(token, offsets[i]));
  return { bytes, offsets };
}

export function createVocabulary(table: TokenTable): Vocabulary {
  const { bytes, offsets } = table;
  const numTokens = offsets.length - 1;
  const bytesOf = (token: number): Uint8Array => bytes.subarray(offsets[token], offsets[token + 1]);
  const sorted = Array.from({ length: numTokens }, (_, token) => token)
    .filter((token) => offsets[token + 1]! > offsets[token]!)
    .sort((a, b) => Buffer.compare(bytesOf(a), bytesOf(b)) || a - b);
  const nodes: number[] = [0];
  const depths: number[] = [0];
  const tokenAt: number[] = [0];
  const tokens: number[] = [];
  const ends: number[] = [0];
  const open: number[] = [0];
  let previous = new Uint8Array();
  let maxLength = 0;
  for (const token of sorted) {
    const own = bytesOf(token);
    maxLength = Math.max(maxLength, own.length);
    let shared = 0;
    while (shared < previous.length && previous[shared] === own[shared]) shared++;
    for (let depth = open.length - 1; depth > shared; depth--) ends[open[depth]!] = nodes.length;
    open.length = shared + 1;
    for (let depth = shared; depth < own.length; depth++) {
      open.push(nodes.length);
      nodes.push(own[depth]!);
      depths.push(depth + 1);
      tokenAt.push(tokens.length);
      ends.push(0);
    }
    tokens.push(token);
    previous = own as typeof previous;
  }
  for (const node of open) ends[node] = nodes.length;
  tokenAt.push(tokens.length);
  const plain = new Uint8Array(256);
  for (const byte of PLAIN_BYTES) plain[byte] = 1;
  const isPlain = Uint8Array.from(nodes, (byte) => plain[byte]!);
  // From the last node to the first: what lies below a node comes after it.
  const height = new Int32Array(new SharedArrayBuffer(4 * nodes.length)).fill(1);
  for (let node = nodes.length - 1; node > 0; node--) {
    for (let below = node + 1; below < ends[node]!; below = ends[below]!) {
      isPlain[node]! &= isPlain[below]!;
      height[node] = Math.max(height[node]!, height[below]! + 1);
    }
  }
  const singles = new Set(sorted.filter((token) => bytesOf(token).length === 1).map((token) => bytesOf(token)[0]));
  return {
    table,
    numTokens,
    hasAllBytes: singles.size === 256,
    numWords: Math.ceil(numTokens / 32),
    maxLength,
    byte: sharedBytes(nodes),
    depth: sharedIntegers(depths),
    end: sharedIntegers(ends),
    isPlain: sharedBytes(isPlain),
    height,
    tokenAt: sharedIntegers(tokenAt),
    tokens: sharedIntegers(tokens),
  };
}

function sharedBytes(values: ArrayLike<number>): Uint8Array {
  const shared = new Uint8Array(new SharedArrayBuffer(values.length));
  shared.set(values);
  return shared;
}

function sharedIntegers(values: ArrayLike<number>): Int32Array {
  const shared = new Int32Array(new SharedArrayBuffer(4 * values.length));
  shared.set(values);
  return shared;
}
