// Loads the `.ts` sources directly, in the main thread and in workers, on every supported Node version.
// Use: node --import ./scripts/ts-loader.mjs file.ts. Development only: the published package ships JavaScript.
import { register } from "node:module";

register("./ts-loader-hooks.mjs", import.meta.url);
