// A page that the model wrote, shown beside the conversation, with its earlier versions.
//
// It runs in a document of no origin and no network (`public/artifact.html` and the headers that the server gives it),
// and in a frame that may run scripts and nothing else. Stop takes the frame away, whatever runs in it.

import { ChevronLeft, ChevronRight, Download, RotateCw, Square, X } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { useText } from "../i18n/i18n.ts";
import { CodeBlock, CopyButton } from "../markdown/code-block.tsx";
import { IconButton } from "../ui/button.tsx";
import { downloadText } from "../ui/files.ts";
import { Tabs } from "../ui/tabs.tsx";

export interface ArtifactPanelProps {
  /** Pages of the conversation, the oldest first. */
  readonly versions: readonly string[];
  readonly at: number;
  readonly onChoose: (at: number) => void;
  readonly onClose: () => void;
}

export function ArtifactPanel({ versions, at, onChoose, onClose }: ArtifactPanelProps) {
  const text = useText();
  const [tab, setTab] = useState<"preview" | "code">("preview");
  const [run, setRun] = useState(0);
  const [isStopped, setStopped] = useState(false);
  const code = versions[at] ?? "";
  useEffect(() => setStopped(false), [code, run]);
  return (
    <aside className="panel is-wide" aria-label={text("artifact.title")}>
      <header className="panel-head">
        <h2>{text("artifact.title")}</h2>
        {versions.length > 1 && (
          <span
            className="versions"
            role="group"
            aria-label={text("artifact.version", { at: at + 1, n: versions.length })}
          >
            <IconButton
              size="small"
              label={text("message.previous")}
              icon={<ChevronLeft />}
              disabled={at === 0}
              onClick={() => onChoose(at - 1)}
            />
            <span>
              {at + 1}/{versions.length}
            </span>
            <IconButton
              size="small"
              label={text("message.next")}
              icon={<ChevronRight />}
              disabled={at === versions.length - 1}
              onClick={() => onChoose(at + 1)}
            />
          </span>
        )}
        <span className="spring" />
        <IconButton
          label={text("artifact.stop")}
          icon={<Square />}
          disabled={isStopped}
          onClick={() => setStopped(true)}
        />
        <IconButton label={text("artifact.reload")} icon={<RotateCw />} onClick={() => setRun(run + 1)} />
        <IconButton
          label={text("code.download")}
          icon={<Download />}
          onClick={() => downloadText("page.html", code, "text/html")}
        />
        <CopyButton source={code} />
        <IconButton label={text("common.close")} icon={<X />} onClick={onClose} />
      </header>
      <div className="panel-body artifact">
        <Tabs
          label={text("artifact.title")}
          value={tab}
          onChange={setTab}
          tabs={[
            { value: "preview", label: text("artifact.preview") },
            { value: "code", label: text("artifact.code") },
          ]}
        >
          {tab === "code" ? (
            <CodeBlock code={code} language="html" isOpen={false} />
          ) : isStopped ? (
            <p className="prose-note">{text("artifact.stopped")}</p>
          ) : (
            <>
              <Frame key={`${at} ${run}`} code={code} label={text("artifact.frame")} />
              <p className="field-note">{text("artifact.note")}</p>
            </>
          )}
        </Tabs>
      </div>
    </aside>
  );
}

function Frame({ code, label }: { readonly code: string; readonly label: string }) {
  const frame = useRef<HTMLIFrameElement>(null);
  useEffect(() => {
    let isHanded = false;
    const hand = ({ source, data }: MessageEvent): void => {
      if (isHanded || source === null || source !== frame.current?.contentWindow || data !== "ready") return;
      isHanded = true;
      // Its origin is opaque, so there is no name to send to.
      frame.current.contentWindow.postMessage(documentOf(code), "*");
    };
    addEventListener("message", hand);
    return () => removeEventListener("message", hand);
  }, [code]);
  return <iframe ref={frame} className="artifact-frame" title={label} src="/artifact.html" sandbox="allow-scripts" />;
}

function documentOf(code: string): string {
  return /^\s*<svg[\s>]/i.test(code) ? `<!doctype html><body style="margin:0">${code}</body>` : code;
}
