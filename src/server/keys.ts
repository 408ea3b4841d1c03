// API keys: made here, kept only as hashes, compared in constant time.
//
// A key holds 256 random bits, so a plain SHA-256 hides it well; nobody can guess it, and a copy of the file lets no one
// in. The file is read again when it changes: a revoked key stops working within a second, without a restart.

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { statSync } from "node:fs";
import { z } from "zod";
import { MimoError } from "../util/errors.ts";
import { readStored, writeStored } from "./stored-file.ts";

/** `inference`: models, prompts and answers. `metrics`: what the server measures. `admin`: all that there is. */
export const SCOPES = ["inference", "metrics", "admin"] as const;
export type Scope = (typeof SCOPES)[number];

/** What a client needs; `admin` is for whoever looks after the server. */
export const DEFAULT_SCOPES: readonly Scope[] = ["inference", "metrics"];

/** What one key may have, where it is not what the server gives to every key. */
export interface KeyLimits {
  /** Requests at once. */
  readonly maxRequests?: number | undefined;
  /** Share of the queue, 0 to 1. */
  readonly queueShare?: number | undefined;
}

export interface StoredKey {
  readonly id: string;
  readonly name: string;
  /** SHA-256 of the key, in hexadecimal. */
  readonly hash: string;
  readonly scopes: readonly Scope[];
  readonly limits?: KeyLimits | undefined;
  /** ISO 8601. */
  readonly created: string;
}

const KEY_FILE = z.object({
  keys: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      hash: z.string().regex(/^[0-9a-f]{64}$/),
      scopes: z.array(z.enum(SCOPES)),
      limits: z
        .object({ maxRequests: z.int().min(1), queueShare: z.number().min(0).max(1) })
        .partial()
        .optional(),
      created: z.string(),
    }),
  ),
});

const RECHECK_MS = 1000;

/** All keys of a file; none where there is no file. Throws `invalid_argument` for a file of another kind. */
export function readKeys(path: string): readonly StoredKey[] {
  return readStored(path, KEY_FILE, "API keys as `mimo keys` writes them")?.keys ?? [];
}

/** Adds a key. The secret is returned once and kept nowhere. */
export function createKey(
  path: string,
  name: string,
  scopes: readonly Scope[],
  limits?: KeyLimits,
): { secret: string; key: StoredKey } {
  const keys = readKeys(path);
  if (keys.some((key) => key.name === name))
    throw new MimoError("invalid_argument", `There is a key named ${name} already.`, { param: "name" });
  const secret = `mimo-${randomBytes(32).toString("base64url")}`;
  const id = randomBytes(4).toString("hex");
  const key = { id, name, hash: hashOf(secret).toString("hex"), scopes, limits, created: new Date().toISOString() };
  writeKeys(path, [...keys, key]);
  return { secret, key };
}

/** Removes the key of that id or name. Throws `not_found`. */
export function revokeKey(path: string, idOrName: string): StoredKey {
  const keys = readKeys(path);
  const found = keys.find((key) => key.id === idOrName || key.name === idOrName);
  if (found === undefined) throw new MimoError("not_found", `There is no key ${idOrName}.`);
  writeKeys(
    path,
    keys.filter((key) => key !== found),
  );
  return found;
}

function writeKeys(path: string, keys: readonly StoredKey[]): void {
  writeStored(path, `${JSON.stringify({ keys }, null, 2)}\n`);
}

function hashOf(secret: string): Buffer {
  return createHash("sha256").update(secret).digest();
}

/** The keys of a file, as a server asks for them. */
export class KeyRing {
  readonly #path: string;
  #keys: readonly StoredKey[] = [];
  #version = "";
  #checkedAt = -Infinity;

  /** Throws as `readKeys`. */
  constructor(path: string) {
    this.#path = path;
    this.#refresh();
  }

  get isEmpty(): boolean {
    return this.#keys.length === 0;
  }

  /**
   * The key behind a secret. Every key is compared, so that time tells nothing about any of them. Throws `io_failed`
   * where the file is no longer what it was.
   */
  find(secret: string): StoredKey | undefined {
    try {
      this.#refresh();
    } catch (cause) {
      throw new MimoError("io_failed", `${this.#path} cannot be read any more.`, { cause });
    }
    const hash = hashOf(secret);
    let found: StoredKey | undefined;
    for (const key of this.#keys) if (timingSafeEqual(hash, Buffer.from(key.hash, "hex"))) found = key;
    return found;
  }

  #refresh(): void {
    const now = performance.now();
    if (now - this.#checkedAt < RECHECK_MS) return;
    this.#checkedAt = now;
    const stats = statSync(this.#path, { throwIfNoEntry: false });
    const version = stats === undefined ? "none" : `${stats.ino} ${stats.mtimeMs} ${stats.size}`;
    if (version === this.#version) return;
    // Nobody is let in by keys that may have been revoked.
    this.#keys = [];
    this.#keys = readKeys(this.#path);
    this.#version = version;
  }
}
