// A block of code: its language, copy, download, wrap; colours once it is complete; pages and diagrams can be shown.

import { Check, Copy, Download, Play, WrapText } from "lucide-react";
import { lazy, Suspense, useEffect, useState } from "react";
import { useArtifacts } from "./artifacts.ts";
import { Button, IconButton } from "../ui/button.tsx";
import { copyText, downloadText } from "../ui/files.ts";
import { useText } from "../i18n/i18n.ts";

const Diagram = lazy(() => import("./diagram.tsx"));

/** Colours of more than this would take longer than a frame. */
const MAX_COLOURED = 60_000;
const PAGE = /^(?:html?|svg|xhtml)$/;

export interface CodeBlockProps {
  readonly code: string;
  readonly language: string;
  /** Whether more of it is to come. */
  readonly isOpen: boolean;
}

export function CodeBlock({ code, language, isOpen }: CodeBlockProps) {
  const text = useText();
  const name = language.trim().split(/\s+/, 1)[0]!.toLowerCase();
  const [isWrapped, setWrapped] = useState(false);
  const [isDrawn, setDrawn] = useState(false);
  const openArtifact = useArtifacts();
  const isPage = PAGE.test(name) || /^\s*<!doctype html/i.test(code);
  return (
    <figure className="code">
      <figcaption>
        <span>{name === "" ? text("code.plain") : name}</span>
        {isPage && !isOpen && openArtifact !== undefined && (
          <Button size="small" kind="quiet" icon={<Play />} onClick={() => openArtifact(code)}>
            {text("code.show")}
          </Button>
        )}
        {name === "mermaid" && !isOpen && (
          <Button size="small" kind="quiet" icon={<Play />} aria-pressed={isDrawn} onClick={() => setDrawn(!isDrawn)}>
            {text(isDrawn ? "code.source" : "code.draw")}
          </Button>
        )}
        <IconButton
          size="small"
          label={text("code.wrap")}
          icon={<WrapText />}
          isOn={isWrapped}
          onClick={() => setWrapped(!isWrapped)}
        />
        <IconButton
          size="small"
          label={text("code.download")}
          icon={<Download />}
          onClick={() => downloadText(fileName(name, isPage), code)}
        />
        <CopyButton source={code} />
      </figcaption>
      {isDrawn ? (
        <Suspense fallback={null}>
          <Diagram source={code} />
        </Suspense>
      ) : (
        <pre className={isWrapped ? "is-wrapped" : undefined} tabIndex={0}>
          <Coloured code={code} language={isPage && name === "svg" ? "xml" : name} isOpen={isOpen} />
        </pre>
      )}
    </figure>
  );
}

function Coloured({ code, language, isOpen }: CodeBlockProps) {
  const [html, setHtml] = useState<string>();
  const isColoured = !isOpen && language !== "" && code.length <= MAX_COLOURED;
  useEffect(() => {
    setHtml(undefined);
    if (!isColoured) return;
    let isGone = false;
    void import("./highlight.ts").then(({ highlight }) => {
      if (!isGone) setHtml(highlight(code, language));
    });
    return () => {
      isGone = true;
    };
  }, [code, language, isColoured]);
  return html === undefined ? <code>{code}</code> : <code dangerouslySetInnerHTML={{ __html: html }} />;
}

export function CopyButton({ source }: { readonly source: string }) {
  const text = useText();
  const [isCopied, setCopied] = useState(false);
  const copy = async (): Promise<void> => {
    if (!(await copyText(source))) return;
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return (
    <IconButton
      size="small"
      label={text(isCopied ? "common.copied" : "common.copy")}
      icon={isCopied ? <Check /> : <Copy />}
      onClick={() => void copy()}
    />
  );
}

const ENDINGS: Readonly<Record<string, string>> = {
  javascript: "js",
  typescript: "ts",
  python: "py",
  rust: "rs",
  markdown: "md",
  bash: "sh",
  shell: "sh",
  csharp: "cs",
  kotlin: "kt",
  ruby: "rb",
  mermaid: "mmd",
};

function fileName(language: string, isPage: boolean): string {
  const ending = ENDINGS[language] ?? (/^\w{1,8}$/.test(language) ? language : isPage ? "html" : "txt");
  return `code.${ending}`;
}
