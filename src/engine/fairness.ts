// Who is next: the highest priority, then the tenant that was served least, then the one that came first.
//
// Every row that runs is charged to its tenant. One that was idle starts level with the least served that is not:
// neither does it catch up for its absence, nor must it make up for what it had while nobody else asked. So a tenant
// with any amount of work delays another's by what is already running, and by one share of a step. It is a deficit
// round robin without a round: what is owed is the difference between two counts.

import { defined } from "../util/assert.ts";

/** What is compared, of a sequence. */
export interface Contender {
  readonly tenant: string;
  readonly priority: number;
  /** Order of arrival. */
  readonly arrival: number;
}

interface Account {
  /** Rows. */
  served: number;
  turns: number;
  /** Sequences that wait or run. */
  numActive: number;
}

export class Fairness {
  readonly #accounts = new Map<string, Account>();

  enter({ tenant }: Contender): void {
    const account = this.#accounts.get(tenant) ?? { served: 0, turns: 0, numActive: 0 };
    if (account.numActive === 0) account.served = Math.max(account.served, this.#leastServed());
    account.numActive++;
    this.#accounts.set(tenant, account);
  }

  leave({ tenant }: Contender): void {
    this.#account(tenant).numActive--;
    // Counts are only compared with each other: when all are gone, they begin anew.
    for (const { numActive } of this.#accounts.values()) if (numActive > 0) return;
    this.#accounts.clear();
  }

  charge({ tenant }: Contender, rows: number): void {
    this.#account(tenant).served += rows;
  }

  /** Counts the turns that a tenant divides among its sequences. */
  takeTurn({ tenant }: Contender): number {
    return this.#account(tenant).turns++;
  }

  /** Negative where `a` goes before `b`. */
  compare(a: Contender, b: Contender): number {
    const owed = this.#account(a.tenant).served - this.#account(b.tenant).served;
    return b.priority - a.priority || owed || a.arrival - b.arrival;
  }

  /** The one of `contenders` that is next. */
  first<T extends Contender>(contenders: readonly T[]): T | undefined {
    return least(contenders, (a, b) => this.compare(a, b));
  }

  #leastServed(): number {
    const active = [...this.#accounts.values()].filter(({ numActive }) => numActive > 0);
    return active.length === 0 ? 0 : Math.min(...active.map(({ served }) => served));
  }

  #account(tenant: string): Account {
    return defined(this.#accounts.get(tenant), `tenant ${tenant}`);
  }
}

/** The least of `items`, the first of equals. */
export function least<T>(items: readonly T[], compare: (a: T, b: T) => number): T | undefined {
  let best: T | undefined;
  for (const item of items) if (best === undefined || compare(item, best) < 0) best = item;
  return best;
}
