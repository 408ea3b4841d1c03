// What the server measures (`/metrics`, in the text format of Prometheus), and what two measurements tell together.

/** Values by name; of labels, only the limit of a bucket is looked at. */
export interface Measurement {
  /** In milliseconds. */
  readonly time: number;
  readonly values: ReadonlyMap<string, number>;
  readonly histograms: ReadonlyMap<string, Histogram>;
}

export interface Histogram {
  readonly sum: number;
  readonly count: number;
  /** Counts of values up to a limit, by limits in ascending order. */
  readonly buckets: readonly (readonly [limit: number, count: number])[];
}

const PREFIX = "mimo:";
const LINE = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;

export function parseMetrics(text: string, time: number): Measurement {
  const values = new Map<string, number>();
  const buckets = new Map<string, [number, number][]>();
  for (const line of text.split("\n")) {
    const [, fullName, labels = "", value] = LINE.exec(line) ?? [];
    // The rest of the same under another name, and comments.
    if (fullName === undefined || fullName.startsWith("vllm:")) continue;
    const name = fullName.replace(PREFIX, "");
    const limit = /(?:^|,)le="([^"]*)"/.exec(labels)?.[1];
    if (limit === undefined) values.set(name, (values.get(name) ?? 0) + Number(value));
    else {
      const base = name.replace(/_bucket$/, "");
      const known = buckets.get(base) ?? [];
      known.push([limit === "+Inf" ? Infinity : Number(limit), Number(value)]);
      buckets.set(base, known);
    }
  }
  const histograms = new Map(
    [...buckets].map(([name, limits]) => [
      name,
      { sum: values.get(`${name}_sum`) ?? 0, count: values.get(`${name}_count`) ?? 0, buckets: limits },
    ]),
  );
  return { time, values, histograms };
}

export function valueOf({ values }: Measurement, name: string): number {
  return values.get(name) ?? 0;
}

/** How much a counter grew; what it is, where it began anew. */
export function growth(from: Measurement, to: Measurement, name: string): number {
  const [before, after] = [valueOf(from, name), valueOf(to, name)];
  return after < before ? after : after - before;
}

/** NaN where no time went by. */
export function perSecond(from: Measurement, to: Measurement, name: string): number {
  return (1000 * growth(from, to, name)) / (to.time - from.time);
}

/** A share such as that of accepted drafts; NaN where there was nothing to share. */
export function share(from: Measurement, to: Measurement, part: string, whole: string): number {
  return growth(from, to, part) / growth(from, to, whole);
}

/** Tokens of a step of decoding: those that were drafted and held, and one. NaN without any. */
export function acceptLength(from: Measurement, to: Measurement): number {
  const tokens = growth(from, to, "generation_tokens_total");
  const accepted = growth(from, to, "spec_decode_num_accepted_tokens_total");
  return tokens / (tokens - accepted);
}

/** Of all values since the server began. */
export function histogramOf({ histograms }: Measurement, name: string): Histogram {
  return histograms.get(name) ?? { sum: 0, count: 0, buckets: [] };
}

/** What a share of all values is at most, as far as buckets can tell; NaN where they cannot. */
export function limitOf({ buckets, count }: Histogram, part: number): number {
  const [limit] = buckets.find(([, upTo]) => upTo >= part * count) ?? [Infinity];
  return count === 0 || limit === Infinity ? Number.NaN : limit;
}
