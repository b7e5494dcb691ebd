/** A reply as a screen reader is to hear it: whole sentences, without the marks of Markdown, and of code that it is there. */

const FENCE = /^ {0,3}(?:`{3,}|~{3,})/;

/** Marks at the beginning of a line, and those within it. */
const LEADING = /^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+(?:\[[ xX]\]\s+)?|\|)/;
const MARKS = /\*\*|__|~~|[*`]/g;
/** Letters of a line after which it is told in parts, whether there is an end of a sentence or not. */
const MOST = 1000;

const LINK = /!?\[([^\]]*)\]\([^)\s]*\)/g;

export class Sentences {
  #segmenter: Intl.Segmenter;
  #code: string;
  /** What has not been given yet. */
  #rest = "";
  #inCode = false;

  /** `code` is said in the place of a block of it. */
  constructor(lang: string, code: string) {
    this.#segmenter = new Intl.Segmenter(lang, { granularity: "sentence" });
    this.#code = code;
  }

  /** The sentences that are whole now. */
  add(text: string): string[] {
    const out: string[] = [];
    for (const part of text.match(/\n|[^\n]{1,1000}/g) ?? []) {
      if (part !== "\n") this.#rest += part;
      if (part === "\n" || this.#rest.length > MOST) out.push(...this.#cut(part === "\n"));
    }
    // Of a line that goes on, all sentences but the last; a fence is told by its beginning.
    if (!this.#inCode && !/^\s*[`~]/.test(this.#rest) && /\p{STerm}/u.test(this.#rest)) {
      const parts = Array.from(this.#segmenter.segment(this.#rest), ({ segment }) => segment);
      for (const part of parts.slice(0, -1)) {
        out.push(...plain(part));
        this.#rest = this.#rest.slice(part.length);
      }
    }
    return out;
  }

  /** A line that has ended, or is too long to be kept whole: of that the last word stays. */
  #cut(isWhole: boolean): string[] {
    const rest = this.#rest;
    const at = isWhole ? rest.length : rest.lastIndexOf(" ", MOST) + 1 || MOST;
    // What begins a line tells a fence; the rest of a line of code does not matter.
    this.#rest = this.#inCode && !isWhole ? rest.slice(0, 8) : rest.slice(at);
    return this.#inCode && !isWhole ? [] : this.#line(rest.slice(0, at));
  }

  /** What is left at the end. */
  end(): string[] {
    const rest = this.#line(this.#rest);
    this.#rest = "";
    return rest;
  }

  #line(line: string): string[] {
    if (FENCE.test(line)) {
      this.#inCode = !this.#inCode;
      return this.#inCode ? [this.#code] : [];
    }
    if (this.#inCode) return [];
    return Array.from(this.#segmenter.segment(line), ({ segment }) => plain(segment)).flat();
  }
}

function plain(sentence: string): string[] {
  const text = sentence
    .replace(LEADING, "")
    .replace(LINK, "$1")
    .replace(MARKS, "")
    .replaceAll("|", " ")
    .replace(/\s+/g, " ")
    .trim();
  return /[\p{L}\p{N}]/u.test(text) ? [text] : [];
}
