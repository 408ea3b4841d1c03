// Amounts of memory, bandwidth and arithmetic as people write them: "256", "64GiB", "1.2TB/s", "8T,2T".

import { InvalidArgumentError } from "commander";

const SCALES: Readonly<Record<string, number>> = { k: 1e3, m: 1e6, g: 1e9, t: 1e12, p: 1e15 };
const BINARY: Readonly<Record<string, number>> = { k: 2 ** 10, m: 2 ** 20, g: 2 ** 30, t: 2 ** 40, p: 2 ** 50 };
/** More is no machine's. */
const MAX_AMOUNT = 1e18;

/** "256GB", "64GiB"; a plain number is in GB. */
export function parseBytes(text: string): number {
  return parseAmount(text, /^b?$/i, "g", "Expected a memory size such as 256GB, 64GiB or 0.5TB.");
}

/** "400GB/s", "1.2TB/s"; a plain number is in GB/s. */
export function parseBandwidth(text: string): number {
  const help = "Expected a bandwidth such as 400GB/s or 1.2TB/s.";
  // Gb/s is how networks are sold, and an eighth.
  if (/[\d\skmgtpi]b(it)?s?(\/s|ps)$/.test(text.trim().replace(/[KMGTP]/, (scale) => scale.toLowerCase())))
    throw new InvalidArgumentError(`${help} A small b stands for bits: write the bytes, with a B.`);
  return parseAmount(text, /^(B(\/s|ps)?)?$/i, "g", help);
}

/** "8T", "8TOPS", "900GFLOPS", int8 first and f32 second where both are known; a plain number is in tera. */
export function parseOperations(text: string): { readonly int8: number; readonly f32: number } {
  const help = "Expected operations per second such as 8T, 900G, or 8T,2T for int8 and f32.";
  const [int8, f32, ...rest] = text.split(",").map((part) => parseAmount(part, /^(fl)?(op(s|\/s)?)?$/i, "t", help));
  if (int8 === undefined || rest.length > 0) throw new InvalidArgumentError(help);
  return { int8, f32: f32 ?? int8 / 4 };
}

function parseAmount(text: string, unit: RegExp, plainScale: string, help: string): number {
  const [, digits = "", scale = "", binary = "", rest = ""] =
    /^\s*(\d+(?:\.\d+)?(?:e\d+)?)\s*([kmgtp]?)(i?)(.*?)\s*$/i.exec(text) ?? [];
  const isPlain = scale === "" && rest === "";
  const factor = (binary === "" ? SCALES : BINARY)[(isPlain ? plainScale : scale).toLowerCase()] ?? 1;
  const amount = digits === "" || !unit.test(rest) ? Number.NaN : Number(digits) * factor;
  if (amount > 0 && amount <= MAX_AMOUNT) return amount;
  throw new InvalidArgumentError(help);
}
