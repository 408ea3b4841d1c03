// A call of a tool: its arguments as they are written, whether it may run, its result.

import { Check, Play, Square, Wrench, X } from "lucide-react";
import { useState } from "react";
import { canRun, resolveCall, runCall, runningId, runsAtOnce, setRunsAtOnce } from "./controller.ts";
import { builtInTools } from "./tools.ts";
import { useText } from "../i18n/i18n.ts";
import { stopMcpCall, useIsCalling } from "../mcp/calls.ts";
import { useMcpServers } from "../mcp/servers.ts";
import type { Message, ToolCall } from "../store/database.ts";
import { ownTools } from "../store/store.ts";
import { Button } from "../ui/button.tsx";
import { Field, Switch } from "../ui/field.tsx";

export interface ToolCallProps {
  readonly message: Message;
  readonly call: ToolCall;
  readonly result: string | undefined;
}

export function ToolCallView({ message, call, result }: ToolCallProps) {
  const text = useText();
  const isWritten = message.answer?.status !== "streaming";
  const isWaiting = isWritten && result === undefined && message.answer?.status === "done";
  return (
    <section className="call" aria-label={text("call.title", { name: call.name })}>
      <header>
        <Wrench />
        <strong>{call.name === "" ? text("call.running") : call.name}</strong>
        {call.decision === "approved" && <Check className="is-good" />}
        {call.decision === "denied" && <span className="call-denied">{text("call.denied")}</span>}
      </header>
      <pre aria-label={text("call.arguments")} tabIndex={0}>
        {isWritten ? pretty(call.arguments) : call.arguments}
      </pre>
      {result !== undefined && call.decision !== "denied" && (
        <pre className="call-result" aria-label={text("call.result")} tabIndex={0}>
          {pretty(result)}
        </pre>
      )}
      {isWaiting && <Decision message={message} call={call} />}
    </section>
  );
}

function Decision({ message, call }: { readonly message: Message; readonly call: ToolCall }) {
  const text = useText();
  // Which tools there are may change.
  useMcpServers();
  const [changed, setChanged] = useState<boolean>();
  const id = runningId(message, call);
  const isCalling = useIsCalling(id);
  const deny = (
    <Button
      size="small"
      icon={<X />}
      onClick={() => resolveCall(message, call.id, text("call.denied-result"), "denied")}
    >
      {text("call.deny")}
    </Button>
  );
  if (isCalling)
    return (
      <div className="call-decision">
        <span role="status">{text("mcp.calling")}</span>
        <Button size="small" icon={<Square />} onClick={() => stopMcpCall(id)}>
          {text("chat.stop")}
        </Button>
      </div>
    );
  if (!canRun(call.name)) return <OwnResult message={message} call={call} deny={deny} />;
  return (
    <div className="call-decision">
      <Button size="small" kind="primary" icon={<Play />} onClick={() => void runCall(message, call)}>
        {text("call.approve")}
      </Button>
      {deny}
      <Switch
        label={builtInTools.has(call.name) ? text("call.always") : text("mcp.always", { name: call.name })}
        isOn={changed ?? runsAtOnce(call.name)}
        onChange={(isOn) => {
          setRunsAtOnce(call.name, isOn);
          setChanged(isOn);
        }}
      />
    </div>
  );
}

function OwnResult({
  message,
  call,
  deny,
}: {
  readonly message: Message;
  readonly call: ToolCall;
  readonly deny: React.ReactNode;
}) {
  const text = useText();
  const [result, setResult] = useState("");
  const isKnown = ownTools.get(call.name) !== undefined;
  return (
    <form
      className="call-form"
      onSubmit={(event) => {
        event.preventDefault();
        resolveCall(message, call.id, result, "approved");
      }}
    >
      <Field label={text("call.type-result", { name: call.name })} hint={isKnown ? undefined : text("call.unknown")}>
        {(attributes) => (
          <textarea
            {...attributes}
            className="textarea is-code"
            rows={2}
            value={result}
            onChange={(event) => setResult(event.target.value)}
          />
        )}
      </Field>
      <div className="call-decision">
        <Button size="small" kind="primary" type="submit">
          {text("call.give")}
        </Button>
        {deny}
      </div>
    </form>
  );
}

function pretty(json: string): string {
  try {
    return JSON.stringify(JSON.parse(json), null, 2);
  } catch {
    return json;
  }
}
