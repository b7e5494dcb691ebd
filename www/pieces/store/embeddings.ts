/** Vectors of a list of texts that changes, and a search among them. */
import type { EmbedOptions } from "sotto";
import { type Held, modelOf } from "../shared/held.js";
import { Cell } from "./cell.js";

export interface EmbeddingsSettings extends Omit<EmbedOptions, "signal"> {
  /** What stands before a text that is searched for, where models want another than before documents. */
  queryPrompt?: string;
}

export interface EmbeddingsState {
  status: "idle" | "embedding" | "ready" | "error";
  /** Of each text, in their order; those of the texts before until the new ones are there. */
  vectors: readonly Float32Array[];
  texts: readonly string[];
  error: unknown;
}

/** A text that was found, and how near it is: the dot product of the vectors, at most 1. */
export interface Found {
  index: number;
  text: string;
  score: number;
}

export class EmbeddingsStore extends Cell<EmbeddingsState> {
  #model: Held | undefined;
  #settings: EmbeddingsSettings;
  #wanted: readonly string[] = [];
  #isAsked = false;
  #known = new Map<string, Float32Array>();
  #stop: AbortController | undefined;

  constructor(model: Held | undefined, settings: EmbeddingsSettings = {}) {
    super({ status: "idle", vectors: [], texts: [], error: undefined });
    this.#model = model;
    this.#settings = settings;
  }

  /** Embeds what is new. Vectors of another model are forgotten. */
  readonly update = async (model: Held | undefined, texts: readonly string[]): Promise<void> => {
    if (this.#isAsked && model === this.#model && same(texts, this.#wanted)) return;
    this.#isAsked = true;
    if (model !== this.#model) this.#known.clear();
    this.#model = model;
    this.#wanted = [...texts];
    this.#stop?.abort();
    this.#stop = undefined;
    if (model === undefined || texts.length === 0)
      return this.set({ status: "idle", vectors: [], texts: [], error: undefined });
    const stop = new AbortController();
    this.#stop = stop;
    this.set({ status: "embedding", error: undefined });
    try {
      const fresh = [...new Set(texts)].filter((text) => !this.#known.has(text));
      const vectors = await this.#embed(fresh, this.#settings.prompt, stop.signal);
      if (this.#stop !== stop) return;
      fresh.forEach((text, i) => void this.#known.set(text, vectors[i]!));
      const wanted = this.#wanted;
      for (const text of this.#known.keys()) if (!wanted.includes(text)) this.#known.delete(text);
      this.set({ status: "ready", texts: wanted, vectors: wanted.map((text) => this.#known.get(text)!) });
    } catch (error) {
      if (this.#stop === stop) this.set({ status: "error", error });
    }
  };

  /** The `top` texts that are nearest to the query, the nearest first. Rejects as `model.embed`. */
  readonly search = async (query: string, top = 5): Promise<Found[]> => {
    const { prompt, queryPrompt = prompt } = this.#settings;
    const [wanted] = await this.#embed([query], queryPrompt);
    const { texts, vectors } = this.get();
    const found = vectors.map((vector, index) => ({ index, text: texts[index]!, score: dot(vector, wanted!) }));
    return found.sort((a, b) => b.score - a.score).slice(0, top);
  };

  protected override end(): void {
    this.#stop?.abort();
    this.#stop = undefined;
    this.#isAsked = false;
    if (this.get().status === "embedding") this.set({ status: "idle" });
  }

  async #embed(texts: readonly string[], prompt: string | undefined, signal?: AbortSignal): Promise<Float32Array[]> {
    if (texts.length === 0) return [];
    if (this.#model === undefined) throw new Error("There is no model to embed with yet.");
    const { queryPrompt: _, ...options } = this.#settings;
    return (await modelOf(this.#model, signal)).embed(texts, { ...options, prompt, signal });
  }
}

const same = (a: readonly string[], b: readonly string[]) =>
  a.length === b.length && a.every((text, i) => text === b[i]);

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}
