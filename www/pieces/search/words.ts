/** Which texts hold the words of a query: BM25, by the library MiniSearch. */
import MiniSearch from "minisearch";

interface Indexed {
  id: string;
  text: string;
}

const segmenter = typeof Intl.Segmenter === "function" ? new Intl.Segmenter(undefined, { granularity: "word" }) : null;

/** Words as Unicode has them, so that languages without blanks have some too. */
function wordsOf(text: string): string[] {
  const whole = text.normalize("NFKC");
  if (!segmenter) return whole.split(/[^\p{L}\p{N}\p{M}]+/u).filter(Boolean);
  return Array.from(segmenter.segment(whole))
    .filter(({ isWordLike }) => isWordLike)
    .map(({ segment }) => segment);
}

const OPTIONS = { fields: ["text"], tokenize: wordsOf, processTerm: (term: string) => term.toLowerCase() };

export class Words {
  #index = new MiniSearch<Indexed>(OPTIONS);

  add(id: string, text: string): void {
    this.#index.add({ id, text });
  }

  remove(id: string): void {
    this.#index.discard(id);
  }

  /** The texts that fit best, with their scores; words may go on behind what the query has, or have a letter wrong. */
  find(query: string, limit: number, keeps?: (id: string) => boolean): { id: string; score: number }[] {
    const filter = keeps && { filter: ({ id }: { id: string }) => keeps(id) };
    const found = this.#index.search(query, { prefix: (term) => term.length > 3, fuzzy: 0.1, ...filter });
    return found.slice(0, limit).map(({ id, score }) => ({ id: id as string, score }));
  }
}
