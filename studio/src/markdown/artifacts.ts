// How a block of code asks for being shown as a page; undefined where nothing can show it.

import { createContext, useContext } from "react";

export const ArtifactContext = createContext<((code: string) => void) | undefined>(undefined);

export function useArtifacts(): ((code: string) => void) | undefined {
  return useContext(ArtifactContext);
}
