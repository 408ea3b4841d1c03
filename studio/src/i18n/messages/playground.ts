// The playground.

import type { Messages } from "./messages.ts";

export const playground = {} as const satisfies Messages;
