// Shows a page in the user's browser, as each system does it. Whether there is one, nobody knows: failing is no error.

import { spawn } from "node:child_process";

const OPENERS: Partial<Record<NodeJS.Platform, readonly [program: string, ...args: string[]]>> = {
  darwin: ["open"],
  // `start` takes what is in quotes first for the title of a window.
  win32: ["cmd", "/c", "start", ""],
};

/** Whether there was a program that opens pages. */
export function openBrowser(url: string, variables: NodeJS.ProcessEnv): Promise<boolean> {
  const [program, ...args] = OPENERS[process.platform] ?? ["xdg-open"];
  // Neither its end nor its words are ours: it may be the browser itself.
  const child = spawn(program, [...args, url], { stdio: "ignore", detached: true, env: variables });
  child.unref();
  return new Promise((resolve) => {
    child.once("spawn", () => resolve(true));
    child.once("error", () => resolve(false));
  });
}
