// A query whose result is followed: it runs again whenever what it read has changed, in this tab or in another.

import { liveQuery } from "dexie";
import { useEffect, useState } from "react";

/** Undefined until the first result. `key` names the query: with another key it is another query. */
export function useLive<T>(key: string, query: () => Promise<T>): T | undefined {
  const [state, setState] = useState<{ readonly key: string; readonly value: T }>();
  useEffect(() => {
    const subscription = liveQuery(query).subscribe({
      next: (value) => setState({ key, value }),
      error: (error: unknown) => console.error(error),
    });
    return () => subscription.unsubscribe();
    // The key stands for whatever the query closes over.
  }, [key]);
  return state?.key === key ? state.value : undefined;
}
