/** Where mathematics stands in a text: `$…$`, `\(…\)`, and in blocks `$$…$$`, `\[…\]`. */
import type { TokenizerAndRendererExtension } from "marked";

/** As Pandoc has it: no space inside of a dollar, no digit behind the second, so that prices stay text. */
const INLINE = [/^\$(?=[^\s$])((?:\\.|[^\\$\n])*?[^\s\\$]|[^\s\\$])\$(?![\d$])/, /^\\\(([^\n]+?)\\\)/];

/** One that has not ended goes on to the end of the text, as fences do: so what streams in looks the same as the whole. */
const BLOCK = [
  /^ {0,3}\$\$[ \t]*\n([\s\S]*?)(?:\n? {0,3}\$\$[ \t]*(?:\n|$)|$)/,
  /^ {0,3}\$\$([^\n]+?)\$\$[ \t]*(?:\n|$)/,
  /^ {0,3}\\\[[ \t]*\n([\s\S]*?)(?:\n? {0,3}\\\][ \t]*(?:\n|$)|$)/,
  /^ {0,3}\\\[([^\n]+?)\\\][ \t]*(?:\n|$)/,
];

export interface MathToken {
  type: "math";
  raw: string;
  text: string;
  display: boolean;
}

function first(patterns: readonly RegExp[], text: string, display: boolean): MathToken | undefined {
  for (const pattern of patterns) {
    const found = pattern.exec(text);
    if (found) return { type: "math", raw: found[0], text: found[1]!.trim(), display };
  }
  return undefined;
}

function start(pattern: RegExp, text: string): number | undefined {
  const at = text.search(pattern);
  return at < 0 ? undefined : at;
}

export const MATH: TokenizerAndRendererExtension[] = [
  {
    name: "mathBlock",
    level: "block",
    start: (text: string) => start(/(?<=\n) {0,3}(?:\$\$|\\\[)/, text),
    tokenizer: (text: string) => first(BLOCK, text, true),
  },
  {
    name: "math",
    level: "inline",
    start: (text: string) => start(/\$|\\\(/, text),
    tokenizer: (text: string) => first(INLINE, text, false),
  },
];
