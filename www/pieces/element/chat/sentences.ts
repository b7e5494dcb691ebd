/** A reply as a screen reader is to hear it: whole sentences, without the marks of Markdown, and of code that it is there. */

const FENCE = /^ {0,3}(?:`{3,}|~{3,})/;

/** Marks at the beginning of a line, and those within it. */
const LEADING = /^\s*(?:#{1,6}\s+|>\s?|[-*+]\s+(?:\[[ xX]\]\s+)?|\|)/;
const MARKS = /\*\*|__|~~|[*`]/g;
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
    this.#rest += text;
    const out: string[] = [];
    for (;;) {
      const end = this.#rest.indexOf("\n");
      if (end < 0) break;
      out.push(...this.#line(this.#rest.slice(0, end)));
      this.#rest = this.#rest.slice(end + 1);
    }
    // Of a line that goes on, all sentences but the last; a fence is told by its beginning.
    if (!this.#inCode && !/^\s*[`~]/.test(this.#rest)) {
      const parts = Array.from(this.#segmenter.segment(this.#rest), ({ segment }) => segment);
      for (const part of parts.slice(0, -1)) {
        out.push(...plain(part));
        this.#rest = this.#rest.slice(part.length);
      }
    }
    return out;
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
