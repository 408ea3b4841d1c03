// Where the chosen runs stand, in numbers.

import { mean, seriesColour, type ShownRun } from "./curves.ts";
import { formatLoss, formatRate, formatWhole } from "./numbers.ts";
import type { Run, StepMetrics } from "./runs.ts";
import { useText } from "../i18n/i18n.ts";
import { Swatch } from "../ui/chart/chart.tsx";
import { formatCount } from "../ui/format.ts";
import { TableScroll } from "../ui/table-scroll.tsx";

/** Steps whose mean is the loss of now: a single one says little. */
const RECENT = 20;

export interface RunTableProps {
  readonly runs: readonly Run[];
  readonly shown: readonly ShownRun[];
}

export function RunTable({ runs, shown }: RunTableProps) {
  const text = useText();
  return (
    <TableScroll isCard label={text("training.standing")}>
      <table className="table is-numbers">
        <thead>
          <tr>
            <th scope="col" className="cell-text">
              {text("training.run")}
            </th>
            <th scope="col" className="cell-text">
              {text("training.stage")}
            </th>
            <th scope="col">{text("training.step")}</th>
            <th scope="col">{text("training.tokens")}</th>
            <th scope="col">{text("training.loss")}</th>
            <th scope="col">{text("training.heldout")}</th>
            <th scope="col">{text("training.learning-rate")}</th>
            <th scope="col">{text("training.speed")}</th>
          </tr>
        </thead>
        <tbody>
          {shown.map(({ name, colour, steps }) => {
            const last = steps.at(-1);
            const recent = steps.slice(-RECENT);
            const heldout = steps.findLast((step) => step.heldoutLoss !== undefined)?.heldoutLoss;
            return (
              <tr key={name}>
                <th scope="row" className="cell-text">
                  <Swatch line={{ colour: seriesColour(colour) }} /> {name}
                  {runs.find((run) => run.name === name)?.running === true && (
                    <span className="state is-ready">{text("training.running")}</span>
                  )}
                </th>
                <td className="cell-text">{last?.stage ?? ""}</td>
                <td>{last === undefined ? "" : formatWhole(last.totalSteps)}</td>
                <td>{formatCount(tokensOf(steps))}</td>
                <td>{recent.length === 0 ? "" : formatLoss(mean(recent.map(({ loss }) => loss)))}</td>
                <td>{heldout === undefined ? "" : formatLoss(heldout)}</td>
                <td>{last === undefined ? "" : formatRate(last.learningRate)}</td>
                <td>
                  {recent.length === 0 ? "" : formatWhole(mean(recent.map(({ tokensPerSecond }) => tokensPerSecond)))}
                </td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </TableScroll>
  );
}

function tokensOf(steps: readonly StepMetrics[]): number {
  return steps.reduce((sum, { tokens }) => sum + tokens, 0);
}
