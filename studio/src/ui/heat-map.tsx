// Rows of cells, the stronger the more: drawn on a canvas, told in a sentence, and cell by cell under the pointer.
//
// What it says without eyes is its label; whoever shows one also has its numbers in a table.

import { type MouseEvent, useEffect, useRef, useState } from "react";
import { useIsDark } from "./theme.ts";
import "../styles/heat-map.css";

export interface HeatMapProps {
  /** Of each row, its cells, from 0 to 1. */
  readonly rows: readonly (readonly number[])[];
  readonly label: string;
  /** What stands below the first column and the last. */
  readonly ends: readonly [string, string];
  readonly describe: (row: number, column: number) => string;
  /** Columns of each row that stand out from the others. */
  readonly marked?: readonly (readonly number[])[] | undefined;
}

const ROW = { min: 7, most: 18, all: 380 } as const;

export function HeatMap({ rows, label, ends, describe, marked }: HeatMapProps) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = useIsDark();
  const [cell, setCell] = useState<readonly [row: number, column: number]>();
  const numColumns = rows[0]?.length ?? 0;
  const rowHeight = Math.max(ROW.min, Math.min(ROW.most, Math.floor(ROW.all / rows.length)));
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const redraw = (): void => draw(element, rows, marked);
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [rows, marked, isDark]);
  const point = ({ nativeEvent, currentTarget }: MouseEvent<HTMLCanvasElement>): void => {
    const row = Math.floor((nativeEvent.offsetY / currentTarget.clientHeight) * rows.length);
    const column = Math.floor((nativeEvent.offsetX / currentTarget.clientWidth) * numColumns);
    setCell(rows[row]?.[column] === undefined ? undefined : [row, column]);
  };
  const isThere = cell !== undefined && rows[cell[0]]?.[cell[1]] !== undefined;
  return (
    <figure className="heat">
      <canvas
        ref={canvas}
        role="img"
        aria-label={label}
        style={{ height: rowHeight * rows.length }}
        onMouseMove={point}
        onMouseLeave={() => setCell(undefined)}
      />
      <div className="heat-axis" aria-hidden="true">
        <span>{ends[0]}</span>
        <span>{ends[1]}</span>
      </div>
      <figcaption className="field-note">{isThere ? describe(...cell) : label}</figcaption>
    </figure>
  );
}

/** Colours come from the style sheet, so that they follow the theme. */
function draw(canvas: HTMLCanvasElement, rows: HeatMapProps["rows"], marked: HeatMapProps["marked"]): void {
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const numColumns = rows[0]?.length ?? 0;
  if (context === null || numColumns === 0) return;
  const { color, outlineColor } = getComputedStyle(canvas);
  const [cellWidth, cellHeight] = [width / numColumns, height / rows.length];
  // A gap that is wider than the cells would hide them.
  const gap = cellWidth > 4 * scale ? scale : 0;
  const rectangle = (row: number, column: number): [number, number, number, number] => {
    const [x, y] = [Math.round(column * cellWidth), Math.round(row * cellHeight)];
    return [x, y, Math.round((column + 1) * cellWidth) - x - gap, Math.round((row + 1) * cellHeight) - y - gap];
  };
  context.clearRect(0, 0, width, height);
  context.fillStyle = color;
  for (const [row, cells] of rows.entries())
    for (const [column, amount] of cells.entries()) {
      context.globalAlpha = (marked === undefined ? 1 : 0.25) * strength(amount);
      context.fillRect(...rectangle(row, column));
    }
  context.globalAlpha = 1;
  context.fillStyle = outlineColor;
  for (const [row, columns] of (marked ?? []).entries())
    for (const column of columns) context.fillRect(...rectangle(row, column));
}

/** Never quite nothing, so that the grid is seen. */
function strength(amount: number): number {
  return 0.04 + 0.96 * Math.sqrt(amount);
}
