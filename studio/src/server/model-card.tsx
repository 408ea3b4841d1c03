// The model: whether it is loaded, and how it is built.

import { useCallback } from "react";
import { requestJson } from "../api/client.ts";
import { type ModelDetails, type ModelInfo, useModel } from "../api/models.ts";
import { usePolled } from "../api/polled.ts";
import { formatNumber, useText } from "../i18n/i18n.ts";
import { formatBytes, formatCount } from "../ui/format.ts";
import { Terms } from "../ui/terms.tsx";

const VERSION_MS = 3000;

export function ModelCard() {
  const text = useText();
  const { status: found, model } = useModel();
  const readVersion = useCallback(
    (signal: AbortSignal) => requestJson<{ readonly version: string }>("/version", { signal }),
    [],
  );
  const { value, error } = usePolled(readVersion, VERSION_MS);
  // A server that was there may have gone.
  const status = error === undefined ? found : "offline";
  return (
    <section className="card" aria-labelledby="model-title">
      <div className="card-head">
        <h2 id="model-title">{model?.id ?? text("server.model")}</h2>
        <span className={`state is-${status}`} role="status">
          {text(status === "ready" ? "server.ready" : `model.${status}`)}
        </span>
        <span className="card-note">{value === undefined ? "" : `mimo-flash ${value.version}`}</span>
      </div>
      {model !== undefined && <Facts model={model} />}
      {model?.mimo !== undefined && <LayerStrip layers={model.mimo.layers} />}
    </section>
  );
}

function Facts({ model }: { readonly model: ModelInfo }) {
  const text = useText();
  const { meta, mimo, context_length: context } = model;
  const tokens = (n: number): string => text("server.tokens", { n });
  const facts: readonly (readonly [label: string, value: string])[] = [
    [text("server.context"), tokens(context)],
    [text("server.trained-context"), tokens(meta.n_ctx_train)],
    [text("server.layers"), mimo === undefined ? formatNumber(meta.n_layer) : layerText(text, mimo)],
    ...(mimo === undefined ? [] : detailFacts(text, mimo)),
    [text("server.heads"), formatNumber(meta.n_mtp_heads)],
    [text("server.hidden"), formatNumber(meta.n_embd)],
    [text("server.vocabulary"), formatCount(meta.n_vocab)],
    [text("server.backend"), meta.backend],
  ];
  return <Terms kind="facts" terms={facts.map(([name, value]) => ({ name, value }))} />;
}

type Text = ReturnType<typeof useText>;

function layerText(text: Text, { layers }: ModelDetails): string {
  const global = layers.filter(({ attention }) => attention === "global").length;
  return text("server.layer-kinds", { n: layers.length, global, sliding: layers.length - global });
}

function detailFacts(text: Text, { sliding_window, experts, kv }: ModelDetails) {
  return [
    [text("server.window"), text("server.tokens", { n: sliding_window })],
    [text("server.experts"), text("server.experts-of", { n: experts.per_token, total: experts.total })],
    [text("server.kv-global"), text("server.per-token", { bytes: formatBytes(kv.global_bytes_per_token) })],
    [text("server.kv-sliding"), text("server.per-sequence", { bytes: formatBytes(kv.sliding_bytes_per_sequence) })],
  ] as const;
}

/** The layers from the first to the last: what each attends to, and what is behind its attention. */
function LayerStrip({ layers }: Pick<ModelDetails, "layers">) {
  const text = useText();
  return (
    <div className="layers">
      <div
        className="layer-strip"
        role="img"
        aria-label={text("server.layer-order", { order: orderText(text, layers) })}
      >
        {layers.map(({ attention, feed_forward }, i) => (
          <span
            key={i}
            className={`layer is-${attention} has-${feed_forward}`}
            title={text("server.layer-title", {
              n: i + 1,
              attention: text(`server.${attention}`),
              feedForward: text(`server.${feed_forward}`),
            })}
          />
        ))}
      </div>
      <ul className="layer-key" aria-hidden="true">
        <li>
          <span className="layer is-global" /> {text("server.global")}
        </li>
        <li>
          <span className="layer is-sliding" /> {text("server.sliding")}
        </li>
        {layers.some(({ feed_forward }) => feed_forward === "dense") && (
          <li>
            <span className="layer has-dense" /> {text("server.dense")}
          </li>
        )}
      </ul>
    </div>
  );
}

function orderText(text: Text, layers: ModelDetails["layers"]): string {
  return layers.map(({ attention }) => text(`server.${attention}`)).join(", ");
}
