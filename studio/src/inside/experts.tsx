// Which experts an answer was routed to: a heat map of layers and experts, of the whole answer or of one of its tokens,
// and the same as a table.

import { useMemo } from "react";
import { percent, visible } from "./figures.tsx";
import { countRoutes, expertsOf, type LayerLoad } from "./load.ts";
import type { TraceProps } from "./panel.tsx";
import type { ModelDetails } from "../api/models.ts";
import { useText } from "../i18n/i18n.ts";
import { Field } from "../ui/field.tsx";
import { HeatMap } from "../ui/heat-map.tsx";

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
      <ExpertMap
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

interface ExpertMapProps extends LoadsProps {
  /** Experts of one token, by layer. */
  readonly marked: readonly (readonly number[])[] | undefined;
}

/** Each layer in shares of its busiest expert. */
function ExpertMap({ loads, layerNumbers, marked }: ExpertMapProps) {
  const text = useText();
  const rows = useMemo(
    () =>
      loads.map(({ shares }) => {
        const most = Math.max(...shares);
        return shares.map((share) => (most === 0 ? 0 : share / most));
      }),
    [loads],
  );
  return (
    <HeatMap
      rows={rows}
      label={summaryOf(loads, layerNumbers, text)}
      ends={[text("experts.expert", { n: 0 }), String((rows[0]?.length ?? 0) - 1)]}
      describe={(row, expert) =>
        text("experts.cell", {
          layer: layerNumbers[row] ?? row,
          expert,
          share: percent(loads[row]!.shares[expert]!, 1),
        })
      }
      marked={marked}
    />
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
