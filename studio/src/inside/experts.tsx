// Which experts an answer was routed to: a heat map of layers and experts, of the whole answer or of one of its tokens,
// and the same as a table.

import { type MouseEvent, useEffect, useMemo, useRef, useState } from "react";
import { percent, visible } from "./figures.tsx";
import { countRoutes, expertsOf, type LayerLoad } from "./load.ts";
import type { TraceProps } from "./panel.tsx";
import type { ModelDetails } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import { Field } from "../ui/field.tsx";
import { useIsDark } from "../ui/theme.ts";

export interface ExpertsProps extends TraceProps {
  readonly architecture: ModelDetails | undefined;
}

export function Experts({ trace, architecture, selected, onSelect }: ExpertsProps) {
  const text = useText();
  const { routes } = trace;
  const numExperts = architecture?.experts.total ?? 0;
  const layerNumbers = useMemo(() => routedLayers(architecture), [architecture]);
  const loads = useMemo(() => (routes === undefined ? [] : countRoutes(routes, numExperts)), [routes, numExperts]);
  if (routes === undefined || numExperts === 0) return <p className="prose-note">{text("experts.none")}</p>;
  const token = selected !== undefined && selected < routes.numTokens ? selected : undefined;
  return (
    <div className="stack">
      <Field
        label={text("experts.of")}
        aside={
          <output className="slider-value">
            {token === undefined ? (
              text("experts.all", { n: routes.numTokens })
            ) : (
              <code>{visible(tokenText(trace, token))}</code>
            )}
          </output>
        }
      >
        {(attributes) => (
          <input
            {...attributes}
            className="range"
            type="range"
            min={0}
            max={routes.numTokens}
            value={token === undefined ? 0 : token + 1}
            onChange={({ target }) => onSelect(Number(target.value) === 0 ? undefined : Number(target.value) - 1)}
          />
        )}
      </Field>
      <HeatMap
        loads={loads}
        layerNumbers={layerNumbers}
        marked={token === undefined ? undefined : expertsOf(routes, token)}
      />
      <LoadTable loads={loads} layerNumbers={layerNumbers} />
    </div>
  );
}

function routedLayers(architecture: ModelDetails | undefined): readonly number[] {
  return (architecture?.layers ?? []).flatMap((layer, i) => (layer.feed_forward === "experts" ? [i] : []));
}

function tokenText({ steps }: TraceProps["trace"], at: number): string {
  return steps.flatMap(({ tokens }) => tokens)[at] ?? "";
}

interface LoadsProps {
  readonly loads: readonly LayerLoad[];
  readonly layerNumbers: readonly number[];
}

interface HeatMapProps extends LoadsProps {
  /** Experts of one token, by layer. */
  readonly marked: readonly (readonly number[])[] | undefined;
}

const ROW = { min: 7, most: 18, all: 380 } as const;

function HeatMap({ loads, layerNumbers, marked }: HeatMapProps) {
  const text = useText();
  const canvas = useRef<HTMLCanvasElement>(null);
  const isDark = useIsDark();
  const [cell, setCell] = useState<{ readonly layer: number; readonly expert: number }>();
  const numExperts = loads[0]?.shares.length ?? 0;
  const rowHeight = Math.max(ROW.min, Math.min(ROW.most, Math.floor(ROW.all / loads.length)));
  useEffect(() => {
    const element = canvas.current;
    if (element === null) return;
    const redraw = (): void => draw(element, loads, marked);
    redraw();
    const observer = new ResizeObserver(redraw);
    observer.observe(element);
    return () => observer.disconnect();
  }, [loads, marked, isDark]);
  const point = ({ nativeEvent, currentTarget }: MouseEvent<HTMLCanvasElement>): void => {
    const layer = Math.floor((nativeEvent.offsetY / currentTarget.clientHeight) * loads.length);
    const expert = Math.floor((nativeEvent.offsetX / currentTarget.clientWidth) * numExperts);
    setCell(layer >= 0 && layer < loads.length && expert >= 0 && expert < numExperts ? { layer, expert } : undefined);
  };
  const summary = summaryOf(loads, layerNumbers, text);
  const share = cell === undefined ? undefined : loads[cell.layer]?.shares[cell.expert];
  return (
    <figure className="heat">
      <canvas
        ref={canvas}
        role="img"
        aria-label={summary}
        style={{ height: rowHeight * loads.length }}
        onMouseMove={point}
        onMouseLeave={() => setCell(undefined)}
      />
      <div className="heat-axis" aria-hidden="true">
        <span>{text("experts.expert", { n: 0 })}</span>
        <span>{numExperts - 1}</span>
      </div>
      <figcaption className="field-note">
        {cell === undefined || share === undefined
          ? summary
          : text("experts.cell", {
              layer: layerNumbers[cell.layer] ?? cell.layer,
              expert: cell.expert,
              share: percent(share, 1),
            })}
      </figcaption>
    </figure>
  );
}

function summaryOf(
  loads: readonly LayerLoad[],
  layerNumbers: readonly number[],
  text: ReturnType<typeof useText>,
): string {
  const peaks = loads.map(({ busiest }) => busiest[0]!);
  const at = peaks.reduce((best, { share }, i) => (share > peaks[best]!.share ? i : best), 0);
  return text("experts.summary", {
    layers: loads.length,
    layer: layerNumbers[at] ?? at,
    expert: peaks[at]!.expert,
    share: percent(peaks[at]!.share),
  });
}

/** Colours come from the style sheet, so that they follow the theme. */
function draw(canvas: HTMLCanvasElement, loads: readonly LayerLoad[], marked: HeatMapProps["marked"]): void {
  const scale = devicePixelRatio;
  const width = Math.round(canvas.clientWidth * scale);
  const height = Math.round(canvas.clientHeight * scale);
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d");
  const numExperts = loads[0]?.shares.length ?? 0;
  if (context === null || numExperts === 0) return;
  const { color, outlineColor } = getComputedStyle(canvas);
  const [cellWidth, cellHeight] = [width / numExperts, height / loads.length];
  // A gap that is wider than the cells would hide them.
  const gap = cellWidth > 4 * scale ? scale : 0;
  const rectangle = (layer: number, expert: number): [number, number, number, number] => {
    const [x, y] = [Math.round(expert * cellWidth), Math.round(layer * cellHeight)];
    return [x, y, Math.round((expert + 1) * cellWidth) - x - gap, Math.round((layer + 1) * cellHeight) - y - gap];
  };
  context.clearRect(0, 0, width, height);
  context.fillStyle = color;
  for (const [layer, { shares }] of loads.entries()) {
    const most = Math.max(...shares);
    for (const [expert, share] of shares.entries()) {
      context.globalAlpha = marked === undefined ? heat(share, most) : 0.25 * heat(share, most);
      context.fillRect(...rectangle(layer, expert));
    }
  }
  context.globalAlpha = 1;
  context.fillStyle = outlineColor;
  for (const [layer, experts] of (marked ?? []).entries())
    for (const expert of experts) context.fillRect(...rectangle(layer, expert));
}

/** Never quite nothing, so that the grid is seen. */
function heat(share: number, most: number): number {
  return most === 0 ? 0.04 : 0.04 + 0.96 * Math.sqrt(share / most);
}

function LoadTable({ loads, layerNumbers }: LoadsProps) {
  const text = useText();
  return (
    <details className="load-table">
      <summary>{text("experts.table")}</summary>
      <table>
        <thead>
          <tr>
            <th scope="col">{text("experts.layer")}</th>
            <th scope="col">{text("experts.used")}</th>
            <th scope="col">{text("experts.busiest")}</th>
            <th scope="col" title={text("experts.evenness-hint")}>
              {text("experts.evenness")}
            </th>
          </tr>
        </thead>
        <tbody>
          {loads.map(({ numUsed, busiest, evenness }, i) => (
            <tr key={i}>
              <th scope="row">{layerNumbers[i] ?? i}</th>
              <td>{numUsed}</td>
              <td>{busiest.map(({ expert, share }) => `${expert} (${percent(share)})`).join(", ")}</td>
              <td>{percent(evenness)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </details>
  );
}
