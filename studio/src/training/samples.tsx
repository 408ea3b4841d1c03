// What a run's model wrote on the way, step by step: how it learns, in its own words.

import { useId, useState } from "react";
import type { Sample } from "./runs.ts";
import { formatNumber, useText } from "../i18n/i18n.ts";

export interface SamplesProps {
  readonly name: string;
  readonly samples: readonly Sample[];
}

export function Samples({ name, samples }: SamplesProps) {
  const text = useText();
  const id = useId();
  const steps = [...new Set(samples.map(({ totalSteps }) => totalSteps))];
  // Whoever looks at the latest goes on looking at the latest.
  const [chosen, setChosen] = useState<number>();
  const step = chosen !== undefined && steps.includes(chosen) ? chosen : steps.at(-1);
  if (step === undefined) return null;
  return (
    <section className="card" aria-labelledby={`${id}-title`}>
      <div className="card-head">
        <h2 id={`${id}-title`}>{text("training.samples", { name })}</h2>
        <label className="sample-step">
          {text("training.at-step", { n: step })}
          <input
            type="range"
            className="range"
            min={0}
            max={steps.length - 1}
            value={steps.indexOf(step)}
            aria-valuetext={formatNumber(step)}
            onChange={({ target }) => {
              const at = Number(target.value);
              setChosen(at === steps.length - 1 ? undefined : steps[at]);
            }}
          />
        </label>
      </div>
      <dl className="samples">
        {samples
          .filter(({ totalSteps }) => totalSteps === step)
          .map((sample, i) => (
            <div key={i}>
              <dt>{sample.prompt}</dt>
              <dd>{sample.text}</dd>
            </div>
          ))}
      </dl>
    </section>
  );
}
