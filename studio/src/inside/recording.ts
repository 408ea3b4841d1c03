// Whether answers to come are recorded. What is not asked for is neither computed nor sent, so it is off until somebody
// looks inside.

import { useSyncExternalStore } from "react";
import { DETAILS } from "../api/answers.ts";
import { hasExperts, knownModel } from "../api/models.ts";
import { readSetting, writeSetting } from "../store/local.ts";

const NUM_ALTERNATIVES = 8;

const listeners = new Set<() => void>();

export function isRecording(): boolean {
  return readSetting("recording") === "yes";
}

export function setRecording(isOn: boolean): void {
  writeSetting("recording", isOn ? "yes" : "no");
  for (const listener of listeners) listener();
}

/** On, unless its reader has switched it off before. */
export function beginRecording(): void {
  if (readSetting("recording") === undefined) setRecording(true);
}

export function useIsRecording(): boolean {
  return useSyncExternalStore((listener) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  }, isRecording);
}

/** Fields of a request whose answer is recorded, as far as that is wanted. */
export function recordingFields(): object {
  if (!isRecording()) return {};
  const include = [...DETAILS, "prompt", "drafts", ...(hasExperts(knownModel()) ? ["routing"] : [])];
  return { include, logprobs: true, top_logprobs: NUM_ALTERNATIVES };
}
