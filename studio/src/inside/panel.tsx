// Inside the model: how an answer was made, beside the conversation, while it is made and afterwards.

import { RefreshCw, X } from "lucide-react";
import { useState } from "react";
import { Experts } from "./experts.tsx";
import { Overview } from "./overview.tsx";
import { Raw } from "./raw.tsx";
import { isRecording, setRecording, useIsRecording } from "./recording.ts";
import { TokenView } from "./token-view.tsx";
import type { Trace } from "./trace.ts";
import { hasExperts, type ModelInfo } from "../api/models.ts";
import { useLiveMessage } from "../chat/live.ts";
import { useText } from "../i18n/i18n.ts";
import type { Answer, Message } from "../store/database.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { Switch } from "../ui/field.tsx";
import { Tabs } from "../ui/tabs.tsx";
import "../styles/inside.css";

export interface InsidePanelProps {
  /** The answer that is looked at. */
  readonly message: Message | undefined;
  readonly model: ModelInfo | undefined;
  readonly onAgain: (message: Message) => void;
  readonly onClose: () => void;
}

type Tab = "overview" | "tokens" | "experts" | "raw";

export default function InsidePanel({ message, model, onAgain, onClose }: InsidePanelProps) {
  const text = useText();
  const isOn = useIsRecording();
  return (
    <aside className="panel inside" aria-label={text("inside.title")}>
      <header className="panel-head">
        <h2>{text("inside.title")}</h2>
        <IconButton label={text("common.close")} icon={<X />} onClick={onClose} />
      </header>
      <div className="panel-body">
        <Switch label={text("inside.record")} hint={text("inside.record-hint")} isOn={isOn} onChange={setRecording} />
        {message?.answer === undefined ? (
          <p className="prose-note">{text("inside.empty")}</p>
        ) : (
          <AnswerInside key={message.id} message={message} model={model} onAgain={onAgain} />
        )}
      </div>
    </aside>
  );
}

interface AnswerInsideProps extends Pick<InsidePanelProps, "model" | "onAgain"> {
  readonly message: Message;
}

let lastTab: Tab = "overview";

function AnswerInside({ message: stored, model, onAgain }: AnswerInsideProps) {
  const text = useText();
  const message = useLiveMessage(stored);
  const [tab, setTab] = useState<Tab>(lastTab);
  const [selected, setSelected] = useState<number>();
  const answer = message.answer!;
  const { trace } = answer;
  const choose = (chosen: Tab): void => {
    lastTab = chosen;
    setTab(chosen);
  };
  return (
    <Tabs
      label={text("inside.title")}
      value={tab}
      onChange={choose}
      tabs={[
        { value: "overview", label: text("inside.overview") },
        { value: "tokens", label: text("inside.tokens") },
        ...(hasExperts(model) ? [{ value: "experts", label: text("inside.experts") } as const] : []),
        { value: "raw", label: text("inside.raw") },
      ]}
    >
      {tab === "overview" ? (
        <Overview answer={answer} model={model} />
      ) : trace === undefined ? (
        <NoTrace answer={answer} onAgain={() => onAgain(stored)} />
      ) : tab === "tokens" ? (
        <TokenView trace={trace} selected={selected} onSelect={setSelected} />
      ) : tab === "experts" ? (
        <Experts trace={trace} architecture={model?.mimo} selected={selected} onSelect={setSelected} />
      ) : (
        <Raw trace={trace} />
      )}
    </Tabs>
  );
}

function NoTrace({ answer, onAgain }: { readonly answer: Answer; readonly onAgain: () => void }) {
  const text = useText();
  if (answer.status === "streaming" && isRecording()) return <p className="prose-note">{text("answer.waiting")}</p>;
  return (
    <div className="stack no-trace">
      <p className="prose-note">{text("inside.no-trace")}</p>
      <Button
        icon={<RefreshCw />}
        disabled={answer.status === "streaming"}
        onClick={() => {
          setRecording(true);
          onAgain();
        }}
      >
        {text("inside.again")}
      </Button>
    </div>
  );
}

export interface TraceProps {
  readonly trace: Trace;
  /** Number of the token that is looked at. */
  readonly selected: number | undefined;
  readonly onSelect: (token: number | undefined) => void;
}
