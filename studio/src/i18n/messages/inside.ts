// The page's view into the model.

import type { Messages } from "./messages.ts";

export const inside = {} as const satisfies Messages;
