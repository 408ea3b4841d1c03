// What an answer must be: its format with a JSON Schema, and tools. The page finds what is no JSON at once; what cannot be
// enforced, the server says, with the place.

import { BadgeCheck } from "lucide-react";
import { useEffect, useState } from "react";
import { type Body, FORMATS, type Input, schemaProblem, toolsProblem } from "./input.ts";
import { checkDemands } from "./run.ts";
import { type MessageKey, useText } from "../i18n/i18n.ts";
import { Button } from "../ui/button.tsx";
import { Field, Segments, Switch } from "../ui/field.tsx";
import { Tabs } from "../ui/tabs.tsx";
import { notifyError } from "../ui/toast.tsx";

export interface Refusal {
  readonly param: string;
  readonly message: string;
}

export interface DemandsProps {
  readonly input: Input;
  readonly onChange: (fields: Partial<Input>) => void;
  /** A request with all of it; undefined while it is none. */
  readonly body: Body | undefined;
  /** Of the last run. */
  readonly refusal: Refusal | undefined;
}

type Tab = "format" | "tools";
interface Verdict {
  /** The texts that it is about. */
  readonly subject: string;
  /** Undefined where the server takes them. */
  readonly refusal: Refusal | undefined;
}

export function Demands({ input, onChange, body, refusal }: DemandsProps) {
  const text = useText();
  const [tab, setTab] = useState<Tab>("format");
  const [verdict, setVerdict] = useState<Verdict>();
  const { format, schema, hasTools, tools } = input;
  const subject = JSON.stringify([format, schema, hasTools, tools]);
  useEffect(() => {
    if (refusal === undefined) return;
    setVerdict({ subject, refusal });
    setTab(refusal.param.startsWith("tools") ? "tools" : "format");
    // Told once, when it comes; by then the texts may be others.
  }, [refusal?.param, refusal?.message]);
  const check = async (): Promise<void> => {
    if (body === undefined) return;
    const refused = await checkDemands(body);
    if (refused === undefined) setVerdict({ subject, refusal: undefined });
    else if (refused.param === undefined) notifyError(refused);
    else setVerdict({ subject, refusal: { param: refused.param, message: refused.message } });
  };
  const editor = (kind: Tab) => {
    const json = kind === "format" ? schema : tools;
    const problem = kind === "format" ? schemaProblem(json) : toolsProblem(json);
    return (
      <JsonEditor
        label={text(kind === "format" ? "play.schema" : "play.tools")}
        hint={text(kind === "format" ? "play.format-hint" : "play.tools-hint")}
        value={json}
        problem={problem}
        verdict={verdict?.subject === subject ? verdict : undefined}
        canCheck={body !== undefined}
        onChange={(value) => onChange(kind === "format" ? { schema: value } : { tools: value })}
        onCheck={() => void check().catch(notifyError)}
      />
    );
  };
  return (
    <div className="play-demands">
      <Tabs
        label={text("play.demands")}
        value={tab}
        onChange={setTab}
        tabs={[
          { value: "format", label: text("play.format") },
          { value: "tools", label: text("options.tools") },
        ]}
      >
        {tab === "format" ? (
          <div className="stack">
            <Segments
              label={text("play.format")}
              value={format}
              onChange={(chosen) => onChange({ format: chosen })}
              choices={FORMATS.map((value) => ({ value, label: text(`play.${value}` as MessageKey) }))}
            />
            {format === "json_schema" && editor("format")}
            {format === "json_object" && <p className="field-note">{text("play.format-hint")}</p>}
          </div>
        ) : (
          <div className="stack">
            <Switch label={text("play.use-tools")} isOn={hasTools} onChange={(isOn) => onChange({ hasTools: isOn })} />
            {hasTools && editor("tools")}
          </div>
        )}
      </Tabs>
    </div>
  );
}

interface JsonEditorProps {
  readonly label: string;
  readonly hint: string;
  readonly value: string;
  readonly problem: string | undefined;
  readonly verdict: Verdict | undefined;
  readonly canCheck: boolean;
  readonly onChange: (value: string) => void;
  readonly onCheck: () => void;
}

function JsonEditor({ label, hint, value, problem, verdict, canCheck, onChange, onCheck }: JsonEditorProps) {
  const text = useText();
  const refused = verdict?.refusal?.message;
  return (
    <>
      <Field label={label} hint={hint} error={problem === undefined ? refused : text("play.no-json", { why: problem })}>
        {(attributes) => (
          <textarea
            {...attributes}
            aria-invalid={problem !== undefined || refused !== undefined}
            className="textarea is-code"
            rows={9}
            spellCheck={false}
            value={value}
            onChange={({ target }) => onChange(target.value)}
          />
        )}
      </Field>
      <div className="play-check">
        <Button size="small" icon={<BadgeCheck />} disabled={!canCheck} onClick={onCheck}>
          {text("play.check")}
        </Button>
        <Button size="small" kind="quiet" disabled={problem !== undefined} onClick={() => onChange(tidied(value))}>
          {text("play.tidy")}
        </Button>
        <span role="status" className="play-good">
          {verdict !== undefined && refused === undefined && text("play.good")}
        </span>
      </div>
    </>
  );
}

function tidied(json: string): string {
  return JSON.stringify(JSON.parse(json), null, 2);
}
