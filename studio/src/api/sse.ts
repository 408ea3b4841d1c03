// Server-sent events of a response, one by one, as they arrive.

import { createParser } from "eventsource-parser";

export interface ServerSentEvent {
  readonly id: string | undefined;
  readonly event: string | undefined;
  readonly data: string;
}

/** Ends with the response, however that ends; throws where the connection breaks. */
export async function* readEvents(response: Response): AsyncGenerator<ServerSentEvent> {
  if (response.body === null) return;
  const arrived: ServerSentEvent[] = [];
  const parser = createParser({
    onEvent: ({ id, event, data }) => arrived.push({ id, event, data }),
  });
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      parser.feed(value);
      yield* arrived.splice(0);
    }
  } finally {
    // A reader who stops early closes the connection.
    await reader.cancel().catch(() => {});
  }
}
