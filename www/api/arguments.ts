/** Checks the arguments of every call before they are sent to the worker, and copies them as plain data. */
import { asOpenAI } from "./messages/index.js";
import { bad, check, checked, kind, plain, shown } from "../wire/check.js";
import { SottoError } from "../wire/errors.js";
import type { Message, PageOptions } from "../wire/protocol.js";
import type { Options } from "../wire/generated.js";
import schemas from "../wire/schema.json" with { type: "json" };
import type { Schema } from "../wire/check.js";

/** What only the page knows, and does not send. */
const PAGE: { [Name in keyof PageOptions]-?: { wanted: string; fits: (value: unknown) => boolean } } = {
  signal: {
    wanted: "an AbortSignal",
    fits: (value) =>
      typeof (value as AbortSignal).aborted === "boolean" && isFunction((value as AbortSignal).addEventListener),
  },
  onProgress: { wanted: "a function", fits: isFunction },
  onWarning: { wanted: "a function", fits: isFunction },
  headers: {
    wanted: "an object of texts",
    fits: (value) =>
      kind(value) === "object" && Object.values(value as object).every((text) => typeof text === "string"),
  },
  workerUrl: { wanted: "a URL", fits: isUrl },
  wasmUrl: { wanted: "a URL", fits: isUrl },
  errors: oneOf("sotto", "openai"),
  onAbort: oneOf("throw", "result"),
};

/** Which of them each call takes. */
const TAKES = {
  load: ["signal", "onProgress", "onWarning", "headers", "workerUrl", "wasmUrl"],
  loadText: ["signal", "headers", "workerUrl", "wasmUrl"],
  generate: ["signal", "onProgress", "onAbort"],
  tokenize: [],
  detokenize: [],
  score: ["signal"],
  bench: ["signal"],
  renderChat: [],
  "chat.completions.create": ["signal", "onProgress", "errors", "onAbort"],
  "completions.create": ["signal", "onProgress", "errors", "onAbort"],
} as const satisfies Record<keyof Options | "loadText" | "score", readonly (keyof PageOptions)[]>;

type Call = keyof typeof TAKES;
type WireOptions<C extends Call> = C extends keyof Options ? Options[C] : Record<string, never>;

type PageOf<C extends Call> = Pick<PageOptions, (typeof TAKES)[C][number]>;

/** The options of a call: those that are sent, and those that stay in the page. Throws `bad_option`. */
export function readOptions<C extends Call>(call: C, options: unknown): { wire: WireOptions<C>; page: PageOf<C> } {
  const takes: readonly (keyof PageOptions)[] = TAKES[call];
  const schema = (schemas as Partial<Record<Call, unknown>>)[call] as Schema | undefined;
  const wire = checked(call, schema ?? {}, options, takes);
  const page: Record<string, unknown> = {};
  for (const name of takes) {
    const value = (options as PageOptions | undefined)?.[name];
    if (value === undefined || value === null) continue;
    const { wanted, fits } = PAGE[name];
    if (!fits(value)) throw bad(`${name} is ${shown(value)}`, wanted);
    page[name] = name === "headers" ? plain(name, value) : value;
  }
  return { wire: wire as WireOptions<C>, page: page as PageOf<C> };
}

/** Text. */
export function readText(name: string, value: unknown): string {
  return check(name, { type: "string" }, value) as string;
}

/** Token ids, in whatever holds numbers. */
export function readIds(value: unknown): number[] {
  const list = kind(value) !== "string" && hasLength(value) ? Array.from(value) : value;
  return check(
    "ids",
    { type: "array", items: { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 } },
    list,
  ) as number[];
}

/** A prompt: text or messages. */
export function readPrompt(value: unknown): string | Message[] {
  if (typeof value === "string") return value;
  if (!Array.isArray(value)) throw bad(`The prompt is ${shown(value)}`, "text or a list of messages {role, content}");
  return readMessages(value);
}

/** Messages of a chat; the engine says what is wrong with one of them. */
export function readMessages(value: unknown): Message[] {
  if (!Array.isArray(value))
    throw new SottoError("bad_option", "Messages should be a list of at least one {role, content}.");
  return plain("messages", asOpenAI(value).messages) as Message[];
}

function oneOf(...names: string[]) {
  return { wanted: names.map(shown).join(" or "), fits: (value: unknown) => names.includes(value as string) };
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

function isUrl(value: unknown): boolean {
  return typeof value === "string" || kind(value) === "URL";
}

function hasLength(value: unknown): value is ArrayLike<unknown> {
  return typeof (value as ArrayLike<unknown> | null | undefined)?.length === "number";
}
