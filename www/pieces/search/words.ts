/** Which texts hold the words of a query: BM25, by the library MiniSearch. */
import MiniSearch from "minisearch";

interface Indexed {
  id: string;
  text: string;
}

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** What is longer is no word, and comparing it with others takes time and memory by the square of its length. */
const LONGEST = 64;
/** So many words of a query find what is like them, too. */
const MANY = 32;
/** Some browsers copy the whole text for each word of it: they get a piece at a time, cut before a blank if there is one. */
const PIECES = /[\s\S]{1,2000}(?!\S)|[\s\S]{1,2000}/g;

/** Words as Unicode has them, so that languages without blanks have some too. */
function wordsOf(text: string): string[] {
  const whole = text.normalize("NFKC");
  const words = segmenter
    ? Array.from(whole.matchAll(PIECES)).flatMap(([piece]) =>
        Array.from(segmenter.segment(piece), ({ isWordLike, segment }) => (isWordLike ? segment : "")),
      )
    : whole.split(/[^\p{L}\p{N}\p{M}]+/u);
  return words.filter(Boolean).map((word) => word.slice(0, LONGEST));
}

const OPTIONS = { fields: ["text"], tokenize: wordsOf, processTerm: (term: string) => term.toLowerCase() };

export class Words {
  #index = new MiniSearch<Indexed>(OPTIONS);

  add(id: string, text: string): void {
    this.#index.add({ id, text });
  }

  /** The text is what was added: so nothing of it is left, at once. */
  remove(id: string, text: string): void {
    this.#index.remove({ id, text });
  }

  /** The texts that fit best, with their scores; words may go on behind what the query has, or have a letter wrong. */
  find(query: string, limit: number, keeps?: (id: string) => boolean): { id: string; score: number }[] {
    const filter = keeps && { filter: ({ id }: { id: string }) => keeps(id) };
    const found = this.#index.search(query, {
      prefix: (term, place) => place < MANY && term.length > 3,
      fuzzy: (_term, place) => place < MANY && 0.1,
      ...filter,
    });
    return found.slice(0, limit).map(({ id, score }) => ({ id: id as string, score }));
  }
}
