// Frames to server-sent events.
//
// A frame is made when the reader has room for it: a slow client slows its own stream and nothing else. Silence is filled
// with comments, so that nothing between here and there takes it for death. A client that leaves what was sent unread
// for long counts as gone, and its sequences end.

import type { Frame } from "./render/renderer.ts";
import type { ServerRequest } from "./route.ts";

const HEADERS = {
  "content-type": "text/event-stream; charset=utf-8",
  "cache-control": "no-cache",
  // Or else proxies of the nginx kind wait for more before they pass anything on.
  "x-accel-buffering": "no",
} as const;

const PING = ": ping\n\n";

export function formatFrame({ id, event, data }: Frame): string {
  const text = typeof data === "string" ? data : JSON.stringify(data);
  return `${id === undefined ? "" : `id: ${id}\n`}${event === undefined ? "" : `event: ${event}\n`}data: ${text}\n\n`;
}

export function sseResponse(
  { abort, incoming, server }: ServerRequest,
  frames: AsyncGenerator<readonly Frame[]>,
  headers: Readonly<Record<string, string>> = {},
): Response {
  const { pingMs, stallMs } = server.options;
  const encoder = new TextEncoder();
  let sentAt = performance.now();
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearInterval(timer);
    abort.abort();
  };
  const send = (controller: ReadableStreamDefaultController<Uint8Array>, text: string): void => {
    sentAt = performance.now();
    controller.enqueue(encoder.encode(text));
  };
  const watch = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    const silentMs = performance.now() - sentAt;
    const isRead = (controller.desiredSize ?? 0) > 0;
    if (isRead && silentMs >= pingMs) send(controller, PING);
    if (isRead || silentMs < stallMs) return;
    // Its closing ends everything else.
    incoming.socket.destroy();
  };
  const body = new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        timer = setInterval(() => watch(controller), Math.min(pingMs, stallMs) / 2).unref();
      },
      pull: async (controller) => {
        // Events that add nothing make no frames.
        for (;;) {
          const { value, done } = await frames.next();
          if (done === true) {
            stop();
            controller.close();
            return;
          }
          if (value.length === 0) continue;
          send(controller, value.map(formatFrame).join(""));
          return;
        }
      },
      cancel: stop,
    },
    { highWaterMark: 1 },
  );
  return new Response(body, { headers: { ...headers, ...HEADERS } });
}
