// A Mermaid diagram, drawn when its reader asks for it.
//
// It is shown as an image, in which nothing runs and nothing can be clicked, whatever the diagram says.

import mermaid from "mermaid";
import { useEffect, useState } from "react";
import { useText } from "../i18n/i18n.ts";
import { useIsDark } from "../ui/theme.ts";

/** What a diagram may not set for itself. */
const SECURE = [
  "secure",
  "securityLevel",
  "startOnLoad",
  "maxTextSize",
  "maxEdges",
  "suppressErrorRendering",
  "htmlLabels",
  "flowchart",
  "themeCSS",
  "dompurifyConfig",
] as const;

let numDrawn = 0;

interface Drawing {
  readonly url: string;
  readonly width: number;
}

export default function Diagram({ source }: { readonly source: string }) {
  const text = useText();
  const isDark = useIsDark();
  const [drawing, setDrawing] = useState<Drawing | Error>();
  useEffect(() => {
    let isGone = false;
    let url: string | undefined;
    void draw(source, isDark).then(
      (made) => {
        if (isGone) URL.revokeObjectURL(made.url);
        else setDrawing(made);
        ({ url } = made);
      },
      (error: unknown) => setDrawing(error instanceof Error ? error : new Error(String(error))),
    );
    return () => {
      isGone = true;
      if (url !== undefined) URL.revokeObjectURL(url);
    };
  }, [source, isDark]);
  if (drawing === undefined) return null;
  if (drawing instanceof Error)
    return (
      <p className="diagram-error" role="alert">
        {text("code.no-drawing")} {drawing.message}
      </p>
    );
  return (
    <div className="diagram">
      <img src={drawing.url} width={drawing.width} alt={text("code.diagram")} />
    </div>
  );
}

async function draw(source: string, isDark: boolean): Promise<Drawing> {
  mermaid.initialize({
    startOnLoad: false,
    securityLevel: "strict",
    theme: isDark ? "dark" : "neutral",
    fontFamily: "system-ui, sans-serif",
    suppressErrorRendering: true,
    // Labels are measured in the page itself: as text of a drawing, they are no elements of it.
    htmlLabels: false,
    flowchart: { htmlLabels: false },
    secure: [...SECURE],
  });
  const { svg } = await mermaid.render(`diagram-${numDrawn++}`, source);
  const [, width = "600"] = /viewBox="[-\d.]+ [-\d.]+ ([\d.]+)/.exec(svg) ?? [];
  const sized = svg.replace(/<svg([^>]*?) width="100%"/, `<svg$1 width="${width}"`);
  return { url: URL.createObjectURL(new Blob([sized], { type: "image/svg+xml" })), width: Number(width) };
}
