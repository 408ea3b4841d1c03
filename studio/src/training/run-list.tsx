// The runs there are, to choose those whose curves are shown: checkboxes, each with the colour of its curves.

import { seriesColour } from "./curves.ts";
import { formatLoss } from "./numbers.ts";
import type { Run } from "./runs.ts";
import { useText } from "../i18n/i18n.ts";
import { Swatch } from "../ui/chart/chart.tsx";
import { formatAgo } from "../ui/format.ts";

export interface RunListProps {
  readonly runs: readonly Run[];
  readonly chosen: readonly string[];
  readonly colours: ReadonlyMap<string, number>;
  readonly onChoose: (names: readonly string[]) => void;
}

export function RunList({ runs, chosen, colours, onChoose }: RunListProps) {
  const text = useText();
  const toggle = (name: string): void =>
    onChoose(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  return (
    <fieldset className="run-list">
      <legend>{text("training.runs")}</legend>
      {runs.map((run) => (
        <label key={run.name} className="run">
          <input type="checkbox" checked={chosen.includes(run.name)} onChange={() => toggle(run.name)} />
          <Swatch line={{ colour: seriesColour(colours.get(run.name)!) }} />
          <span className="run-text">
            <span className="run-name">
              {run.name}
              {run.running && <span className="state is-ready">{text("training.running")}</span>}
            </span>
            <span className="run-note">
              {run.total_steps === null
                ? text("training.no-steps")
                : text("training.run-note", {
                    step: run.total_steps,
                    loss: formatLoss(run.loss ?? Number.NaN),
                    ago: formatAgo(Date.parse(run.updated_at)),
                  })}
            </span>
          </span>
        </label>
      ))}
    </fieldset>
  );
}
