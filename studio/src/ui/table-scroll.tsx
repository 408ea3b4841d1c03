// A place for a table that may be wider than the page: it scrolls by itself, by keyboard too, and says what it is.

import type { ReactNode } from "react";

export interface TableScrollProps {
  readonly label: string;
  readonly isCard?: boolean;
  readonly children: ReactNode;
}

export function TableScroll({ label, isCard = false, children }: TableScrollProps) {
  return (
    <div className={isCard ? "card table-scroll" : "table-scroll"} role="region" aria-label={label} tabIndex={0}>
      {children}
    </div>
  );
}
