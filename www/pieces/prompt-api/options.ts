/** What a session is made with, checked as the draft and its explainer say. */
import type { CreateChat } from "sotto";

/** Temperatures of the ways to choose the next word; none is the model's own. */
const MODES = {
  "most-predictable": 0,
  predictable: 0.4,
  "slightly-predictable": 0.6,
  balanced: undefined,
  default: undefined,
  "slightly-creative": 0.9,
  creative: 1,
  "most-creative": 1.3,
};

/** How the next word is chosen, in words; `default` is `balanced`. */
export type SamplingMode = keyof typeof MODES;

/** The most that may be asked for: more than that counts as this. */
export const MOST = { topK: 1000, temperature: 100 };

const TYPES: readonly unknown[] = ["text", "image", "audio", "tool-call", "tool-response"];

export interface Expected {
  type: string;
  languages?: string[];
}

/** A function that the model may call. */
export interface Tool {
  name: string;
  description: string;
  inputSchema: object;
  // biome-ignore lint/suspicious/noExplicitAny: as the draft has it
  execute: (...args: any[]) => Promise<string>;
}

export interface CoreOptions {
  topK?: number;
  temperature?: number;
  samplingMode?: SamplingMode;
  expectedInputs?: Expected[];
  expectedOutputs?: Expected[];
  tools?: Tool[];
}

/** Throws what can be said of them at once; else whether models here can do what is expected. */
export function areText({ expectedInputs = [], expectedOutputs = [], samplingMode, ...raw }: CoreOptions): boolean {
  if (samplingMode !== undefined && !Object.hasOwn(MODES, samplingMode))
    throw new TypeError(`The sampling mode is "${samplingMode}"; give ${Object.keys(MODES).join(", ")}.`);
  if (samplingMode !== undefined && isRaw(raw)) throw new TypeError("Give samplingMode, or topK and temperature.");
  const expected = [...listOf(expectedInputs, "expectedInputs"), ...listOf(expectedOutputs, "expectedOutputs")];
  for (const { type, languages } of expected) {
    if (!TYPES.includes(type)) throw new TypeError(`The type is "${type}"; give ${TYPES.join(", ")}.`);
    if (languages !== undefined) Intl.getCanonicalLocales(listOf(languages, "languages"));
  }
  return expected.every(({ type }) => type === "text");
}

/** A list of what is there. Throws a `TypeError`. */
export function listOf<T>(given: Iterable<T>, name: string): T[] {
  if (Object(given) !== given || !(Symbol.iterator in given)) throw new TypeError(`${name} is no list.`);
  const list = Array.from(given);
  if (list.some((it) => it == null)) throw new TypeError(`A member of ${name} is ${list.find((it) => it == null)}.`);
  return list;
}

const isRaw = ({ topK, temperature }: CoreOptions) => topK !== undefined || temperature !== undefined;

export interface Sampling {
  request: Pick<CreateChat, "temperature" | "top_k">;
  /** None where it was said by numbers. */
  mode: Exclude<SamplingMode, "default"> | null;
}

/** Throws a `RangeError` for numbers that are too small. */
export function samplingOf({ topK, temperature, samplingMode = "default" }: CoreOptions): Sampling {
  if (temperature !== undefined && !(temperature >= 0)) throw new RangeError("The temperature is below 0.");
  if (topK !== undefined && !(topK >= 1)) throw new RangeError("topK is below 1.");
  const heat = temperature ?? MODES[samplingMode];
  const request = {
    ...(heat !== undefined && { temperature: Math.min(heat, MOST.temperature) }),
    ...(topK !== undefined && { top_k: Math.min(Math.floor(topK), MOST.topK) }),
  };
  const mode = samplingMode === "default" ? "balanced" : samplingMode;
  return { request, mode: isRaw({ topK, temperature } as CoreOptions) ? null : mode };
}

/** Copies of them, which no page changes any more. Throws what a schema throws that is read, too. */
export function toolsOf(tools: readonly Tool[]): Tool[] {
  return listOf(tools, "tools").map(({ name, description, inputSchema, execute }) => {
    if (inputSchema === null || typeof inputSchema !== "object")
      throw new TypeError(`The tool ${name} has no inputSchema.`);
    const schema = JSON.parse(JSON.stringify(inputSchema)) as object;
    if (!name || !description || typeof execute !== "function")
      throw new TypeError("A tool has a name, a description, an inputSchema and a function: execute.");
    return { name, description, inputSchema: schema, execute };
  });
}
