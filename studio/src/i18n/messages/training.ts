// Training runs.

import type { Messages } from "./messages.ts";

export const training = {} as const satisfies Messages;
