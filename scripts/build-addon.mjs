// Builds the native addon build/mimo_cpu.node with CMake; does nothing where it is up to date.
//
//   node scripts/build-addon.mjs [--force]     --force builds from scratch
//
// Plain Node, offline. Works in a checkout and in an installed package. The stamp beside the addon is a hash of
// everything it is made from. Two builds at once take turns, and the addon is replaced in one step, so that running
// processes keep the one they loaded.
import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import {
  accessSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { availableParallelism } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const buildDir = join(root, "build");
const cmakeDir = join(buildDir, "cmake");
const addonPath = join(buildDir, "mimo_cpu.node");
const stampPath = join(buildDir, "mimo_cpu.stamp");
const lockPath = join(buildDir, "mimo_cpu.lock");

/** Why the addon could not be built, and what to do about it. */
export class AddonBuildError extends Error {
  name = "AddonBuildError";

  constructor(reason, remedy) {
    super(`The CPU addon could not be built.\nWhy: ${reason}\nWhat to do: ${remedy}`);
  }
}

/** Builds the addon if it is missing or older than its sources; "built" or "current". Throws AddonBuildError. */
export async function buildAddon({ force = false, log = console.log } = {}) {
  const headers = findHeaders();
  makeBuildDir();
  await acquireLock(log);
  try {
    const stamp = hashSources();
    const current = existsSync(addonPath) && existsSync(stampPath) && readFileSync(stampPath, "utf8") === stamp;
    if (current && !force) return "current";
    log("Building the CPU addon (a minute or two, once) …");
    const started = performance.now();
    if (force) rmSync(cmakeDir, { recursive: true, force: true });
    await run("cmake", ["-S", root, "-B", cmakeDir, `-DNODE_API_HEADERS=${headers}`, "-DCMAKE_BUILD_TYPE=Release"]);
    await run("cmake", ["--build", cmakeDir, "--parallel", String(availableParallelism())]);
    cpSync(join(cmakeDir, "mimo_cpu.node"), `${addonPath}.new`);
    renameSync(`${addonPath}.new`, addonPath);
    writeFileSync(stampPath, stamp);
    log(`Built ${addonPath} in ${((performance.now() - started) / 1000).toFixed(0)} s.`);
    return "built";
  } finally {
    rmSync(lockPath, { force: true });
  }
}

function findHeaders() {
  try {
    return createRequire(import.meta.url)("node-api-headers").include_dir;
  } catch {
    throw new AddonBuildError("the package node-api-headers is not installed.", "Run `npm install`, then try again.");
  }
}

function makeBuildDir() {
  try {
    mkdirSync(buildDir, { recursive: true });
    accessSync(buildDir, constants.W_OK);
  } catch {
    throw new AddonBuildError(
      `the folder ${buildDir} cannot be written.`,
      "Run the command as a user who may write there.",
    );
  }
}

function hashSources() {
  const hash = createHash("sha256").update(`${process.platform} ${process.arch} ${root}`);
  const sources = ["src/backends/cpu", "src/ops"].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true })
      .filter((name) => /\.(cpp|h)$/.test(name))
      .map((name) => join(folder, name)),
  );
  for (const file of ["CMakeLists.txt", ...sources.sort((a, b) => (a < b ? -1 : 1))])
    hash.update(file).update(readFileSync(join(root, file)));
  return hash.digest("hex");
}

/** A file with our process id; one whose process has ended is swept away. */
async function acquireLock(log) {
  for (let attempt = 0; ; attempt++) {
    try {
      writeFileSync(lockPath, String(process.pid), { flag: "wx" });
      return;
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
    if (attempt === 0) log("Waiting for another build of the CPU addon …");
    if (isStale(lockPath)) rmSync(lockPath, { force: true });
    else await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

function isStale(path) {
  try {
    process.kill(Number(readFileSync(path, "utf8")), 0);
    return false;
  } catch (error) {
    return error.code === "ESRCH";
  }
}

/** Runs a command quietly; its last lines tell why it failed. */
async function run(command, args) {
  const child = spawn(command, args, { cwd: root, stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  child.stdout.on("data", (chunk) => (output += chunk));
  child.stderr.on("data", (chunk) => (output += chunk));
  const exitCode = await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  }).catch(() => {
    throw new AddonBuildError(`${command} was not found.`, `Install CMake and a C++17 compiler. ${installHint()}`);
  });
  if (exitCode === 0) return;
  if (/No CMAKE_CXX_COMPILER|CMAKE_CXX_COMPILER not set|compiler.*(not found|not able to compile)/i.test(output)) {
    throw new AddonBuildError("no working C++ compiler was found.", `Install one. ${installHint()}`);
  }
  const errors = output.split("\n").filter((line) => /error|CMake Error/i.test(line));
  const tail = (errors.length > 0 ? errors.slice(0, 12) : output.trimEnd().split("\n").slice(-12)).join("\n  ");
  throw new AddonBuildError(
    `${command} failed with exit code ${exitCode}:\n  ${tail}`,
    `See the lines above; a compiler as old as GCC 10 or Clang 12 should do. "npm run build:addon" starts afresh.`,
  );
}

function installHint() {
  if (process.platform === "darwin") return "On macOS: `xcode-select --install` and `brew install cmake`.";
  return "On Debian and Ubuntu: `apt-get install g++ cmake make`; on Fedora: `dnf install gcc-c++ cmake make`.";
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  try {
    const result = await buildAddon({ force: process.argv.includes("--force") });
    if (result === "current") console.log("The CPU addon is up to date.");
  } catch (error) {
    if (!(error instanceof AddonBuildError)) throw error;
    console.error(error.message);
    process.exitCode = 1;
  }
}
