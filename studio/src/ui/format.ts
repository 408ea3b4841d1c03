// Quantities in words that fit them.

import { formatNumber, formatTime, text } from "../i18n/i18n.ts";

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(BYTE_UNITS.length - 1, Math.floor(Math.log2(bytes) / 10));
  const value = bytes / 1024 ** power;
  return `${formatNumber(value, { maximumSignificantDigits: value < 10 ? 2 : 3 })} ${BYTE_UNITS[power]}`;
}

/** 1.2K, 3.4M; 万 and 亿 where those are used. */
export function formatCount(value: number): string {
  return formatNumber(value, { notation: value < 10_000 ? "standard" : "compact", maximumFractionDigits: 1 });
}

export function formatDollars(value: number): string {
  const maximumFractionDigits = value === 0 || value >= 1 ? 2 : 6;
  return formatNumber(value, {
    style: "currency",
    currency: "USD",
    currencyDisplay: "narrowSymbol",
    maximumFractionDigits,
  });
}

export function formatPercent(share: number): string {
  return formatNumber(share, { style: "percent", maximumFractionDigits: 1 });
}

export function formatMilliseconds(ms: number): string {
  if (ms < 1000) return `${formatNumber(ms, { maximumFractionDigits: ms < 10 ? 1 : 0 })} ms`;
  return `${formatNumber(ms / 1000, { maximumFractionDigits: 1 })} s`;
}

export function formatClock(time: number): string {
  return formatTime(time, { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
}

export function formatMoment(time: number): string {
  return formatTime(time, { dateStyle: "medium", timeStyle: "short" });
}

const STEPS = [
  ["ago.seconds", 1, 90],
  ["ago.minutes", 60, 5400],
  ["ago.hours", 3600, 129_600],
  ["ago.days", 86_400, Infinity],
] as const;

export function formatAgo(time: number, now = Date.now()): string {
  const seconds = Math.max(0, (now - time) / 1000);
  const [key, unit] = STEPS.find(([, , limit]) => seconds < limit)!;
  return text(key, { n: Math.round(seconds / unit) });
}
