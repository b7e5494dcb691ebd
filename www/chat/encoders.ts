/** Models that make vectors, and what each wants before a question and a passage: no file says that, their pages do. */
import { models } from "sotto/catalog";
import { bytes } from "./format.js";

const BGE = { query: "Represent this sentence for searching relevant passages: " };

/** By their names in the catalogue. The first is the one that is taken if nobody chooses. */
const PROMPTS: Record<string, { query?: string; document?: string }> = {
  "BGE small en v1.5": BGE,
  "all-MiniLM-L6-v2": {},
  "BGE base en v1.5": BGE,
  "Nomic Embed Text v1.5": { query: "search_query: ", document: "search_document: " },
  "BGE M3": {},
  "Qwen3 Embedding 0.6B": {
    query: "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:",
  },
};

export interface Encoder {
  /** What `load` takes; empty: none, words alone are searched. */
  source: string;
  prompts: { query?: string; document?: string };
  /** For people. */
  label: string;
}

export const ENCODERS: readonly Encoder[] = [
  ...Object.entries(PROMPTS).flatMap(([name, prompts]) => {
    const model = models.find((model) => model.name === name);
    if (!model) return [];
    const languages = model.languages.includes("*") ? "many languages" : "English";
    return [
      { source: model.source, prompts, label: `Meaning and words: ${name}, ${languages}, ${bytes(model.bytes)} once` },
    ];
  }),
  { source: "", prompts: {}, label: "Words alone: nothing is downloaded" },
];
