// An answer as the tokens that it was made of, coloured by what drafted them or by how likely they were, and one of them
// under the glass.
//
// The text is one stop of the keyboard, in which arrow keys go from token to token. It is drawn in pieces, so that a
// growing answer draws its last piece only.

import { type KeyboardEvent, memo, useEffect, useId, useRef, useState } from "react";
import { visible } from "./figures.tsx";
import { Glass } from "./glass.tsx";
import type { TraceProps } from "./panel.tsx";
import {
  entropyOf,
  MAX_TOKENS,
  type Odds,
  type Step,
  type TokenRange,
  tokensOf,
  type Trace,
  type TracedToken,
} from "./trace.ts";
import { useText } from "../i18n/i18n.ts";
import { Segments, Switch } from "../ui/field.tsx";
import "../styles/token-text.css";

type Colouring = "drafts" | "probability" | "entropy";

const PIECE = 48;

export function TokenView({ trace, selected, onSelect }: TraceProps) {
  const text = useText();
  const [colouring, setColouring] = useState<Colouring>("drafts");
  const [hasRejected, setHasRejected] = useState(true);
  const [hovered, setHovered] = useState<number>();
  return (
    <div className="token-view">
      <Segments
        label={text("tokens.colour")}
        value={colouring}
        onChange={setColouring}
        choices={[
          { value: "drafts", label: text("tokens.by-drafts") },
          { value: "probability", label: text("tokens.by-probability") },
          { value: "entropy", label: text("tokens.by-entropy") },
        ]}
      />
      <Legend trace={trace} colouring={colouring} />
      <Switch label={text("tokens.show-rejected")} isOn={hasRejected} onChange={setHasRejected} />
      <TokenText
        trace={trace}
        colouring={colouring}
        hasRejected={hasRejected}
        shown={{ from: 0, to: trace.numTokens }}
        selected={selected}
        onSelect={onSelect}
        onHover={setHovered}
      />
      {trace.numTokens >= MAX_TOKENS && <p className="field-note">{text("tokens.cut", { n: MAX_TOKENS })}</p>}
      <Glass trace={trace} at={hovered ?? selected} />
    </div>
  );
}

export function Legend({ trace, colouring }: { readonly trace: Trace; readonly colouring: Colouring }) {
  const text = useText();
  const numHeads = Math.max(0, ...trace.steps.map(({ drafted }) => drafted.length));
  const entries =
    colouring === "drafts"
      ? [
          { kind: "own", label: text("tokens.own") },
          ...Array.from({ length: numHeads }, (_, i) => ({
            kind: `head-${Math.min(i + 1, 3)}`,
            label: text("inside.head", { n: i + 1 }),
          })),
          { kind: "rejected", label: text("tokens.rejected") },
        ]
      : [0, 1, 2, 3, 4].map((level) => ({ kind: `level-${level}`, label: LEVELS[colouring][level]! }));
  return (
    <ul className="legend">
      {entries.map(({ kind, label }) => (
        <li key={kind}>
          <span className={`token is-${kind}`} aria-hidden="true">
            a
          </span>
          {label}
        </li>
      ))}
    </ul>
  );
}

/** Bounds between the levels, from sure to unsure. */
const BOUNDS = { probability: [0.9, 0.6, 0.3, 0.1], entropy: [0.25, 1, 2, 3.5] } as const;
const LEVELS = {
  probability: ["> 90 %", "> 60 %", "> 30 %", "> 10 %", "≤ 10 %"],
  entropy: ["< 0.25", "< 1", "< 2", "< 3.5", "≥ 3.5"],
} as const;

function levelOf(odds: Odds, colouring: "probability" | "entropy"): number {
  const value = colouring === "probability" ? Math.exp(odds.logprob) : entropyOf(odds);
  const level = BOUNDS[colouring].findIndex((bound) => (colouring === "probability" ? value > bound : value < bound));
  return level < 0 ? 4 : level;
}

interface TokenTextProps extends TraceProps {
  readonly colouring: Colouring;
  readonly hasRejected: boolean;
  readonly shown: TokenRange;
  readonly onHover?: (token: number | undefined) => void;
}

export function TokenText({ trace, colouring, hasRejected, shown, selected, onSelect, onHover }: TokenTextProps) {
  const text = useText();
  const id = useId();
  const pieces = usePieces(trace.steps);
  useEffect(() => {
    if (selected !== undefined) document.getElementById(`${id}-${selected}`)?.scrollIntoView({ block: "nearest" });
  }, [id, selected]);
  const numberOf = (target: EventTarget): number | undefined => {
    const token = target instanceof Element ? target.closest<HTMLElement>("[data-n]") : null;
    return token === null ? undefined : Number(token.dataset["n"]);
  };
  const move = (event: KeyboardEvent): void => {
    const last = shown.to - 1;
    const from = selected ?? shown.from - 1;
    const to = {
      ArrowRight: from + 1,
      ArrowLeft: from - 1,
      ArrowDown: from + 10,
      ArrowUp: from - 10,
      Home: shown.from,
      End: last,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    onSelect(Math.min(last, Math.max(shown.from, to)));
  };
  return (
    <div
      className="token-text"
      role="listbox"
      tabIndex={0}
      aria-label={text("inside.tokens")}
      aria-activedescendant={selected === undefined ? undefined : `${id}-${selected}`}
      onKeyDown={move}
      onClick={({ target }) => {
        const n = numberOf(target);
        if (n !== undefined) onSelect(n);
      }}
      onMouseOver={({ target }) => onHover?.(numberOf(target))}
      onMouseLeave={() => onHover?.(undefined)}
    >
      {pieces.map((piece, i) => (
        <Piece
          key={i}
          {...piece}
          id={id}
          trace={trace}
          colouring={colouring}
          hasRejected={hasRejected}
          start={Math.max(shown.from, piece.first)}
          end={Math.min(shown.to, pieces[i + 1]?.first ?? trace.numTokens)}
          selected={isWithin(selected, piece, pieces[i + 1]) ? selected : undefined}
        />
      ))}
    </div>
  );
}

interface PieceRange {
  /** Numbers of steps. */
  readonly from: number;
  readonly to: number;
  /** Number of the first token. */
  readonly first: number;
}

function isWithin(token: number | undefined, { first }: PieceRange, next: PieceRange | undefined): boolean {
  return token !== undefined && token >= first && (next === undefined || token < next.first);
}

/** Steps grow in place, so what is known of the earlier ones stays. */
function usePieces(steps: readonly Step[]): readonly PieceRange[] {
  const known = useRef<{ firsts: number[]; steps: readonly Step[] }>({ firsts: [0], steps });
  if (known.current.steps !== steps) known.current = { firsts: [0], steps };
  const { firsts } = known.current;
  for (let from = (firsts.length - 1) * PIECE; from + PIECE <= steps.length; from += PIECE)
    firsts.push(firsts.at(-1)! + steps.slice(from, from + PIECE).reduce((sum, { tokens }) => sum + tokens.length, 0));
  return firsts.map((first, i) => ({ from: i * PIECE, to: Math.min(steps.length, (i + 1) * PIECE), first }));
}

interface PieceProps extends PieceRange {
  readonly id: string;
  readonly trace: Trace;
  readonly colouring: Colouring;
  readonly hasRejected: boolean;
  /** Numbers of the first token that is shown, and of that behind the last. */
  readonly start: number;
  readonly end: number;
  /** Undefined where it is no token of this piece. */
  readonly selected: number | undefined;
}

const Piece = memo(
  function Piece({ id, trace, from, to, first, start, end, colouring, hasRejected, selected }: PieceProps) {
    const tokens = trace.steps.slice(from, to).flatMap(tokensOf);
    return (
      <span role="presentation">
        {tokens.slice(Math.max(0, start - first), Math.max(0, end - first)).map((token, i) => (
          <TokenSpan
            key={i}
            id={`${id}-${start + i}`}
            n={start + i}
            token={token}
            odds={trace.odds[start + i]}
            colouring={colouring}
            hasRejected={hasRejected}
            isSelected={selected === start + i}
          />
        ))}
      </span>
    );
  },
  (a, b) =>
    a.trace.steps === b.trace.steps &&
    a.to === b.to &&
    a.start === b.start &&
    a.end === b.end &&
    a.colouring === b.colouring &&
    a.hasRejected === b.hasRejected &&
    a.selected === b.selected,
);

interface TokenSpanProps {
  readonly id: string;
  readonly n: number;
  readonly token: TracedToken;
  readonly odds: Odds | undefined;
  readonly colouring: Colouring;
  readonly hasRejected: boolean;
  readonly isSelected: boolean;
}

function TokenSpan({ id, n, token, odds, colouring, hasRejected, isSelected }: TokenSpanProps) {
  const text = useText();
  const kind =
    colouring !== "drafts"
      ? odds === undefined
        ? "own"
        : `level-${levelOf(odds, colouring)}`
      : token.head === undefined
        ? "own"
        : `head-${Math.min(token.head, 3)}`;
  const origin = token.head === undefined ? text("tokens.own") : text("inside.head", { n: token.head });
  return (
    <>
      {hasRejected && token.rejected.length > 0 && (
        <span className="token is-rejected" aria-hidden="true">
          {token.rejected.map((draft) => draft.replaceAll("\n", "↵")).join("")}
        </span>
      )}
      <span
        id={id}
        data-n={n}
        role="option"
        aria-selected={isSelected}
        aria-label={`${visible(token.text)}, ${origin}`}
        className={`token is-${kind}`}
      >
        {token.text.includes("\n") ? token.text.replace(/\n/g, "↵\n") : token.text}
      </span>
    </>
  );
}
