/**
 * Which model: well-known files by their addresses on a hub, and those of them that suit a task and a device.
 *
 *     import { suggest } from "sotto/catalog";
 *     const [best] = suggest({ task: "chat", languages: ["de"] });
 *     const model = await load(best.model.source);
 *
 * Nothing of it is in the package's first load.
 */
import { budget } from "../wire/budget.js";
import catalog from "./catalog.json" with { type: "json" };

export type Task = "chat" | "code" | "embed" | "rerank";

/** A file of the catalogue. */
export interface CatalogModel {
  /** For people. */
  name: string;
  /** What `load` takes. */
  source: string;
  /** `general.architecture` of the file. */
  architecture: string;
  /** What it is for. */
  task: Task;
  parameters: number;
  /** Of the file, about. */
  bytes: number;
  /** Tokens that it was trained for. */
  context: number;
  /** ISO 639 codes; `*` where there are dozens. */
  languages: string[];
  /** As the hub names it. */
  license: string;
  /** Whether it was trained to call tools. */
  tools: boolean;
  /** Whether it can think aloud before it replies. */
  thinking: boolean;
  /** Year and month. */
  released: string;
}

/** What is wanted. */
export interface Wish {
  /** By default `chat`. */
  task?: Task;
  /** ISO 639 codes, all of which it has to know. */
  languages?: readonly string[];
  tools?: boolean;
  thinking?: boolean;
  /** Tokens of context, at least. */
  context?: number;
  /** Only under one of these licences. */
  licenses?: readonly string[];
  /** The largest file, in bytes; by default 2.5 GB, which a person may wait for once. */
  download?: number;
  /** By default this one, as far as the browser tells. */
  device?: Device;
}

export interface Device {
  /** Bytes that a page may take. */
  memory: number;
  /** Bytes that it reads in a second, where that is known: 10 to 50 GB on phones and CPUs, hundreds on graphics cards. */
  bytesPerSecond?: number;
}

/** A model that fits. */
export interface Suggestion {
  model: CatalogModel;
  /** What it takes of memory, about; `inspect` tells it exactly. */
  memory: number;
  /** Where the device's speed is known, and the model writes. */
  tokensPerSecond?: number;
  /** For people: one sentence. */
  why: string;
}

export const models: readonly CatalogModel[] = catalog.models as CatalogModel[];

/** Bytes beside the weights: the program, the cache of a usual context, what passes compute with. */
const BESIDE = 250e6;
/** The part of its reading speed at which a device computes. */
const PRODUCTS = 0.6;
/** Tokens a second below which people wait. */
const READING = 12;
const DOWNLOAD = 2.5e9;

/** The models that do what is wanted and fit, the best first: the more parameters and the younger, the better. */
export function suggest(wish: Wish = {}): Suggestion[] {
  const { task = "chat", languages = [], download = DOWNLOAD, device = thisDevice() } = wish;
  const suits = (model: CatalogModel) =>
    model.task === task &&
    languages.every((language) => model.languages.includes("*") || model.languages.includes(language)) &&
    !(wish.tools && !model.tools) &&
    !(wish.thinking && !model.thinking) &&
    model.context >= (wish.context ?? 0) &&
    (wish.licenses?.includes(model.license) ?? true) &&
    model.bytes <= download &&
    memoryOf(model) <= device.memory;
  return models
    .filter(suits)
    .map((model) => ({ model, rank: rank(model, device) }))
    .sort((a, b) => b.rank - a.rank)
    .map(({ model }) => told(model, device));
}

const memoryOf = ({ bytes, parameters }: CatalogModel) =>
  Math.round(1.02 * bytes + Math.min(BESIDE, BESIDE / 5 + parameters));

const writes = ({ task }: CatalogModel) => task === "chat" || task === "code";

function speedOf(model: CatalogModel, { bytesPerSecond }: Device): number | undefined {
  if (bytesPerSecond === undefined || !writes(model)) return undefined;
  return (PRODUCTS * bytesPerSecond) / model.bytes;
}

/** A year is worth 1.5 times the parameters; what is slower than people read is worth as much less as it is slower. */
function rank(model: CatalogModel, device: Device): number {
  const [year = 0, month = 0] = model.released.split("-").map(Number);
  const speed = speedOf(model, device) ?? READING;
  return Math.log2(model.parameters) + 0.6 * (year + month / 12) + 2 * Math.min(0, Math.log2(speed / READING));
}

function told(model: CatalogModel, device: Device): Suggestion {
  const memory = memoryOf(model);
  const speed = speedOf(model, device);
  const takes = `${model.name} takes about ${(memory / 1e9).toFixed(1)} GB of memory`;
  const rate = speed === undefined ? "" : `, and writes about ${Math.round(speed)} tokens a second`;
  return {
    model,
    memory,
    ...(speed !== undefined && { tokensPerSecond: speed }),
    why: `${takes}${rate}; its licence is ${model.license}.`,
  };
}

/** As far as the browser tells; where it does not, 4 GB. */
export function thisDevice(): Device {
  const { navigator } = globalThis;
  const allowed = navigator && budget(navigator, (navigator.maxTouchPoints ?? 0) > 1);
  return { memory: allowed?.bytes ?? 4e9 };
}
