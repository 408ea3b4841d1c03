// Whether a key press belongs to an input method: Enter that confirms a Chinese, Japanese or Korean candidate.
//
// Browsers say so in three ways: `isComposing`; key code 229; and Safari, which ends the composition before it reports
// the key, in neither, so a press that follows the end of a composition at once counts as its part.

import { type CompositionEvent, type KeyboardEvent, useRef } from "react";

const GRACE_MS = 80;
const PROCESSED = 229;

export interface CompositionWatch {
  /** For the element that is written in. */
  readonly handlers: {
    readonly onCompositionStart: () => void;
    readonly onCompositionEnd: (event: CompositionEvent) => void;
  };
  readonly isComposing: (event: KeyboardEvent) => boolean;
}

export function useComposition(): CompositionWatch {
  const isOpen = useRef(false);
  const endedAt = useRef(-Infinity);
  return {
    handlers: {
      onCompositionStart: () => {
        isOpen.current = true;
      },
      onCompositionEnd: ({ timeStamp }) => {
        isOpen.current = false;
        endedAt.current = timeStamp;
      },
    },
    isComposing: ({ nativeEvent, timeStamp }) =>
      isOpen.current ||
      nativeEvent.isComposing ||
      nativeEvent.keyCode === PROCESSED ||
      timeStamp - endedAt.current < GRACE_MS,
  };
}
