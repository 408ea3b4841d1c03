// Whether answers to come are recorded. What is not asked for is neither computed nor sent, so it is off until somebody
// looks inside.

import { DETAILS } from "../api/answers.ts";
import { hasExperts, knownModel } from "../api/models.ts";
import { readSetting, useIsOn, writeSetting } from "../store/local.ts";

const NUM_ALTERNATIVES = 8;

export function isRecording(): boolean {
  return readSetting("recording") === "yes";
}

export function setRecording(isOn: boolean): void {
  writeSetting("recording", isOn ? "yes" : "no");
}

/** On, unless its reader has switched it off before. */
export function beginRecording(): void {
  if (readSetting("recording") === undefined) setRecording(true);
}

export function useIsRecording(): boolean {
  return useIsOn("recording");
}

/** Fields of a request whose answer is recorded, as far as that is wanted. */
export function recordingFields(): object {
  if (!isRecording()) return {};
  const include = [...DETAILS, "prompt", "drafts", ...(hasExperts(knownModel()) ? ["routing"] : [])];
  return { include, logprobs: true, top_logprobs: NUM_ALTERNATIVES };
}
