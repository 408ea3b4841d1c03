// Preloaded into a server under test, with --expose-gc: SIGUSR2 collects all garbage, so that what is held then is held.

process.on("SIGUSR2", () => {
  globalThis.gc();
});
