/**
 * Markdown's tokens as plain data that becomes nodes of the page. Nothing of it is ever parsed as HTML, links lead to web
 * and mail addresses only, and images are links: a picture that a model asks for would be a request that tells of the chat.
 */
import { Marked, type Token, type Tokens } from "marked";
import { MATH, type MathToken } from "./math.js";

export type Node = string | Branch;

export interface Branch {
  tag: string;
  attrs?: Record<string, string>;
  children: Node[];
}

/** A block of code, which has a bar with its language. */
export const CODE = "code-block";
/** Mathematics: its only child is its source, `display` says whether it is a block. */
export const FORMULA = "formula";

const NONE = () => undefined;

/** HTML is text, and so are definitions of links, which would change what was written before them. */
const marked = new Marked({
  extensions: MATH,
  tokenizer: { html: NONE, tag: NONE, def: NONE },
});

export function lex(text: string): Token[] {
  try {
    return marked.lexer(text);
  } catch {
    // Quotes in quotes without end: the stack is full, so the text is shown as it is.
    return [{ type: "paragraph", raw: text, text, tokens: [{ type: "text", raw: text, text }] }];
  }
}

const ENTITIES: Record<string, string> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  nbsp: "\u00a0",
  copy: "©",
  hellip: "…",
  mdash: "—",
  ndash: "–",
  times: "×",
  deg: "°",
  rarr: "→",
  larr: "←",
  euro: "€",
};

/** Characters that are written as HTML writes them. */
function decoded(text: string): string {
  if (!text.includes("&")) return text;
  return text.replace(/&(?:#(\d{1,7})|#[xX]([\da-fA-F]{1,6})|([a-z]{2,6}));/g, (whole, decimal, hex, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = decimal ? Number(decimal) : Number.parseInt(hex, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : "\ufffd";
  });
}

const branch = (tag: string, children: Node[], attrs?: Record<string, string>): Branch =>
  attrs ? { tag, attrs, children } : { tag, children };

/** Tokens nest no deeper than this in what is shown. */
const DEEPEST = 24;

export function nodesOf(tokens: readonly Token[] | undefined, depth = 0): Node[] {
  const nodes: Node[] = [];
  for (const token of tokens ?? []) {
    const made = depth > DEEPEST ? [token.raw] : nodesOfToken(token, depth + 1);
    for (const node of made) {
      const last = nodes.length - 1;
      if (typeof node === "string" && typeof nodes[last] === "string") nodes[last] += node;
      else if (node !== "") nodes.push(node);
    }
  }
  return nodes;
}

type Make<T> = (token: T, depth: number) => Node[];

/** By the kind of the token. */
const MAKE: Record<string, Make<never>> = {
  space: () => [],
  hr: () => [branch("hr", [])],
  br: () => [branch("br", [])],
  paragraph: ({ tokens }: Tokens.Paragraph, depth) => [branch("p", nodesOf(tokens, depth))],
  heading: ({ tokens, depth: level }: Tokens.Heading, depth) => [
    // The page's own headings come first.
    branch(`h${Math.min(6, Math.max(3, level + 1))}`, nodesOf(tokens, depth)),
  ],
  blockquote: ({ tokens }: Tokens.Blockquote, depth) => [branch("blockquote", nodesOf(tokens, depth))],
  code: ({ text, lang }: Tokens.Code) => [code(text, lang ?? "")],
  list: list as Make<never>,
  table: table as Make<never>,
  text: ({ tokens, text }: Tokens.Text, depth) => (tokens ? nodesOf(tokens, depth) : [decoded(text)]),
  escape: ({ text }: Tokens.Escape) => [text],
  strong: ({ tokens }: Tokens.Strong, depth) => [branch("strong", nodesOf(tokens, depth))],
  em: ({ tokens }: Tokens.Em, depth) => [branch("em", nodesOf(tokens, depth))],
  del: ({ tokens }: Tokens.Del, depth) => [branch("del", nodesOf(tokens, depth))],
  codespan: ({ text }: Tokens.Codespan) => [branch("code", [text])],
  link: ({ href, tokens, raw }: Tokens.Link, depth) => link(href, nodesOf(tokens, depth), raw),
  image: ({ href, text, raw }: Tokens.Image) => link(href, [text || href], raw),
  math: formula as Make<never>,
  checkbox: () => [],
};

function nodesOfToken(token: Token, depth: number): Node[] {
  return (MAKE[token.type] as Make<Token> | undefined)?.(token, depth) ?? [token.raw];
}

export const code = (text: string, info: string): Branch =>
  branch(CODE, [text], { language: info.trim().split(/\s/)[0]!.slice(0, 40) });

function formula({ text, display }: MathToken): Node[] {
  return [branch(FORMULA, [text], { display: String(display) })];
}

function link(href: string, children: Node[], raw: string): Node[] {
  const address = decoded(href);
  if (!/^(?:https?:\/\/|mailto:)/i.test(address)) return [raw];
  return [branch("a", children, { href: address, target: "_blank", rel: "noopener noreferrer nofollow" })];
}

function list({ ordered, start, items }: Tokens.List, depth: number): Node[] {
  const made = items.map(({ tokens, task, checked }) => {
    const children = nodesOf(tokens, depth);
    if (!task) return branch("li", children);
    const label = textOf(children).trim().slice(0, 100);
    const box = branch("input", [], {
      type: "checkbox",
      disabled: "",
      "aria-label": label,
      ...(checked && { checked: "" }),
    });
    return branch("li", [box, " ", ...children], { class: "task" });
  });
  return [branch(ordered ? "ol" : "ul", made, ordered && start !== 1 ? { start: String(start) } : undefined)];
}

function table({ header, rows, align }: Tokens.Table, depth: number): Node[] {
  const row = (cells: Tokens.TableCell[], tag: string) =>
    branch(
      "tr",
      cells.map(({ tokens }, i) => branch(tag, nodesOf(tokens, depth), align[i] ? { class: align[i] } : undefined)),
    );
  const body = rows.map((cells) => row(cells, "td"));
  const whole = branch("table", [branch("thead", [row(header, "th")]), branch("tbody", body)]);
  return [branch("div", [whole], { class: "table", tabindex: "0" })];
}

/** The words of nodes, without their form. */
export function textOf(nodes: readonly Node[]): string {
  return nodes.map((node) => (typeof node === "string" ? node : textOf(node.children))).join("");
}
