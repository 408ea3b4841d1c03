// Ctrl-C: the first one asks the command to stop and clean up, the second one ends the process at once.

const SIGNALS = ["SIGINT", "SIGTERM"] as const;
const INTERRUPTED_EXIT_CODE = 130;

export interface Interrupt extends Disposable {
  readonly signal: AbortSignal;
}

/** A signal that aborts on Ctrl-C, until it is disposed. */
export function watchInterrupt(): Interrupt {
  const controller = new AbortController();
  const onSignal = (): void => {
    if (controller.signal.aborted) process.exit(INTERRUPTED_EXIT_CODE);
    controller.abort();
  };
  for (const name of SIGNALS) process.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]: () => {
      for (const name of SIGNALS) process.off(name, onSignal);
    },
  };
}
