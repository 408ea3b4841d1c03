// Which tools a conversation has, and the tools that a reader describes.

import { Pencil, Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { builtInTools } from "./tools.ts";
import { type MessageKey, useText } from "../i18n/i18n.ts";
import { mcpTools } from "../mcp/servers.ts";
import { McpToolSwitches } from "../mcp/tool-switches.tsx";
import type { OwnTool } from "../store/database.ts";
import { useRows } from "../store/mirror.ts";
import { ownTools } from "../store/store.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { Dialog } from "../ui/dialog.tsx";
import { Field, Switch, TextInput } from "../ui/field.tsx";

export interface ToolSettingsProps {
  readonly chosen: readonly string[];
  readonly onChange: (chosen: readonly string[] | undefined) => void;
}

export function ToolSettings({ chosen, onChange }: ToolSettingsProps) {
  const text = useText();
  const own = [...useRows(ownTools).values()];
  const [edited, setEdited] = useState<OwnTool | "new">();
  const set = (name: string, isOn: boolean): void => {
    const next = isOn ? [...chosen, name] : chosen.filter((other) => other !== name);
    onChange(next.length === 0 ? undefined : next);
  };
  return (
    <section className="stack">
      <div>
        <h3>{text("options.tools")}</h3>
        <p className="field-note">{text("options.tools-hint")}</p>
      </div>
      {[...builtInTools.keys()].map((name) => (
        <Switch
          key={name}
          label={text(`tool.${name}` as MessageKey)}
          isOn={chosen.includes(name)}
          onChange={(isOn) => set(name, isOn)}
        />
      ))}
      {own.map((tool) => (
        <div key={tool.name} className="row">
          <Switch
            label={<code>{tool.name}</code>}
            hint={text("tool.own")}
            isOn={chosen.includes(tool.name)}
            onChange={(isOn) => set(tool.name, isOn)}
          />
          <IconButton size="small" label={text("tool.edit")} icon={<Pencil />} onClick={() => setEdited(tool)} />
          <IconButton
            size="small"
            label={text("tool.delete", { name: tool.name })}
            icon={<Trash2 />}
            onClick={() => {
              set(tool.name, false);
              ownTools.remove([tool.name]);
            }}
          />
        </div>
      ))}
      <McpToolSwitches
        chosen={chosen}
        isOther={(name) => builtInTools.has(name) || own.some((tool) => tool.name === name)}
        onSet={set}
      />
      <Button size="small" icon={<Plus />} onClick={() => setEdited("new")}>
        {text("tool.add")}
      </Button>
      {edited !== undefined && (
        <ToolDialog
          tool={edited === "new" ? undefined : edited}
          onClose={() => setEdited(undefined)}
          onSave={(tool) => {
            if (edited !== "new" && edited.name !== tool.name) ownTools.remove([edited.name]);
            ownTools.put(tool);
            if (!chosen.includes(tool.name)) set(tool.name, true);
          }}
        />
      )}
    </section>
  );
}

const EXAMPLE = {
  type: "object",
  properties: { city: { type: "string" } },
  required: ["city"],
} as const;

const NAME = /^[\w-]{1,64}$/;

interface ToolDialogProps {
  readonly tool: OwnTool | undefined;
  readonly onClose: () => void;
  readonly onSave: (tool: OwnTool) => void;
}

function ToolDialog({ tool, onClose, onSave }: ToolDialogProps) {
  const text = useText();
  const [name, setName] = useState(tool?.name ?? "");
  const [description, setDescription] = useState(tool?.description ?? "");
  const [schema, setSchema] = useState(JSON.stringify(tool?.parameters ?? EXAMPLE, null, 2));
  const parsed = parseSchema(schema);
  const isTaken =
    name !== tool?.name && (builtInTools.has(name) || mcpTools().has(name) || ownTools.get(name) !== undefined);
  const canSave = NAME.test(name) && !isTaken && typeof parsed !== "string";
  return (
    <Dialog
      title={text(tool === undefined ? "tool.add" : "tool.edit")}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>{text("common.cancel")}</Button>
          <Button
            kind="primary"
            disabled={!canSave}
            onClick={() => {
              if (typeof parsed === "string") return;
              onSave({ name, description, parameters: parsed });
              onClose();
            }}
          >
            {text("common.save")}
          </Button>
        </>
      }
    >
      <div className="stack">
        <Field
          label={text("tool.name")}
          hint={text("tool.name-hint")}
          error={isTaken ? text("tool.name-taken") : undefined}
        >
          {(attributes) => (
            <TextInput
              {...attributes}
              className="is-code"
              autoFocus
              value={name}
              onChange={(event) => setName(event.target.value)}
            />
          )}
        </Field>
        <Field label={text("tool.description")}>
          {(attributes) => (
            <TextInput {...attributes} value={description} onChange={(event) => setDescription(event.target.value)} />
          )}
        </Field>
        <Field
          label={text("tool.parameters")}
          error={typeof parsed === "string" ? text("tool.schema-bad", { why: parsed }) : undefined}
        >
          {(attributes) => (
            <textarea
              {...attributes}
              className="textarea is-code"
              rows={9}
              spellCheck={false}
              value={schema}
              onChange={(event) => setSchema(event.target.value)}
            />
          )}
        </Field>
      </div>
    </Dialog>
  );
}

/** A sentence where it is none. */
function parseSchema(json: string): object | string {
  try {
    const schema: unknown = JSON.parse(json);
    const isObject = typeof schema === "object" && schema !== null && !Array.isArray(schema);
    if (isObject && "type" in schema && schema.type === "object") return schema;
    return 'type: "object"';
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
