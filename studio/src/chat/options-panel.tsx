// The settings of a conversation, beside it: preset, system prompt, thinking, sampling, tools.

import { RotateCcw, Save, Trash2, X } from "lucide-react";
import { useState } from "react";
import { BUILT_IN_PRESETS, RECOMMENDED, sameSettings } from "./presets.ts";
import { ToolSettings } from "./tool-settings.tsx";
import type { ModelDetails } from "../api/models.ts";
import { formatNumber, useText } from "../i18n/i18n.ts";
import { type ChatSettings, freshId } from "../store/database.ts";
import { useRows } from "../store/mirror.ts";
import { presets } from "../store/store.ts";
import { IconButton } from "../ui/button.tsx";
import { Field, Segments, Select, Switch, TextInput } from "../ui/field.tsx";
import { NameDialog } from "../ui/name-dialog.tsx";

export interface OptionsPanelProps {
  readonly settings: ChatSettings;
  readonly onChange: (settings: ChatSettings) => void;
  readonly onClose: () => void;
  /** How the model is best sampled, as its server says. */
  readonly model: ModelDetails | undefined;
}

const BUDGETS = [128, 512, 2048, 8192, 32_768] as const;

export function OptionsPanel({ settings, onChange, onClose, model }: OptionsPanelProps) {
  const text = useText();
  const set = (fields: Partial<ChatSettings>): void => onChange({ ...settings, ...fields });
  return (
    <aside className="panel" aria-label={text("options.title")}>
      <header className="panel-head">
        <h2>{text("options.title")}</h2>
        <IconButton label={text("common.close")} icon={<X />} onClick={onClose} />
      </header>
      <div className="panel-body">
        <PresetField settings={settings} onChange={onChange} />
        <Field label={text("options.system")} hint={text("options.system-hint")}>
          {(attributes) => (
            <textarea
              {...attributes}
              className="textarea"
              rows={5}
              value={settings.system ?? ""}
              onChange={(event) => set({ system: event.target.value === "" ? undefined : event.target.value })}
            />
          )}
        </Field>
        <ThinkingFields settings={settings} set={set} />
        <section className="stack">
          <h3>{text("options.sampling")}</h3>
          <SamplingFields settings={settings} set={set} model={model} />
        </section>
        <ToolSettings chosen={settings.tools ?? []} onChange={(tools) => set({ tools })} />
      </div>
    </aside>
  );
}

interface PartProps {
  readonly settings: ChatSettings;
  readonly set: (fields: Partial<ChatSettings>) => void;
}

function PresetField({ settings, onChange }: Pick<OptionsPanelProps, "settings" | "onChange">) {
  const text = useText();
  const own = [...useRows(presets).values()];
  const [isNaming, setNaming] = useState(false);
  const current =
    BUILT_IN_PRESETS.find((preset) => sameSettings(preset.settings(), settings))?.id ??
    own.find((preset) => sameSettings(preset.settings, settings))?.id ??
    "";
  const isOwn = own.some(({ id }) => id === current);
  const choose = (id: string): void => {
    const builtIn = BUILT_IN_PRESETS.find((preset) => preset.id === id)?.settings();
    const chosen = builtIn ?? presets.get(id)?.settings;
    if (chosen !== undefined) onChange(chosen);
  };
  return (
    <Field label={text("options.preset")}>
      {(attributes) => (
        <div className="row">
          <Select {...attributes} value={current} onChange={(event) => choose(event.target.value)}>
            {current === "" && <option value="">{text("options.preset-none")}</option>}
            {BUILT_IN_PRESETS.map(({ id, label }) => (
              <option key={id} value={id}>
                {text(label)}
              </option>
            ))}
            {own.map(({ id, name }) => (
              <option key={id} value={id}>
                {name}
              </option>
            ))}
          </Select>
          {isOwn ? (
            <IconButton
              label={text("options.preset-delete")}
              icon={<Trash2 />}
              onClick={() => presets.remove([current])}
            />
          ) : (
            <IconButton
              label={text("options.preset-save")}
              icon={<Save />}
              disabled={current !== ""}
              onClick={() => setNaming(true)}
            />
          )}
          {isNaming && (
            <NameDialog
              title={text("options.preset-save")}
              label={text("options.preset-name")}
              onClose={() => setNaming(false)}
              onName={(name) => presets.put({ id: freshId(), name, settings })}
            />
          )}
        </div>
      )}
    </Field>
  );
}

export function ThinkingFields({ settings, set }: PartProps) {
  const text = useText();
  const { thinking, thinkingBudget } = settings;
  const value = thinking === undefined ? "auto" : thinking ? "on" : "off";
  return (
    <section className="stack">
      <Segments
        label={text("options.thinking")}
        value={value}
        onChange={(chosen) => set({ thinking: chosen === "auto" ? undefined : chosen === "on" })}
        choices={[
          { value: "auto", label: text("options.thinking-auto") },
          { value: "on", label: text("common.on") },
          { value: "off", label: text("common.off") },
        ]}
      />
      {thinking === true && (
        <Field label={text("options.budget")}>
          {(attributes) => (
            <Select
              {...attributes}
              value={thinkingBudget ?? ""}
              onChange={({ target }) => set({ thinkingBudget: target.value === "" ? undefined : Number(target.value) })}
            >
              <option value="">{text("options.budget-none")}</option>
              {BUDGETS.map((n) => (
                <option key={n} value={n}>
                  {text("options.budget-tokens", { n })}
                </option>
              ))}
            </Select>
          )}
        </Field>
      )}
      <Switch
        label={text("options.keep-thinking")}
        hint={text("options.keep-thinking-hint")}
        isOn={settings.keepThinking === true}
        onChange={(isOn) => set({ keepThinking: isOn ? true : undefined })}
      />
    </section>
  );
}

export function SamplingFields({ settings, set, model }: PartProps & Pick<OptionsPanelProps, "model">) {
  const text = useText();
  const off = text("options.off");
  const hasTools = (settings.tools?.length ?? 0) > 0;
  const recommended = { ...RECOMMENDED, ...model?.sampling, ...(hasTools ? model?.sampling_with_tools : {}) };
  return (
    <>
      <Slider
        label={text("options.temperature")}
        value={settings.temperature}
        recommended={recommended.temperature}
        max={2}
        onChange={(temperature) => set({ temperature })}
      />
      <Slider
        label={text("options.top-p")}
        value={settings.topP}
        recommended={recommended.top_p}
        max={1}
        onChange={(topP) => set({ topP })}
      />
      <Slider
        label={text("options.min-p")}
        value={settings.minP}
        recommended={recommended.min_p}
        max={1}
        onChange={(minP) => set({ minP })}
      />
      <div className="pair">
        <NumberField
          label={text("options.top-k")}
          value={settings.topK}
          empty={off}
          min={0}
          onChange={(topK) => set({ topK })}
        />
        <NumberField
          label={text("options.repetition")}
          value={settings.repetitionPenalty}
          empty={off}
          min={0.5}
          step={0.05}
          onChange={(repetitionPenalty) => set({ repetitionPenalty })}
        />
        <NumberField
          label={text("options.max-tokens")}
          value={settings.maxTokens}
          empty={text("options.budget-none")}
          min={1}
          onChange={(maxTokens) => set({ maxTokens })}
        />
        <NumberField
          label={text("options.seed")}
          value={settings.seed}
          empty={text("options.unset")}
          min={0}
          onChange={(seed) => set({ seed })}
        />
      </div>
    </>
  );
}

interface SliderProps {
  readonly label: string;
  /** Undefined is the recommended one. */
  readonly value: number | undefined;
  readonly recommended: number;
  readonly max: number;
  readonly onChange: (value: number | undefined) => void;
}

function Slider({ label, value, recommended, max, onChange }: SliderProps) {
  const text = useText();
  const isOwn = value !== undefined && value !== recommended;
  return (
    <Field
      label={label}
      aside={
        <span className="slider-value">
          {isOwn && (
            <IconButton
              size="small"
              label={text("options.reset")}
              icon={<RotateCcw />}
              onClick={() => onChange(undefined)}
            />
          )}
          <output>{formatNumber(value ?? recommended)}</output>
        </span>
      }
      hint={isOwn ? text("options.recommended", { value: recommended }) : undefined}
    >
      {(attributes) => (
        <input
          {...attributes}
          className="range"
          type="range"
          min={0}
          max={max}
          step={0.05}
          value={value ?? recommended}
          onChange={(event) => onChange(Number(event.target.value))}
        />
      )}
    </Field>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number | undefined;
  /** Shown where there is no value. */
  readonly empty: string;
  readonly min: number;
  readonly step?: number;
  readonly onChange: (value: number | undefined) => void;
}

function NumberField({ label, value, empty, min, step = 1, onChange }: NumberFieldProps) {
  return (
    <Field label={label}>
      {(attributes) => (
        <TextInput
          {...attributes}
          type="number"
          inputMode="decimal"
          min={min}
          step={step}
          placeholder={empty}
          value={value ?? ""}
          onChange={({ target }) => {
            const number = target.valueAsNumber;
            onChange(Number.isNaN(number) || number < min ? undefined : number);
          }}
        />
      )}
    </Field>
  );
}
