/**
 * A text of Markdown that grows, block by block. A block is closed when nothing that may follow changes it; only what is
 * behind the last closed one is read again, so that a step takes as long as the last block, not as the text.
 */
import type { Token } from "marked";
import { type Branch, code, lex, type Node, nodesOf } from "./nodes.js";

/** Characters of a block: one that is longer goes on as another, so that no step is long. */
const LONGEST = 8_000;

const FENCE = /^ {0,3}(`{3,}|~{3,})([^`\n]*)\n/;

export interface Step {
  /** Closed now: they stay as they are. */
  closed: Node[];
  /** What may change yet; ends the text. */
  open: Node[];
  /** Whether there is more that can be closed. */
  more: boolean;
}

export class Blocks {
  /** What is behind the last closed block. */
  #tail = "";

  add(text: string): void {
    this.#tail += text;
  }

  /** Closes what can be closed of the next few thousand characters; `ended`: no text follows. */
  step(ended = false): Step {
    const tail = this.#tail.replace(/^(?:[ \t]*\n)+/, "");
    const fence = FENCE.exec(tail);
    if (fence) return this.#code(tail, fence, ended);
    const isCut = tail.length > LONGEST;
    const read = isCut ? tail.slice(0, LONGEST) : tail;
    const tokens = lex(read);
    const closed = ended && !isCut ? tokens.length : closable(tokens, read);
    if (closed === 0 && isCut) return this.#cut(tail, tokens[0]!.type);
    // Code has its own way, also where all of it is there.
    const fenced = tokens.findIndex(({ type, raw }, i) => i > 0 && type === "code" && FENCE.test(raw));
    const count = fenced > 0 ? Math.min(closed, fenced) : closed;
    const done = tokens.slice(0, count);
    const length = done.reduce((sum, { raw }) => sum + raw.length, 0);
    this.#tail = tail.slice(length);
    const more = isCut || count < closed || startsFence(this.#tail);
    return { closed: nodesOf(done), open: more ? [] : nodesOf(tokens.slice(count)), more };
  }

  /** A block of code ends at its fence, wherever that is: its text is not read, so it may be of any length. */
  #code(tail: string, [opening, mark, info]: RegExpExecArray, ended: boolean): Step {
    const [char, most] = [mark![0], mark!.length];
    const end = new RegExp(`^ {0,3}\\${char}{${most},}[ \\t]*(?:\\n|$)`, "m").exec(tail.slice(opening!.length));
    const rest = tail.slice(opening!.length);
    const indent = /^ */.exec(opening!)![0].length;
    const block = (text: string): Branch =>
      code(indent ? text.replace(new RegExp(`^ {1,${indent}}`, "gm"), "") : text, info!);
    // A line that may go on is no end of it yet.
    const isEnd = end && (ended || end[0].endsWith("\n"));
    if (isEnd) {
      this.#tail = rest.slice(end.index + end[0].length);
      return { closed: [block(rest.slice(0, end.index).replace(/\n$/, ""))], open: [], more: this.#tail !== "" };
    }
    if (ended) this.#tail = "";
    const shown = block((end ? rest.slice(0, end.index) : rest).replace(/\n$/, ""));
    return ended ? { closed: [shown], open: [], more: false } : { closed: [], open: [shown], more: false };
  }

  /** A block without end is cut at a line that is not within another, at any line, or else between words. */
  #cut(tail: string, type: string): Step {
    const [top, line, word] = [/\n(?=\S)/g, /\n/g, / /g].map((pattern) => lastEnd(pattern, tail.slice(0, LONGEST)));
    const at = [top!, line!, word!].find((at) => at > LONGEST / 2) ?? LONGEST;
    // What goes on a table has its head again, unless that is so long that nothing would be gained.
    const head = type === "table" ? (/^.*\n.*\n/.exec(tail)?.[0] ?? "") : "";
    this.#tail = (head.length < LONGEST / 4 ? head : "") + tail.slice(at);
    return { closed: nodesOf(lex(tail.slice(0, at))), open: [], more: true };
  }
}

/** Where the last match ends. */
function lastEnd(pattern: RegExp, text: string): number {
  let end = 0;
  for (const {
    index,
    0: { length },
  } of text.matchAll(pattern))
    end = index + length;
  return end;
}

/** Code that is to be read as such: it is the first of what is left. */
const startsFence = (tail: string) => FENCE.test(tail.replace(/^(?:[ \t]*\n)+/, ""));

/** How many tokens are closed: behind them is another whose first line is whole. */
function closable(tokens: readonly Token[], tail: string): number {
  let count = 0;
  let at = 0;
  for (const [i, { type, raw }] of tokens.entries()) {
    if (type !== "space" && tail.indexOf("\n", at) >= 0) count = i;
    at += raw.length;
  }
  return count;
}

/** All of a text at once. */
export function blocksOf(text: string): Node[] {
  const blocks = new Blocks();
  blocks.add(text);
  const nodes: Node[] = [];
  for (;;) {
    const { closed, more } = blocks.step(true);
    nodes.push(...closed);
    if (!more) return nodes;
  }
}
