// The chat.

import type { Messages } from "./messages.ts";

export const chat = {
  "chat.new": ["New chat", "新对话"],
} as const satisfies Messages;
