// The server's pages.

import type { Messages } from "./messages.ts";

export const server = {} as const satisfies Messages;
