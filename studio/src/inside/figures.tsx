// Figures that several parts of the view share: amounts, and bars of parts.

import type { ReactNode } from "react";
import { formatNumber } from "../i18n/i18n.ts";

export function round(value: number, digits = 0): string {
  return formatNumber(value, { maximumFractionDigits: digits });
}

export function percent(share: number, digits = 0): string {
  return formatNumber(share, { style: "percent", maximumFractionDigits: digits });
}

const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function bytes(count: number): string {
  const power = Math.min(UNITS.length - 1, Math.floor(Math.log2(Math.max(1, count)) / 10));
  const value = count / 1024 ** power;
  return `${round(value, value < 10 && power > 0 ? 1 : 0)} ${UNITS[power]}`;
}

/** A text with the blanks in it made visible. */
export function visible(text: string): string {
  if (text === "") return "∅";
  return text.replaceAll("\n", "↵").replaceAll("\t", "⇥").replaceAll(" ", "␣");
}

export interface BarProps {
  readonly label: string;
  readonly value: ReactNode;
  /** What the bar says, in words. */
  readonly description: string;
  readonly parts: readonly { readonly kind: string; readonly share: number }[];
}

export function Bar({ label, value, description, parts }: BarProps) {
  return (
    <div className="bar-row">
      <div className="bar-head">
        <span>{label}</span>
        <span className="bar-value">{value}</span>
      </div>
      <div className="bar" role="img" aria-label={`${label}: ${description}`}>
        {parts.map(({ kind, share }, i) => (
          <span key={i} className={`is-${kind}`} style={{ width: `${100 * Math.min(1, Math.max(0, share))}%` }} />
        ))}
      </div>
    </div>
  );
}
