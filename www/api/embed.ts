/** Vectors and scores of texts: the page's side of `model.embed`, `model.rerank`, `model.classify` and `model.embeddings`. */
import { readIds, readOptions, readText } from "./arguments.js";
import type { Caller } from "./caller.js";
import { bad, check, kind, reading, shown } from "../wire/check.js";
import type * as wire from "../wire/generated.js";
import type { EmbedInput, Loose, ModelInfo, PageOptions } from "../wire/protocol.js";

export interface EmbedOptions extends Loose<wire.EmbedOptions & Pick<PageOptions, "signal">> {}

/** What `model.rerank` and `model.classify` take. */
export interface ScoringOptions extends Loose<wire.ScoringOptions & Pick<PageOptions, "signal">> {}

/** A document, by its place in the list, and how well it answers the query: the higher the better. */
export interface Ranked {
  index: number;
  /** As the model gives it: any number. `1 / (1 + Math.exp(-score))` is between 0 and 1. */
  score: number;
}

/** What a text may be, and how likely: from 0 to 1. */
export interface Classified {
  label: string;
  score: number;
}

export interface FillOptions extends Loose<wire.FillOptions & Pick<PageOptions, "signal">> {}

/** A request as OpenAI's client writes it. */
export interface CreateEmbeddings {
  /** A text, several, a text's tokens, or those of several. */
  input: string | readonly string[] | readonly number[] | readonly (readonly number[])[];
  /** Not read: there is the one that is loaded. */
  model?: string | undefined;
  dimensions?: number | undefined;
  encoding_format?: "float" | "base64" | undefined;
  /** Not read. */
  user?: string | undefined;
}

export interface EmbeddingsResponse {
  object: "list";
  data: { object: "embedding"; index: number; embedding: number[] }[];
  model: string;
  usage: { prompt_tokens: number; total_tokens: number };
}

/** `model.embeddings`, as OpenAI's client has it. */
export interface Embeddings {
  create(request: CreateEmbeddings, options?: Omit<EmbedOptions, "dimensions">): Promise<EmbeddingsResponse>;
}

const WHAT = "The embedding";

export class Embedder {
  #connection: Pick<Caller, "call">;
  #info: ModelInfo;

  constructor(connection: Pick<Caller, "call">, info: ModelInfo) {
    this.#connection = connection;
    this.#info = info;
  }

  async embed(texts: readonly EmbedInput[], options: EmbedOptions | undefined): Promise<Vectors> {
    const { wire, page } = readOptions("embed", options);
    const { signal } = page;
    const args = { texts: [...texts], options: wire };
    const { dimensions, tokens, values } = await this.#connection.call("embed", args, { signal, what: WHAT });
    const whole = values.length === tokens.length * dimensions;
    let at = 0;
    const vectors = Array.from(tokens, (count) => {
      const start = at;
      at += dimensions * (whole ? 1 : count);
      return values.slice(start, at);
    });
    return { vectors, tokens: Array.from(tokens) };
  }

  async rerank(query: unknown, documents: unknown, options: ScoringOptions | undefined): Promise<Ranked[]> {
    const { wire, page } = readOptions("rerank", options);
    const args = { query: readText("query", query), texts: readTexts("documents", documents), options: wire };
    const scores = await this.#connection.call("scores", args, { signal: page.signal, what: "The ranking" });
    const ranked = scores.map(([score], index) => ({ index, score: score! }));
    return ranked.sort((a, b) => b.score - a.score);
  }

  async classify(texts: unknown, options: ScoringOptions | undefined): Promise<Classified[][]> {
    const { wire, page } = readOptions("classify", options);
    const args = { texts: readTexts("texts", texts), options: wire };
    const scores = await this.#connection.call("scores", args, { signal: page.signal, what: "The classification" });
    const labels = this.#info.embedding?.labels ?? [];
    return scores.map((row) => {
      const named = probabilities(row).map((score, i) => ({ label: labels[i] ?? `LABEL_${i}`, score }));
      return named.sort((a, b) => b.score - a.score);
    });
  }

  fill(text: unknown, options: FillOptions | undefined): Promise<wire.Filled[]> {
    const { wire, page } = readOptions("fillMask", options);
    const args = { text: readText("text", text), options: wire };
    return this.#connection.call("fill", args, { signal: page.signal, what: "The filling in" });
  }

  embeddings(): Embeddings {
    return {
      create: async (request, options) => {
        const {
          input,
          encoding_format,
          dimensions,
          model: _,
          user: __,
          ...other
        } = reading("The request", () => ({
          ...request,
        }));
        const [unknown] = Object.keys(other);
        if (unknown !== undefined)
          throw bad(
            `The request has no ${shown(unknown)}`,
            "input, dimensions and encoding_format, and the rest in the second argument",
          );
        if (encoding_format !== undefined && encoding_format !== "float" && encoding_format !== "base64")
          throw bad(`encoding_format is ${shown(encoding_format)}`, `"float" or "base64"`);
        const { vectors, tokens } = await this.embed(readInput(input), { ...options, dimensions });
        const total = tokens.reduce((sum, count) => sum + count, 0);
        const form = encoding_format === "base64" ? base64 : Array.from<number>;
        return {
          object: "list",
          // OpenAI's types say numbers, and its client asks for base64 by itself.
          data: vectors.map((vector, index) => ({
            object: "embedding",
            index,
            embedding: form(vector) as number[],
          })),
          model: this.#info.name,
          usage: { prompt_tokens: total, total_tokens: total },
        };
      },
    };
  }
}

export interface Vectors {
  vectors: Float32Array[];
  tokens: number[];
}

/** A list of texts. Throws `bad_option`. */
export function readTexts(name: string, value: unknown): string[] {
  if (kind(value) !== "Array") throw bad(`${name} is ${shown(value)}`, "a list of texts");
  return check(name, { type: "array", items: { type: "string" } }, value) as string[];
}

/** What OpenAI's client takes as input. */
function readInput(value: unknown): EmbedInput[] {
  if (typeof value === "string") return [value];
  if (kind(value) !== "Array") throw bad(`input is ${shown(value)}`, "text, a list of texts, or tokens");
  const list = value as unknown[];
  if (list.length > 0 && list.every((item) => typeof item === "number")) return [readTokens("input", list)];
  return list.map((item, i) => (typeof item === "string" ? item : readEach(`input[${i}]`, item)));
}

function readEach(name: string, value: unknown): number[] {
  if (kind(value) !== "Array") throw bad(`${name} is ${shown(value)}`, "text or a list of tokens");
  return readTokens(name, value as unknown[]);
}

/** The largest id that the engine takes. */
const LAST_ID = 2 ** 24 - 1;

function readTokens(name: string, list: readonly unknown[]): number[] {
  if (list.length === 0) throw bad(`${name} is empty`, "a list of at least one token");
  for (const [i, id] of list.entries())
    if (!(Number.isInteger(id) && (id as number) >= 0 && (id as number) <= LAST_ID))
      throw bad(`${name}[${i}] is ${shown(id)}`, `a whole number from 0 to ${LAST_ID}`);
  return readIds(list);
}

/** One label's by the logistic function, those of several by softmax. */
function probabilities(scores: number[]): number[] {
  if (scores.length === 1) return [1 / (1 + Math.exp(-scores[0]!))];
  const most = Math.max(...scores);
  const powers = scores.map((score) => Math.exp(score - most));
  const sum = powers.reduce((all, power) => all + power, 0);
  return powers.map((power) => power / sum);
}

/** Little-endian floats, as OpenAI's API sends them. */
function base64(vector: Float32Array): string {
  const bytes = new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}
