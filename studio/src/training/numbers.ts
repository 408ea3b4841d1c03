// How numbers of training are written.

import { formatNumber } from "../i18n/i18n.ts";

export function formatLoss(loss: number): string {
  return formatNumber(loss, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}

export function formatWhole(value: number): string {
  return formatNumber(value, { maximumFractionDigits: 0 });
}

export function formatRate(rate: number): string {
  if (rate === 0 || rate >= 0.001) return formatNumber(rate, { maximumFractionDigits: 5 });
  return rate.toExponential(1);
}
