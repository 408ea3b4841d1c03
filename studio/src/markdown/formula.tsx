// A formula, set by KaTeX: loaded when the first one is drawn.

import "katex/dist/katex.min.css";
import katex from "katex";
import { useLayoutEffect, useRef } from "react";

/** What a formula may not do: run, load, or grow without end. */
const OPTIONS = { throwOnError: false, trust: false, strict: "ignore", maxExpand: 500, maxSize: 20 } as const;

export default function Formula({ source, isDisplay }: { readonly source: string; readonly isDisplay: boolean }) {
  const element = useRef<HTMLSpanElement>(null);
  useLayoutEffect(() => {
    if (element.current === null) return;
    try {
      katex.render(source, element.current, { ...OPTIONS, displayMode: isDisplay });
    } catch {
      element.current.textContent = source;
    }
  }, [source, isDisplay]);
  return <span ref={element} className={isDisplay ? "formula is-display" : "formula"} />;
}
