// The page "training": runs, their curves one over the other, and what their models wrote on the way.
//
// Which runs are shown stands in the address, so that it can be kept and passed on. Without any, it is the latest.

import { useMemo, useState } from "react";
import type { PageProps } from "../app.tsx";
import { Charts } from "./charts.tsx";
import type { CurveOptions, ShownRun } from "./curves.ts";
import { LoadMap } from "./load-map.tsx";
import { RunList } from "./run-list.tsx";
import { RunTable } from "./run-table.tsx";
import { type Run, type Sample, type StepMetrics, useRunLines, useRuns } from "./runs.ts";
import { Samples } from "./samples.tsx";
import { useText } from "../i18n/i18n.ts";
import { navigate, useRoute } from "../router.ts";
import { Segments } from "../ui/field.tsx";
import { PageHead } from "../ui/page-head.tsx";
import { Problem } from "../ui/problem.tsx";
import { useTitle } from "../ui/title.ts";
import "../styles/boards.css";
import "../styles/chart.css";
import "../styles/table.css";
import "../styles/training.css";

export default function TrainingPage({ onNavigation }: PageProps) {
  const text = useText();
  const { value: runs, error, reload } = useRuns();
  useTitle(text("nav.training"));
  return (
    <>
      <PageHead title={text("nav.training")} onNavigation={onNavigation} />
      <div className="page-body">
        <div className="board">
          {error !== undefined && <Problem error={error} onRetry={reload} />}
          {runs?.length === 0 && <NoRuns />}
          {runs !== undefined && runs.length > 0 && <Runs runs={runs} />}
        </div>
      </div>
    </>
  );
}

function NoRuns() {
  const text = useText();
  return (
    <div className="board-empty">
      <p>{text("training.none")}</p>
      <code>mimo train recipes/pico/recipe.yaml</code>
    </div>
  );
}

const AXES = ["steps", "tokens"] as const;
const SMOOTHINGS = { off: 0, some: 0.9, much: 0.98 } as const;
type Smoothing = keyof typeof SMOOTHINGS;

function Runs({ runs }: { readonly runs: readonly Run[] }) {
  const text = useText();
  const [chosen, setChosen] = useChosen(runs);
  const [axis, setAxis] = useState<CurveOptions["axis"]>("steps");
  const [smoothing, setSmoothing] = useState<Smoothing>("some");
  const { value: metrics, error, reload } = useRunLines<StepMetrics>(chosen, "metrics");
  const { value: samples } = useRunLines<Sample>(chosen, "samples");
  const colours = useColours(runs);
  const shown = useMemo(
    () =>
      chosen.flatMap((name): ShownRun[] => {
        const steps = metrics?.get(name);
        return steps === undefined ? [] : [{ name, colour: colours.get(name)!, steps }];
      }),
    [chosen, metrics, colours],
  );
  const options = useMemo(() => ({ axis, smoothing: SMOOTHINGS[smoothing] }), [axis, smoothing]);
  return (
    <div className="runs-page">
      <RunList runs={runs} chosen={chosen} colours={colours} onChoose={setChosen} />
      <div className="board-stack">
        {error !== undefined && <Problem error={error} onRetry={reload} />}
        <RunTable runs={runs} shown={shown} />
        <div className="board-tools">
          <Segments
            label={text("training.axis")}
            value={axis}
            onChange={setAxis}
            choices={AXES.map((value) => ({ value, label: text(`training.${value}`) }))}
          />
          <Segments
            label={text("training.smoothing")}
            value={smoothing}
            onChange={setSmoothing}
            choices={(Object.keys(SMOOTHINGS) as Smoothing[]).map((value) => ({
              value,
              label: text(`training.smoothing-${value}`),
            }))}
          />
        </div>
        <Charts runs={shown} options={options} />
        {shown.map(({ name, steps }) => (
          <LoadMap key={name} name={name} steps={steps} />
        ))}
        {chosen.map((name) => (
          <Samples key={name} name={name} samples={samples?.get(name) ?? []} />
        ))}
      </div>
    </div>
  );
}

function useChosen(runs: readonly Run[]): [readonly string[], (names: readonly string[]) => void] {
  const { parts } = useRoute();
  const names = runs.map(({ name }) => name);
  // Another run that begins changes nothing for whoever looks at one.
  const [first] = useState(names[0]);
  const wanted = [...new Set(parts)].filter((name) => names.includes(name));
  const fallback = names.find((name) => name === first) ?? names[0];
  const list = JSON.stringify(wanted.length > 0 ? wanted : [fallback]);
  const chosen = useMemo(() => JSON.parse(list) as readonly string[], [list]);
  return [chosen, (next) => navigate("training", ...next)];
}

/** By the order in which the runs began, so that a colour stays. */
function useColours(runs: readonly Run[]): ReadonlyMap<string, number> {
  const names = JSON.stringify(runs.toSorted((a, b) => (a.started_at < b.started_at ? -1 : 1)).map(({ name }) => name));
  return useMemo(() => new Map((JSON.parse(names) as readonly string[]).map((name, i) => [name, i])), [names]);
}
