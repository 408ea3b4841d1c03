// How an answer asks for a look at its making; the page has the place to show it.

import { createContext, useContext } from "react";

export const InsideContext = createContext<(messageId: string) => void>(() => {});

export function useLookInside(): (messageId: string) => void {
  return useContext(InsideContext);
}
