/**
 * The little Markdown that models write, as data and then as DOM nodes. Nothing is ever parsed as
 * HTML: text goes in through text nodes alone, and links are http(s) only.
 */

export type Inline =
  | { kind: "text"; text: string }
  | { kind: "code"; text: string }
  | { kind: "strong" | "em" | "del"; children: Inline[] }
  | { kind: "link"; href: string; children: Inline[] }
  | { kind: "br" };

export type Block =
  | { kind: "p"; children: Inline[] }
  | { kind: "heading"; level: number; children: Inline[] }
  | { kind: "code"; language: string; text: string }
  | { kind: "quote"; blocks: Block[] }
  | { kind: "list"; ordered: boolean; start: number; items: Block[][] }
  | { kind: "rule" };

/** Quotes and lists nest no deeper: a model may write any number of `>`. */
const MAX_DEPTH = 6;

const FENCE = /^\s{0,3}(`{3,}|~{3,})\s*([\w+#.-]*)/;
const HEADING = /^\s{0,3}(#{1,6})\s+(.*?)\s*#*$/;
const RULE = /^\s{0,3}([-*_])(\s*\1){2,}\s*$/;
const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+/;
const QUOTE = /^\s{0,3}>\s?/;

export function parse(text: string, depth = 0): Block[] {
  const lines = text.split("\n");
  const blocks: Block[] = [];
  let paragraph: string[] = [];
  const flush = () => {
    if (paragraph.length > 0) blocks.push({ kind: "p", children: inline(paragraph.join("\n").trim()) });
    paragraph = [];
  };
  for (let at = 0; at < lines.length; ) {
    const line = lines[at]!;
    const fence = FENCE.exec(line);
    const heading = HEADING.exec(line);
    if (fence) {
      flush();
      const end = lines.findIndex((l, i) => i > at && l.trim().startsWith(fence[1]!));
      const stop = end < 0 ? lines.length : end;
      blocks.push({ kind: "code", language: fence[2]!, text: lines.slice(at + 1, stop).join("\n") });
      at = stop + 1;
    } else if (line.trim() === "") {
      flush();
      at++;
    } else if (heading) {
      flush();
      blocks.push({ kind: "heading", level: heading[1]!.length, children: inline(heading[2]!) });
      at++;
    } else if (RULE.test(line)) {
      flush();
      blocks.push({ kind: "rule" });
      at++;
    } else if (QUOTE.test(line) && depth < MAX_DEPTH) {
      flush();
      const from = at;
      while (at < lines.length && QUOTE.test(lines[at]!)) at++;
      const quoted = lines.slice(from, at).map((l) => l.replace(QUOTE, ""));
      blocks.push({ kind: "quote", blocks: parse(quoted.join("\n"), depth + 1) });
    } else if (ITEM.test(line) && depth < MAX_DEPTH) {
      flush();
      const { list, next } = parseList(lines, at, depth);
      blocks.push(list);
      at = next;
    } else {
      paragraph.push(line);
      at++;
    }
  }
  flush();
  return blocks;
}

/** The list that starts at `at`: its items hold what is indented deeper than their marker. */
function parseList(lines: string[], at: number, depth: number): { list: Block; next: number } {
  const first = ITEM.exec(lines[at]!)!;
  const indent = first[1]!.length;
  const ordered = /\d/.test(first[2]!);
  const items: string[][] = [];
  let next = at;
  for (; next < lines.length; next++) {
    const line = lines[next]!;
    const item = ITEM.exec(line);
    const column = line.search(/\S/);
    if (item && item[1]!.length <= indent + 1) {
      if (item[1]!.length < indent || /\d/.test(item[2]!) !== ordered) break;
      items.push([line.slice(item[0].length)]);
    } else if (column < 0) {
      // A blank line belongs to the list if the list goes on after it.
      const after = lines.slice(next).find((l) => l.trim() !== "");
      if (after === undefined || (after.search(/\S/) <= indent && !ITEM.test(after))) break;
      items.at(-1)!.push("");
    } else if (column > indent || items.at(-1)!.at(-1) !== "") {
      items.at(-1)!.push(line.slice(Math.min(column, indent + first[2]!.length + 1)));
    } else break;
  }
  const start = ordered ? Number.parseInt(first[2]!, 10) : 1;
  return {
    list: { kind: "list", ordered, start, items: items.map((item) => parse(item.join("\n"), depth + 1)) },
    next,
  };
}

/** Tried in this order at each place; group 1 is what lies inside. */
const SPANS: [kind: "code" | "strong" | "em" | "del" | "link", pattern: RegExp][] = [
  ["code", /^(`+)(?!`)([\s\S]*?[^`])\1(?!`)/],
  ["strong", /^\*\*(?=\S)([\s\S]{0,2000}?\S)\*\*/],
  ["strong", /^__(?=\S)([\s\S]{0,2000}?\S)__(?!\w)/],
  ["del", /^~~(?=\S)([\s\S]{0,2000}?\S)~~/],
  ["em", /^\*(?=[^\s*])([^*]{0,2000}?[^\s*])\*(?!\*)/],
  ["em", /^_(?=[^\s_])([^_]{0,2000}?[^\s_])_(?!\w)/],
  ["link", /^\[([^[\]]{1,500})\]\((https?:\/\/[^\s()]{1,2000})\)/],
];

function inline(text: string, depth = 0): Inline[] {
  const out: Inline[] = [];
  let plain = "";
  const flush = () => {
    if (plain) out.push({ kind: "text", text: plain });
    plain = "";
  };
  for (let at = 0; at < text.length; ) {
    const char = text[at]!;
    if (char === "\n") {
      flush();
      out.push({ kind: "br" });
      at++;
      continue;
    }
    const span = depth < MAX_DEPTH && "`*_~[".includes(char) ? match(text, at) : undefined;
    if (!span) {
      const escaped = char === "\\" && /[\\`*_~[\]#>.()-]/.test(text[at + 1] ?? "");
      plain += escaped ? text[at + 1] : char;
      at += escaped ? 2 : 1;
      continue;
    }
    flush();
    const { kind, groups } = span;
    if (kind === "code") out.push({ kind, text: groups[2]!.trim() });
    else if (kind === "link") out.push({ kind, href: groups[2]!, children: inline(groups[1]!, depth + 1) });
    else out.push({ kind, children: inline(groups[1]!, depth + 1) });
    at += groups[0].length;
  }
  flush();
  return out;
}

function match(text: string, at: number): { kind: (typeof SPANS)[number][0]; groups: RegExpExecArray } | undefined {
  // snake_case is no emphasis.
  if (text[at] === "_" && /\w/.test(text[at - 1] ?? "")) return undefined;
  const rest = text.slice(at, at + 4096);
  for (const [kind, pattern] of SPANS) {
    const groups = pattern.exec(rest);
    if (groups) return { kind, groups };
  }
  return undefined;
}

/** The nodes of a text. */
export function render(text: string): DocumentFragment {
  return blockNodes(parse(text));
}

function blockNodes(blocks: Block[]): DocumentFragment {
  const out = document.createDocumentFragment();
  for (const block of blocks) out.append(blockNode(block));
  return out;
}

function element(name: string, ...children: (Node | string)[]): HTMLElement {
  const node = document.createElement(name);
  node.append(...children);
  return node;
}

function blockNode(block: Block): HTMLElement {
  switch (block.kind) {
    case "p":
      return element("p", inlineNodes(block.children));
    case "heading":
      // The page's own headings are levels 1 and 2.
      return element(`h${Math.min(block.level + 2, 6)}`, inlineNodes(block.children));
    case "rule":
      return element("hr");
    case "quote":
      return element("blockquote", blockNodes(block.blocks));
    case "code": {
      const pre = element("pre", element("code", block.text));
      pre.tabIndex = 0;
      if (block.language) pre.dataset.language = block.language;
      return pre;
    }
    case "list": {
      const list = element(block.ordered ? "ol" : "ul");
      if (block.ordered) (list as HTMLOListElement).start = block.start;
      for (const item of block.items) {
        const only = item.length === 1 && item[0]!.kind === "p" ? item[0]! : undefined;
        list.append(element("li", only?.kind === "p" ? inlineNodes(only.children) : blockNodes(item)));
      }
      return list;
    }
  }
}

function inlineNodes(spans: Inline[]): DocumentFragment {
  const out = document.createDocumentFragment();
  for (const span of spans) {
    if (span.kind === "text") out.append(span.text);
    else if (span.kind === "code") out.append(element("code", span.text));
    else if (span.kind === "br") out.append(element("br"));
    else if (span.kind === "link") {
      const link = element("a", inlineNodes(span.children)) as HTMLAnchorElement;
      link.href = span.href;
      link.target = "_blank";
      link.rel = "noopener noreferrer nofollow";
      out.append(link);
    } else out.append(element(span.kind, inlineNodes(span.children)));
  }
  return out;
}
