// What was found of needles by length and depth, as a table and as an SVG picture: a row for each depth, a column for each
// length, in every cell how many of how many.

import type { GridCell, SuiteResult } from "../eval/evaluate.ts";
import { formatTable } from "./format.ts";
import { drawPicture, text } from "./picture.ts";

/** Depths at which needles are put: in tenths of the text. */
export const NEEDLE_DEPTHS: readonly number[] = Array.from({ length: 11 }, (_, tenth) => tenth / 10);

const CELL = { width: 74, height: 24 } as const;
const LEFT = 64;
const GRID_HEIGHT = 60 + NEEDLE_DEPTHS.length * CELL.height + 30;
/** Text on a fill darker than this is white. */
const DARK = 0.6;

interface Grid {
  readonly suite: string;
  readonly rows: readonly (readonly GridCell[])[];
}

/** Each table behind an empty line. */
export function formatNeedleGrids(suites: readonly SuiteResult[]): string[] {
  return gridsOf(suites).flatMap(({ suite, rows }) => {
    const header = [`${suite}, depth`, ...rows[0]!.map(({ part }) => part)];
    return ["", ...formatTable([header, ...rows.map((cells) => [percent(cells[0]!), ...cells.map(countsOf)])])];
  });
}

export function drawNeedleGrids(title: string, suites: readonly SuiteResult[]): string {
  const grids = gridsOf(suites);
  const numColumns = Math.max(...grids.map(({ rows }) => rows[0]!.length));
  // A title needs some room, even above few columns.
  const width = Math.max(420, LEFT + numColumns * CELL.width + 20);
  const height = 40 + grids.length * GRID_HEIGHT;
  return drawPicture(
    title,
    { width, height, left: LEFT },
    grids.map((grid, i) => drawGrid(grid, 40 + i * GRID_HEIGHT)),
  );
}

function drawGrid({ suite, rows }: Grid, top: number): string {
  const above = top + 50;
  const below = above + rows.length * CELL.height;
  const middleOf = (column: number): number => LEFT + (column + 0.5) * CELL.width;
  return [
    text(LEFT, top + 20, `${suite}: needles found, by depth and tokens`, 'font-weight="bold"'),
    ...rows[0]!.map(({ part }, column) => text(middleOf(column), above - 8, part, 'text-anchor="middle"')),
    ...rows.flatMap((cells, row) => {
      const y = above + row * CELL.height;
      return [
        text(LEFT - 8, y + 16, percent(cells[0]!), 'text-anchor="end"'),
        ...cells.flatMap((cell, column) => [
          `<rect x="${LEFT + column * CELL.width}" y="${y}" width="${CELL.width}" height="${CELL.height}" fill="#0072b2" fill-opacity="${cell.share.toFixed(3)}" stroke="#ddd"/>`,
          text(
            middleOf(column),
            y + 16,
            countsOf(cell),
            `text-anchor="middle" fill="${cell.share > DARK ? "white" : "black"}"`,
          ),
        ]),
      ];
    }),
    text(LEFT, below + 16, "darker: more of them found", 'fill="#666"'),
  ].join("\n");
}

function gridsOf(suites: readonly SuiteResult[]): Grid[] {
  return suites.flatMap(({ suite, grid = [] }) => {
    const depths = [...new Set(grid.map(({ depth }) => depth))];
    const rows = depths.map((depth) => grid.filter((cell) => cell.depth === depth));
    return rows.length === 0 ? [] : [{ suite, rows }];
  });
}

function percent({ depth }: GridCell): string {
  return `${Math.round(100 * depth)} %`;
}

function countsOf({ right, count }: GridCell): string {
  return count === 0 ? "–" : `${right}/${count}`;
}
