// The prompt as the model got it and the output as it wrote it, special tokens spelled out.

import { MARKERS, type Trace } from "./trace.ts";
import { useText } from "../i18n/i18n.ts";
import { CopyButton } from "../markdown/code-block.tsx";

export function Raw({ trace: { prompt, steps, numTokens } }: { readonly trace: Trace }) {
  const text = useText();
  const output = steps.flatMap(({ tokens }) => tokens).join("");
  return (
    <div className="stack">
      {prompt !== undefined && (
        <RawText title={text("raw.prompt")} note={text("raw.tokens", { n: prompt.tokens })} source={prompt.text} />
      )}
      <RawText title={text("raw.output")} note={text("raw.tokens", { n: numTokens })} source={output} />
    </div>
  );
}

interface RawTextProps {
  readonly title: string;
  readonly note: string;
  readonly source: string;
}

function RawText({ title, note, source }: RawTextProps) {
  return (
    <section className="raw" aria-label={title}>
      <header>
        <h3>{title}</h3>
        <span className="field-note">{note}</span>
        <CopyButton source={source} />
      </header>
      <pre className="source" tabIndex={0}>
        {source.split(MARKERS).map((part, i) =>
          // Every second part is what the pattern found.
          i % 2 === 1 ? <mark key={i}>{part}</mark> : part,
        )}
      </pre>
    </section>
  );
}
