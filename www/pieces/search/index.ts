/**
 * Search in texts of one's own, by meaning and by words, in the tab:
 *
 *     const search = await createSearch({ model });
 *     await search.add([{ id: "a", text: "The first text." }]);
 *     const [best] = await search.find("Which is first?");
 */
import { type Model, SottoError } from "sotto";
import { type Held, modelOf } from "../shared/held.js";
import { stoppable } from "../shared/signal.js";
import * as kept from "./kept.js";
import { MOST, Vectors } from "./vectors.js";
import { Words } from "./words.js";

export type { Held } from "../shared/held.js";

export interface Document<Data = unknown> {
  /** Its name; a document of the same name takes its place. */
  id: string;
  text: string;
  /** What it means, if that is known already; else the model says it. */
  vector?: ArrayLike<number>;
  /** The page's own, which a search that is kept wants as JSON. */
  data?: Data;
}

export interface Hit<Data = unknown> {
  id: string;
  text: string;
  data?: Data;
  /** What the hits are ordered by: the reranker's score, or `1 / (60 + place)` by meaning and by words, added up. */
  score: number;
  /** The cosine of the query's and the text's vector, if the text was among the first by meaning. */
  similarity?: number;
}

export interface SearchOptions {
  /** Makes vectors of texts: one that embeds. Without it texts are found by words, and by vectors that the page gives. */
  model?: Held;
  /** What the model wants before a query and before a document, as its page tells: `query: ` and `passage: ` for E5. */
  prompts?: { query?: string; document?: string };
  /** Scores texts for a query: one that reranks. `find` asks it where it is told to. */
  reranker?: Held;
  /** What the search is called in the origin's private files. What was kept under it is there again. */
  name?: string;
}

export interface AddOptions {
  signal?: AbortSignal;
  /** How many of them are in so far. */
  onProgress?: (done: number, total: number) => void;
}

export interface FindOptions<Data = unknown> {
  /** Hits at most, up to 1024. By default 10. */
  limit?: number;
  /** By which it is searched. By default by both, where both are there. */
  by?: "both" | "meaning" | "words";
  /** Only documents that this is true of. */
  where?: (document: Omit<Document<Data>, "vector">) => boolean;
  /** The reranker scores so many of the first, which come in its order, before the others. By default none. */
  rerank?: number;
  signal?: AbortSignal;
}

/** A query as text, as its vector, or as both. */
export type Query = string | { text?: string; vector?: ArrayLike<number> };

interface Row<Data> {
  id: string;
  text: string;
  data?: Data | undefined;
  /** Its place among the vectors. */
  row?: number;
}

/** A text whose vector tells one model from another, and how like it has to be. Of one model in other types it is 0.9 and more. */
const PROBE = "A text that tells one model from another.";
const ALIKE = 0.8;
/** Texts that are given to the model at a time. */
const AT_A_TIME = 64;
/** Reciprocal rank fusion (Cormack, Clarke and Büttcher 2009): what is added to each place. */
const FUSION = 60;

const bad = (message: string) => new SottoError("bad_option", message);

export class Search<Data = unknown> {
  #options: SearchOptions;
  #documents = new Map<string, Row<Data>>();
  #words = new Words();
  #vectors: Vectors | undefined;
  /** Whose the vectors are, in their order. */
  #owners: string[] = [];
  #seen: kept.Seen = { mark: "" };
  /** The probe's vector by the model that made what was kept, until it is known to be this one. */
  #before: number[] | undefined;

  /** Use `createSearch`. */
  constructor(options: SearchOptions) {
    this.#options = options;
  }

  /** Documents in it. */
  get size(): number {
    return this.#documents.size;
  }

  /** Bytes that the vectors take. */
  get bytes(): number {
    return this.#vectors?.bytes ?? 0;
  }

  get(id: string): Omit<Document<Data>, "vector"> | undefined {
    const found = this.#documents.get(id);
    return found && shown(found);
  }

  /** Puts documents in. `bad_option` where one is none, or a vector does not fit; those before it are in. */
  async add(documents: readonly Document<Data>[], options: AddOptions = {}): Promise<void> {
    only("add", options, ["signal", "onProgress"]);
    const { signal, onProgress } = options;
    if (!Array.isArray(documents)) throw bad("add takes a list of documents.");
    const all: Document<Data>[] = documents.map((document) => read<Data>(document));
    for (let at = 0; at < all.length; at += AT_A_TIME) {
      signal?.throwIfAborted();
      const some = all.slice(at, at + AT_A_TIME);
      const vectors = await this.#vectorsOf(some, signal);
      for (const [i, document] of some.entries()) this.#put(document, vectors[i]);
      onProgress?.(Math.min(at + AT_A_TIME, all.length), all.length);
    }
  }

  /** Takes documents out; says how many of them were there. */
  remove(ids: string | Iterable<string>): number {
    const all = typeof ids === "string" ? [ids] : Object(ids)[Symbol.iterator] ? Array.from(ids) : [undefined];
    if (!all.every((id) => typeof id === "string")) throw bad("remove takes an id or a list of ids.");
    return all.filter((id) => this.#take(id)).length;
  }

  /** The documents that fit best, the best first. */
  async find(query: Query, options: FindOptions<Data> = {}): Promise<Hit<Data>[]> {
    only("find", options, ["limit", "by", "where", "rerank", "signal"]);
    const { limit = 10, by = "both", where, rerank = 0, signal } = options ?? {};
    whole("limit", limit, 1);
    whole("rerank", rerank, 0);
    if (!["both", "meaning", "words"].includes(by))
      throw bad(`by is ${given(by)}; it is "both", "meaning" or "words".`);
    const { text, vector } = typeof query === "string" ? { text: query, vector: undefined } : (query ?? {});
    if (vector) sureVector(vector);
    if (typeof text !== "string" && !vector) throw bad("A query has neither text nor vector; give it one.");
    if ((rerank || by === "words") && text === undefined)
      throw bad("Words and a reranker want the query's text; give it as well.");
    if (by === "meaning" && !vector && !this.#options.model)
      throw bad("A search by meaning wants a model, or the query's vector; give it one.");
    if (where && typeof where !== "function") throw bad("where is no function of a document.");
    signal?.throwIfAborted();
    const wanted = Math.min(MOST, Math.max(rerank, 2 * limit, 50));
    // Asked for before anything is found: whatever it does then, what is found is there.
    const compares = by !== "words" && this.#owners.length > 0;
    const near = compares ? (vector ?? (await this.#vectorOf(text!, signal))) : undefined;
    const allowed = where && this.#allowed(where);
    const keeps = allowed && ((id: string) => allowed.has(id));
    const scores = new Map<string, Hit<Data>>();
    const note = (id: string, place: number, more: Partial<Hit<Data>>) => {
      const hit = scores.get(id) ?? { ...shown(this.#documents.get(id)!), score: 0 };
      scores.set(id, { ...hit, ...more, score: hit.score + 1 / (FUSION + place + 1) });
    };
    if (near && this.#vectors) {
      const rows = this.#vectors.like(near, wanted, keeps && ((row) => keeps(this.#owners[row]!)));
      for (const [place, { row, similarity }] of rows.entries()) note(this.#owners[row]!, place, { similarity });
    }
    if (by !== "meaning" && text !== undefined)
      for (const [place, { id }] of this.#words.find(text, wanted, keeps).entries()) note(id, place, {});
    const hits = Array.from(scores.values()).sort((a, b) => b.score - a.score);
    if (!rerank) return hits.slice(0, limit);
    const first = await this.#reranked(text!, hits.slice(0, rerank), signal);
    return [...first, ...hits.slice(rerank)].slice(0, limit);
  }

  /** Keeps all of it under its name. `storage` where another tab has kept something there since it was read. */
  async save(): Promise<void> {
    const dimensions = this.#vectors?.dimensions ?? 0;
    const all = Array.from(this.#documents.values());
    const having = all.filter(({ row }) => row !== undefined);
    const vectors = new Float32Array(having.length * dimensions);
    for (const [i, { row }] of having.entries()) vectors.set(this.#vectors!.get(row!), i * dimensions);
    const documents = all.map((row) => ({ ...shown(row), vector: row.row !== undefined }));
    const probe = this.#before ?? (dimensions > 0 && this.#options.model ? await this.#probe(undefined) : undefined);
    await kept.write(this.#name(), { dimensions, documents, vectors, probe }, this.#seen);
  }

  /** Forgets what was kept; what is in it stays until the page goes. */
  async forget(): Promise<void> {
    await forgetSearch(this.#name());
  }

  /** Brings in what was kept, if anything was. */
  async restore(): Promise<void> {
    const found = await kept.read(this.#name());
    if (!found) return;
    const { dimensions, documents, vectors } = found;
    this.#before = found.probe;
    let at = 0;
    for (const { vector, ...document } of documents) {
      const own = vector ? vectors.subarray(at, at + dimensions) : undefined;
      if (vector) at += dimensions;
      try {
        this.#put(document as Document<Data>, own);
      } catch (thrown) {
        throw SottoError.from(thrown).code === "bad_option" ? kept.damaged(this.#name(), thrown) : thrown;
      }
    }
    this.#seen.mark = found.mark;
  }

  #name(): string {
    const { name } = this.#options;
    if (name === undefined) throw bad("A search without a name is not kept; give createSearch one.");
    return name;
  }

  /** What `where` is true of. */
  #allowed(where: (document: Omit<Document<Data>, "vector">) => boolean): Set<string> {
    const all = Array.from(this.#documents.values());
    const named = all.filter((document) => where(shown(document))).map(({ id }) => id);
    return new Set(named.filter((id) => this.#documents.has(id)));
  }

  #put({ id, text, data }: Document<Data>, vector: ArrayLike<number> | undefined): void {
    const document: Row<Data> = { id, text, ...(data !== undefined && { data }) };
    // First what may fail: then nothing is lost.
    if (vector) {
      // An empty one takes vectors of any length.
      const vectors = this.#vectors?.count ? this.#vectors : new Vectors(vector.length);
      vectors.push(vector);
      this.#vectors = vectors;
      document.row = this.#documents.get(id)?.row ?? this.#owners.length;
      this.#owners.push(id);
    }
    this.#take(id);
    this.#documents.set(id, document);
    this.#words.add(id, text);
  }

  #take(id: string): boolean {
    const document = this.#documents.get(id);
    if (!document) return false;
    this.#documents.delete(id);
    this.#words.remove(id, document.text);
    const { row } = document;
    if (row === undefined) return true;
    this.#vectors!.remove(row);
    const last = this.#owners.pop()!;
    if (row === this.#owners.length) return true;
    this.#owners[row] = last;
    const moved = this.#documents.get(last);
    if (moved) moved.row = row;
    return true;
  }

  async #vectorsOf(documents: readonly Document<Data>[], signal: AbortSignal | undefined) {
    const missing = documents.filter(({ vector }) => !vector);
    if (!this.#options.model || missing.length === 0) return documents.map(({ vector }) => vector);
    await this.#sure(signal);
    const texts = missing.map(({ text }) => text);
    const made = await embed(this.#options.model, texts, this.#options.prompts?.document, signal);
    if (made.length !== texts.length) throw bad(`The model gave ${made.length} vectors for ${texts.length} texts.`);
    let at = 0;
    return documents.map(({ vector }) => vector ?? made[at++]);
  }

  async #vectorOf(text: string, signal: AbortSignal | undefined) {
    const { model, prompts } = this.#options;
    await this.#sure(signal);
    return model && (await embed(model, [text], prompts?.query, signal))[0];
  }

  async #probe(signal: AbortSignal | undefined): Promise<number[]> {
    const [vector] = await embed(this.#options.model!, [PROBE], this.#options.prompts?.document, signal);
    return Array.from(vector!);
  }

  /** `bad_option` where what was kept is of another model: its vectors would be like those of this one by chance alone. */
  async #sure(signal: AbortSignal | undefined): Promise<void> {
    const before = this.#before;
    if (!before || !this.#options.model || this.#owners.length === 0) return;
    const now = await this.#probe(signal);
    const product = (a: number[], b: number[]) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
    const cosine = product(before, now) / Math.sqrt(product(before, before) * product(now, now));
    if (before.length !== now.length || !(cosine >= ALIKE))
      throw bad(`The search "${this.#name()}" was kept with another model or other prompts; take those, or forget it.`);
    this.#before = undefined;
  }

  async #reranked(query: string, hits: Hit<Data>[], signal: AbortSignal | undefined): Promise<Hit<Data>[]> {
    const { reranker } = this.#options;
    if (!reranker) throw bad("rerank wants a model that reranks; give createSearch one as reranker.");
    const model = await modelOf(reranker);
    const texts = hits.map(({ text }) => text);
    const ranked = await stoppable(signal, () => model.rerank(query, texts, { signal }));
    return ranked.map(({ index, score }) => ({ ...hits[index]!, score }));
  }
}

/** A search: empty, or with what was kept under its name. `storage` where that is damaged. */
export async function createSearch<Data = unknown>(options: SearchOptions = {}): Promise<Search<Data>> {
  only("createSearch", options, ["model", "prompts", "reranker", "name"]);
  only("prompts", options.prompts, ["query", "document"]);
  const search = new Search<Data>(options);
  if (options.name !== undefined) await search.restore();
  return search;
}

/** Removes what was kept under a name, damaged or not. */
export const forgetSearch = (name: string): Promise<void> => kept.remove(name);

async function embed(held: Held, texts: string[], prompt: string | undefined, signal: AbortSignal | undefined) {
  const model: Model = await modelOf(held);
  return stoppable(signal, () => model.embed(texts, { prompt, signal }));
}

const shown = <Data>({ id, text, data }: Row<Data>) => ({ id, text, ...(data !== undefined && { data }) });

/** A document as it is now. `bad_option` where it is none. */
function read<Data>(document: Document<Data>): Document<Data> {
  const { id, text, vector, data } = Object(document) as Document<Data>;
  if (typeof id !== "string" || typeof text !== "string")
    throw bad("A document has no text or no id; each is { id, text }, both strings.");
  if (vector) sureVector(vector);
  return { id, text, ...(vector && { vector }), ...(data !== undefined && { data }) };
}

/** What is like a list may change, or have a length that is none. `bad_option` for all but lists of finite numbers. */
function sureVector(vector: ArrayLike<number>): void {
  const list = Array.isArray(vector) || (ArrayBuffer.isView(vector) && !(vector instanceof DataView));
  if (!list || !Array.from(vector).every(Number.isFinite))
    throw bad("A vector is no list, or holds what is no number; give a list of finite numbers or a Float32Array.");
}

/** `bad_option` for a member that is not among these. */
function only(what: string, options: object | null | undefined, known: string[]): void {
  const other = Object.keys(options ?? {}).find((name) => !known.includes(name));
  if (other !== undefined) throw bad(`${what} has no "${other}"; it takes ${known.join(", ")}.`);
}

/** A wrong value in a message. */
function given(value: unknown): string {
  if (typeof value === "string") return JSON.stringify(value);
  return Object(value) === value ? "no plain value" : String(value);
}

function whole(name: string, value: number, least: number): void {
  if (!(Number.isInteger(value) && value >= least && value <= MOST))
    throw bad(`${name} is ${given(value)}; it is a whole number from ${least} to ${MOST}.`);
}
