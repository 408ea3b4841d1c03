// What is kept for a while, per API key: the least recently used goes first, and no key sees or displaces another's.
//
// Only where all keys together have too much, the key that was quiet for longest loses everything.

export interface KeyedStoreOptions<T> {
  /** How much of the limits a value takes. */
  readonly weigh: (value: T) => number;
  readonly maxPerOwner: number;
  readonly maxTotal: number;
}

/** Of the value's own weight: an entry is never free. */
const ENTRY_WEIGHT = 64;

interface Entry<T> {
  readonly value: T;
  readonly weight: number;
}

interface Shelf<T> {
  /** The least recently used comes first. */
  readonly entries: Map<string, Entry<T>>;
  weight: number;
}

export class KeyedStore<T> {
  readonly #options: KeyedStoreOptions<T>;
  /** The least recently used comes first. */
  readonly #shelves = new Map<string, Shelf<T>>();
  #weight = 0;

  constructor(options: KeyedStoreOptions<T>) {
    this.#options = options;
  }

  get(owner: string, id: string): T | undefined {
    const shelf = this.#shelves.get(owner);
    const entry = shelf?.entries.get(id);
    if (shelf === undefined || entry === undefined) return undefined;
    moveToEnd(shelf.entries, id, entry);
    moveToEnd(this.#shelves, owner, shelf);
    return entry.value;
  }

  /** Keeps a value, unless it alone is larger than what an owner may have. */
  set(owner: string, id: string, value: T): void {
    const { weigh, maxPerOwner, maxTotal } = this.#options;
    const weight = ENTRY_WEIGHT + weigh(value);
    this.delete(owner, id);
    if (weight > maxPerOwner) return;
    const shelf = this.#shelves.get(owner) ?? { entries: new Map<string, Entry<T>>(), weight: 0 };
    moveToEnd(this.#shelves, owner, shelf);
    shelf.entries.set(id, { value, weight });
    this.#add(shelf, weight);
    while (shelf.weight > maxPerOwner) this.delete(owner, firstKey(shelf.entries));
    while (this.#weight > maxTotal) this.#dropOwner(firstKey(this.#shelves));
  }

  delete(owner: string, id: string): boolean {
    const shelf = this.#shelves.get(owner);
    const entry = shelf?.entries.get(id);
    if (shelf === undefined || entry === undefined) return false;
    shelf.entries.delete(id);
    this.#add(shelf, -entry.weight);
    if (shelf.entries.size === 0) this.#shelves.delete(owner);
    return true;
  }

  #add(shelf: Shelf<T>, weight: number): void {
    shelf.weight += weight;
    this.#weight += weight;
  }

  #dropOwner(owner: string): void {
    this.#weight -= this.#shelves.get(owner)?.weight ?? 0;
    this.#shelves.delete(owner);
  }
}

function moveToEnd<V>(map: Map<string, V>, key: string, value: V): void {
  map.delete(key);
  map.set(key, value);
}

function firstKey(map: ReadonlyMap<string, unknown>): string {
  const { value } = map.keys().next();
  return value as string;
}
