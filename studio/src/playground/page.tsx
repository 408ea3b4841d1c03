// The page "playground": one prompt, two settings or models side by side, what the answers must be, and code for it.

import { Columns2, Play, RectangleVertical, Square } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { Demands, type Refusal } from "./demands.tsx";
import {
  bodyOf,
  type Body,
  type Input,
  readInput,
  schemaProblem,
  type Side,
  toolsProblem,
  writeInput,
} from "./input.ts";
import { type Run, useRun } from "./run.ts";
import { SideView } from "./side-view.tsx";
import type { PageProps } from "../app.tsx";
import { useModels } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { Field } from "../ui/field.tsx";
import { PageHead } from "../ui/page-head.tsx";
import "../styles/playground.css";

const NAMES = ["A", "B"] as const;

export default function PlaygroundPage({ onNavigation }: PageProps) {
  const text = useText();
  const [input, setInput] = useState(readInput);
  const models = useModels();
  const runs: readonly [Run, Run] = [useRun(), useRun()];
  const shown = input.isCompared ? ([0, 1] as const) : ([0] as const);
  const isRunning = runs.some((run) => run.isRunning);
  const set = (fields: Partial<Input>): void => {
    const next = { ...input, ...fields };
    setInput(next);
    writeInput(next);
  };
  const setSide = (at: 0 | 1, side: Side): void => {
    const [a, b] = input.sides;
    set({ sides: at === 0 ? [side, b] : [a, side] });
  };
  const isSound =
    (input.format !== "json_schema" || schemaProblem(input.schema) === undefined) &&
    (!input.hasTools || toolsProblem(input.tools) === undefined);
  const bodies = shown.map((at): Body | undefined => {
    const side = input.sides[at];
    const model = models.find(({ id }) => id === side.model) ?? models[0];
    return isSound && model !== undefined ? bodyOf(input, side, model.id) : undefined;
  });
  const canRun = input.prompt.trim() !== "" && bodies.every((body) => body !== undefined);
  const start = (): void => {
    if (!canRun) return;
    for (const at of shown) runs[at].start(bodies[at]!);
  };
  const stop = (): void => {
    for (const run of runs) run.stop();
  };
  const press = (event: KeyboardEvent): void => {
    if (event.nativeEvent.isComposing) return;
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      start();
    } else if (event.key === "Escape" && isRunning && document.querySelector("dialog[open]") === null) stop();
  };
  return (
    <>
      <PageHead title={text("nav.playground")} onNavigation={onNavigation}>
        <IconButton
          label={text("play.compare")}
          icon={input.isCompared ? <Columns2 /> : <RectangleVertical />}
          isOn={input.isCompared}
          onClick={() => {
            runs[1].stop();
            set({ isCompared: !input.isCompared });
          }}
        />
        {isRunning ? (
          <Button icon={<Square />} onClick={stop}>
            {text("chat.stop")}
          </Button>
        ) : (
          <Button kind="primary" icon={<Play />} disabled={!canRun} title="Ctrl+Enter" onClick={start}>
            {text("play.run")}
          </Button>
        )}
      </PageHead>
      <div className="page-body playground" onKeyDown={press}>
        <div className="play-input">
          <div className="stack">
            <Field label={text("options.system")}>
              {(attributes) => (
                <textarea
                  {...attributes}
                  className="textarea"
                  rows={2}
                  value={input.system}
                  onChange={({ target }) => set({ system: target.value })}
                />
              )}
            </Field>
            <Field label={text("play.prompt")} hint={text("play.prompt-hint")}>
              {(attributes) => (
                <textarea
                  {...attributes}
                  className="textarea"
                  rows={5}
                  value={input.prompt}
                  onChange={({ target }) => set({ prompt: target.value })}
                />
              )}
            </Field>
          </div>
          <Demands input={input} onChange={set} body={bodies[0]} refusal={refusalOf(runs)} />
        </div>
        <div className={input.isCompared ? "play-sides is-compared" : "play-sides"}>
          {shown.map((at) => (
            <SideView
              key={at}
              name={NAMES[at]}
              side={input.sides[at]}
              onChange={(side) => setSide(at, side)}
              models={models}
              body={bodies[at]}
              run={runs[at]}
            />
          ))}
        </div>
      </div>
    </>
  );
}

/** What the server refused of what both sides share. */
function refusalOf(runs: readonly Run[]): Refusal | undefined {
  const refused = runs.find(({ param }) => param !== undefined && /^(?:response_format|tools)/.test(param));
  if (refused?.param === undefined) return undefined;
  return { param: refused.param, message: refused.message?.answer.error ?? "" };
}
