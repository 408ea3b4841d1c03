// Ctrl-C: the first one asks the command to stop and clean up, the second one ends the process at once.

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const INTERRUPTED_EXIT_CODE = 130;
/** npm and npx pass on a Ctrl-C that the terminal has sent already: two signals so close are one. */
const SAME_PRESS_MS = 250;

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** A signal that aborts on Ctrl-C, until it is disposed. */
export function watchInterrupt(): Interrupt {
  const controller = new AbortController();
  let abortedAt = Infinity;
  const onSignal = (): void => {
    if (performance.now() - abortedAt > SAME_PRESS_MS) process.exit(INTERRUPTED_EXIT_CODE);
    if (controller.signal.aborted) return;
    abortedAt = performance.now();
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      const stop = (): void => {
        for (const name of SIGNALS) process.off(name, onSignal);
      };
      // The second signal of one press may come after the work has stopped.
      if (controller.signal.aborted) setTimeout(stop, SAME_PRESS_MS).unref();
      else stop();
    },
  };
}
