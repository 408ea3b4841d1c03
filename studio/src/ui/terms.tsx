// Terms and what they amount to: facts in columns, or figures in tiles.

export interface Term {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
}

export function Terms({ kind, terms }: { readonly kind: "facts" | "tiles"; readonly terms: readonly Term[] }) {
  return (
    <dl className={`terms is-${kind}`}>
      {terms.map(({ name, value, unit }) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>
            {value}
            {unit !== undefined && <span>{unit}</span>}
          </dd>
        </div>
      ))}
    </dl>
  );
}
