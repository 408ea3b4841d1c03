// Markdown drawn with elements of the page: never HTML of the text's, no image from elsewhere, links to the web only.

import type { Token, Tokens } from "marked";
import { Fragment, lazy, memo, type ReactNode, Suspense, useRef } from "react";
import remend from "remend";
import { type Block, BlockSplitter } from "./blocks.ts";
import { CodeBlock } from "./code-block.tsx";
import { marked, type MathToken } from "./lexer.ts";

const Formula = lazy(() => import("./formula.tsx"));

const WEB = /^(?:https?:|mailto:)/i;
const OWN_IMAGE = /^data:image\/(?:png|jpeg|gif|webp);base64,/i;

/** Blocks that are looked at and laid out at once: a text may have thousands, and grows at its end. */
const PART = 32;

export interface MarkdownProps {
  readonly source: string;
  /** Whether more is to come. */
  readonly isGrowing?: boolean;
}

export function Markdown({ source, isGrowing = false }: MarkdownProps) {
  const splitter = useRef<BlockSplitter>(undefined);
  splitter.current ??= new BlockSplitter();
  const blocks = splitter.current.split(source);
  return (
    <div className={blocks.length > PART ? "prose is-long" : "prose"}>
      {partsOf(blocks).map((part, i, { length }) => (
        <Part key={part[0]!.start} blocks={part} isOpen={isGrowing && i === length - 1} />
      ))}
    </div>
  );
}

function partsOf(blocks: readonly Block[]): readonly (readonly Block[])[] {
  return Array.from({ length: Math.ceil(blocks.length / PART) }, (_, i) => blocks.slice(i * PART, (i + 1) * PART));
}

const Part = memo(
  function Part({ blocks, isOpen }: { readonly blocks: readonly Block[]; readonly isOpen: boolean }) {
    return (
      <div className="prose-part">
        {blocks.map((block, i) => (
          <BlockView key={block.start} block={block} isOpen={isOpen && i === blocks.length - 1} />
        ))}
      </div>
    );
  },
  (a, b) =>
    a.isOpen === b.isOpen && a.blocks.length === b.blocks.length && a.blocks.every((block, i) => block === b.blocks[i]),
);

const BlockView = memo(
  function BlockView({ block, isOpen }: { readonly block: Block; readonly isOpen: boolean }) {
    const raw = isOpen ? closed(block.raw) : block.raw;
    return marked.lexer(raw).map((token, i) => <Fragment key={i}>{drawBlock(token, isOpen)}</Fragment>);
  },
  (a, b) => a.block.raw === b.block.raw && a.isOpen === b.isOpen,
);

/** Half-written emphasis, links and code are closed, so that nothing flickers as they are completed. */
function closed(raw: string): string {
  return /^ {0,3}(?:```|~~~|\$\$)/.test(raw)
    ? raw
    : remend(raw, { linkMode: "text-only", images: false, htmlTags: false });
}

function drawBlock(token: Token, isOpen: boolean): ReactNode {
  switch (token.type) {
    case "space":
    case "def":
      return null;
    case "hr":
      return <hr />;
    case "heading": {
      const { depth, tokens } = token as Tokens.Heading;
      // The page has a heading of its own.
      const Heading = `h${Math.min(6, depth + 1)}` as "h2";
      return <Heading data-depth={depth}>{drawInline(tokens)}</Heading>;
    }
    case "paragraph":
      return <p>{drawInline((token as Tokens.Paragraph).tokens)}</p>;
    case "code": {
      const { text, lang, raw } = token as Tokens.Code;
      return <CodeBlock code={text} language={lang ?? ""} isOpen={isOpen && !isFenceClosed(raw)} />;
    }
    case "blockquote":
      return <blockquote>{drawBlocks((token as Tokens.Blockquote).tokens, isOpen)}</blockquote>;
    case "list":
      return drawList(token as Tokens.List, isOpen);
    case "table":
      return drawTable(token as Tokens.Table);
    case "math":
      return drawFormula(token as unknown as MathToken);
    case "html":
      return <p className="as-text">{token.raw.trim()}</p>;
    case "text": {
      const { tokens, text } = token as Tokens.Text;
      return tokens === undefined ? decodeEntities(text) : drawInline(tokens);
    }
    default:
      return token.raw;
  }
}

function drawBlocks(tokens: readonly Token[], isOpen: boolean): ReactNode {
  return tokens.map((token, i) => <Fragment key={i}>{drawBlock(token, isOpen && i === tokens.length - 1)}</Fragment>);
}

function isFenceClosed(raw: string): boolean {
  const [, fence] = /^ {0,3}(`{3,}|~{3,})/.exec(raw) ?? [];
  // Indented code has no fence.
  return fence === undefined || new RegExp(`\\n {0,3}${fence[0]}{${fence.length},}\\s*$`).test(raw);
}

function drawList({ ordered, start, items }: Tokens.List, isOpen: boolean): ReactNode {
  const rows = items.map((item, i) => (
    <li key={i} className={item.task ? "task" : undefined}>
      {item.task && <input type="checkbox" checked={item.checked === true} disabled aria-label={item.text} />}
      {drawBlocks(
        item.tokens.filter((token) => token.type !== "checkbox"),
        isOpen && i === items.length - 1,
      )}
    </li>
  ));
  return ordered ? <ol start={start === "" ? 1 : start}>{rows}</ol> : <ul>{rows}</ul>;
}

function drawTable({ header, rows }: Tokens.Table): ReactNode {
  const cell = ({ tokens, align }: Tokens.TableCell, i: number, Cell: "th" | "td"): ReactNode => (
    <Cell key={i} data-align={align ?? undefined}>
      {drawInline(tokens)}
    </Cell>
  );
  return (
    <div className="table-frame" tabIndex={0} role="group">
      <table>
        <thead>
          <tr>{header.map((one, i) => cell(one, i, "th"))}</tr>
        </thead>
        <tbody>
          {rows.map((row, i) => (
            <tr key={i}>{row.map((one, j) => cell(one, j, "td"))}</tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function drawInline(tokens: readonly Token[] | undefined): ReactNode {
  return tokens?.map((token, i) => <Fragment key={i}>{drawSpan(token)}</Fragment>);
}

function drawSpan(token: Token): ReactNode {
  switch (token.type) {
    case "strong":
      return <strong>{drawInline((token as Tokens.Strong).tokens)}</strong>;
    case "em":
      return <em>{drawInline((token as Tokens.Em).tokens)}</em>;
    case "del":
      return <del>{drawInline((token as Tokens.Del).tokens)}</del>;
    case "codespan":
      return <code>{(token as Tokens.Codespan).text}</code>;
    case "br":
      return <br />;
    case "link":
      return drawLink(token as Tokens.Link);
    case "image":
      return drawImage(token as Tokens.Image);
    case "math":
      return drawFormula(token as unknown as MathToken);
    case "html":
      return /^<br\s*\/?>$/i.test(token.raw) ? <br /> : token.raw;
    case "text":
      return decodeEntities((token as Tokens.Text).text);
    case "escape":
      return (token as Tokens.Escape).text;
    default:
      return token.raw;
  }
}

function drawLink({ href, tokens, title }: Tokens.Link): ReactNode {
  if (!WEB.test(href)) return <span title={href}>{drawInline(tokens)}</span>;
  return (
    <a href={href} title={title ?? undefined} target="_blank" rel="noopener noreferrer nofollow">
      {drawInline(tokens)}
    </a>
  );
}

/** An address of an image can tell its owner what was said here, so it is loaded only by a reader who follows it. */
function drawImage({ href, text }: Tokens.Image): ReactNode {
  if (OWN_IMAGE.test(href)) return <img src={href} alt={text} />;
  if (!WEB.test(href)) return text;
  return (
    <a className="image-link" href={href} target="_blank" rel="noopener noreferrer nofollow">
      {text === "" ? href : text}
    </a>
  );
}

function drawFormula({ text, isDisplay }: MathToken): ReactNode {
  return (
    <Suspense fallback={<code>{text}</code>}>
      <Formula source={text} isDisplay={isDisplay} />
    </Suspense>
  );
}

const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  times: "×",
  copy: "©",
};

function decodeEntities(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(
    /&(?:#(\d{1,7})|#x([\da-f]{1,6})|(\w{2,8}));/gi,
    (whole, decimal?: string, hex?: string, name?: string) => {
      if (name !== undefined) return ENTITIES[name] ?? whole;
      const code = decimal === undefined ? parseInt(hex ?? "", 16) : Number(decimal);
      return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
    },
  );
}
