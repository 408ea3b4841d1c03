// Expert load of a run: layers from top to bottom, steps from left to right, and the same as a table.

import { useId, useMemo } from "react";
import { loadColumns } from "./loads.ts";
import { formatWhole } from "./numbers.ts";
import type { StepMetrics } from "./runs.ts";
import { formatNumber, useText } from "../i18n/i18n.ts";
import { HeatMap } from "../ui/heat-map.tsx";
import { TableScroll } from "../ui/table-scroll.tsx";

const MAX_COLUMNS = 240;

export function LoadMap({ name, steps }: { readonly name: string; readonly steps: readonly StepMetrics[] }) {
  const text = useText();
  const id = useId();
  const columns = useMemo(() => loadColumns(steps, MAX_COLUMNS), [steps]);
  const layers = useMemo(() => {
    const numLayers = columns.at(-1)?.violations.length ?? 0;
    return Array.from({ length: numLayers }, (_, layer) => columns.map(({ violations }) => violations[layer] ?? 0));
  }, [columns]);
  // Twice the mean and more is all alike: too much.
  const cells = useMemo(() => layers.map((layer) => layer.map((violation) => Math.min(1, violation))), [layers]);
  if (layers.length === 0) return null;
  const worst = layers.map(worstOf);
  const peak = worst.reduce((best, { value }, i) => (value > worst[best]!.value ? i : best), 0);
  const stepsOf = (column: number): string => {
    const { from, to } = columns[column]!;
    return from === to ? formatWhole(from) : `${formatWhole(from)}–${formatWhole(to)}`;
  };
  return (
    <section className="card" aria-labelledby={`${id}-title`}>
      <div className="card-head">
        <h2 id={`${id}-title`}>{text("training.load-map", { name })}</h2>
      </div>
      <HeatMap
        rows={cells}
        label={text("training.load-summary", {
          layers: layers.length,
          layer: peak + 1,
          above: above(worst[peak]!.value),
          steps: stepsOf(worst[peak]!.column),
        })}
        ends={[formatWhole(columns[0]!.from), formatWhole(columns.at(-1)!.to)]}
        describe={(row, column) =>
          text("training.load-cell", {
            layer: row + 1,
            steps: stepsOf(column),
            above: above(layers[row]![column]!),
          })
        }
      />
      <details className="chart-table">
        <summary>{text("chart.table")}</summary>
        <TableScroll label={text("chart.table")}>
          <table className="table is-numbers is-dense">
            <thead>
              <tr>
                <th scope="col">{text("training.load-layer")}</th>
                <th scope="col">{text("training.load-last")}</th>
                <th scope="col">{text("training.load-worst")}</th>
                <th scope="col">{text("training.step")}</th>
              </tr>
            </thead>
            <tbody>
              {layers.map((layer, i) => (
                <tr key={i}>
                  <th scope="row">{i + 1}</th>
                  <td>{above(layer.at(-1)!)}</td>
                  <td>{above(worst[i]!.value)}</td>
                  <td>{stepsOf(worst[i]!.column)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </TableScroll>
      </details>
    </section>
  );
}

function worstOf(layer: readonly number[]): { readonly value: number; readonly column: number } {
  const column = layer.reduce((best, value, i) => (value > layer[best]! ? i : best), 0);
  return { value: layer[column]!, column };
}

function above(violation: number): string {
  return formatNumber(violation, { style: "percent", maximumFractionDigits: 0, signDisplay: "always" });
}
