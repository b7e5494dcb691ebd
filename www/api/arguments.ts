/** Checks the arguments of every call before they are sent to the worker, and copies them as plain data. */
import { asOpenAI } from "./messages/index.js";
import { bad, check, checked, kind, meant, plain, reading, shown, unknown } from "../wire/check.js";
import { SottoError } from "../wire/errors.js";
import type { ImportOptions, Message, PageOptions } from "../wire/protocol.js";
import type { QuantizeOwn } from "../wire/quantize.js";
import type { Options } from "../wire/generated.js";
import schemas from "../wire/schema.json" with { type: "json" };
import type { Schema } from "../wire/check.js";

/** Token ids in one call: more than any context holds. */
const MOST_IDS = 1 << 21;

/** Of all calls. */
type Own = PageOptions & Pick<ImportOptions, "url"> & QuantizeOwn;

const TEXT = { wanted: "text", fits: (value: unknown) => typeof value === "string" && value !== "" };

/** What only the page knows, and does not send. */
const PAGE: { [Name in keyof Own]-?: { wanted: string; fits: (value: unknown) => boolean } } = {
  signal: { wanted: "an AbortSignal", fits: isSignal },
  onProgress: { wanted: "a function", fits: isFunction },
  onWarning: { wanted: "a function", fits: isFunction },
  control: { wanted: "a LoadControl", fits: (value) => isFunction((value as { connect?: unknown }).connect) },
  headers: {
    wanted: "an object of texts",
    fits: (value) =>
      kind(value) === "object" && Object.values(value as object).every((text) => typeof text === "string"),
  },
  cache: oneOf("auto", "only", "none"),
  sha256: {
    wanted: "the SHA-256 of the file: 64 digits from 0 to f",
    fits: (value) => typeof value === "string" && /^[0-9a-f]{64}$/i.test(value),
  },
  draft: { wanted: "a source, as load has", fits: () => true },
  shared: { wanted: "true or false", fits: (value) => typeof value === "boolean" },
  hub: { wanted: "an object of nothing but an endpoint, which is a URL, and a token", fits: isHub },
  url: { wanted: "a URL", fits: isUrl },
  workerUrl: { wanted: "a URL", fits: isUrl },
  wasmUrl: { wanted: "a URL", fits: isUrl },
  grammarUrl: { wanted: "a URL", fits: isUrl },
  type: TEXT,
  to: { wanted: 'a WritableStream or "store"', fits: (value) => value === "store" || hasWriter(value) },
  name: TEXT,
  importance: {
    wanted: "a File or Blob that llama-imatrix wrote",
    fits: (value) => ["File", "Blob"].includes(kind(value)),
  },
  errors: oneOf("sotto", "openai"),
  onAbort: oneOf("throw", "result"),
};

/** Those that are more than a value, copied. */
const READ: { [Name in keyof Own]?: (value: unknown) => unknown } = {
  headers: readHeaders,
  signal: (value) => readSignal(value as AbortSignal),
  hub: (value) => plain("hub", value),
};

/** Which of them each call takes. */
const TAKES = {
  load: [
    "signal",
    "onProgress",
    "onWarning",
    "control",
    "headers",
    "cache",
    "sha256",
    "shared",
    "draft",
    "hub",
    "workerUrl",
    "wasmUrl",
    "grammarUrl",
  ],
  inspect: ["signal", "headers", "cache", "hub", "workerUrl", "wasmUrl"],
  loadText: ["signal", "headers", "cache", "hub", "workerUrl", "wasmUrl"],
  quantize: [
    "signal",
    "onProgress",
    "onWarning",
    "headers",
    "cache",
    "sha256",
    "hub",
    "type",
    "to",
    "name",
    "importance",
    "workerUrl",
    "wasmUrl",
  ],
  store: ["signal", "onProgress", "workerUrl"],
  "store.import": ["signal", "onProgress", "workerUrl", "sha256", "url"],
  generate: ["signal", "onProgress", "onAbort"],
  tokenize: [],
  detokenize: [],
  score: ["signal"],
  "adapters.load": ["signal", "headers", "hub", "sha256"],
  bench: ["signal"],
  renderChat: [],
  embed: ["signal"],
  rerank: ["signal"],
  classify: ["signal"],
  fillMask: ["signal"],
  "chat.completions.create": ["signal", "onProgress", "errors", "onAbort"],
  "completions.create": ["signal", "onProgress", "errors", "onAbort"],
  save: ["signal"],
  restore: ["signal"],
  batch: ["signal"],
} as const satisfies Record<
  keyof Options | "inspect" | "loadText" | "quantize" | "store" | "store.import" | "save" | "restore" | "batch",
  readonly (keyof Own)[]
>;

/** The call of which others are short forms. */
const CHAT = "chat.completions.create";

type Call = keyof typeof TAKES;
type WireOptions<C extends Call> = C extends keyof Options
  ? Options[C]
  : C extends "inspect"
    ? Options["load"]
    : Record<string, never>;

type PageOf<C extends Call> = Pick<Own, (typeof TAKES)[C][number]>;

/** The options of a call: those that are sent, and those that stay in the page. Throws `bad_option`. */
export function readOptions<C extends Call>(call: C, options: unknown): { wire: WireOptions<C>; page: PageOf<C> } {
  return reading(`An option of ${call}`, () => readEach(call, options));
}

function readEach<C extends Call>(call: C, options: unknown): { wire: WireOptions<C>; page: PageOf<C> } {
  const takes: readonly (keyof Own)[] = TAKES[call];
  const schema = (schemas as Partial<Record<Call, unknown>>)[call === "inspect" ? "load" : call] as Schema | undefined;
  const wire = checked(call, schema ?? {}, options, takes);
  const page: Record<string, unknown> = {};
  for (const name of takes) {
    const value = (options as Own | undefined)?.[name];
    if (value === undefined || value === null) continue;
    const { wanted, fits } = PAGE[name];
    if (!fits(value))
      throw bad(`${name} is ${shown(value)}`, kind(value) === "AbortSignal" ? "the signal itself" : wanted);
    const copy = READ[name];
    page[name] = copy ? copy(value) : value;
  }
  refuseHalves(wire);
  return { wire: wire as WireOptions<C>, page: page as PageOf<C> };
}

/** What the calls take that are a request of `CHAT` made short; `own` is beside it. */
const SHORT: Record<string, { takes(name: string): boolean; own: readonly string[] }> = {
  chat: { takes: all("messages", "stream", "stream_options", "n"), own: TAKES[CHAT] },
  runTools: {
    takes: all("stream", "stream_options", "n", "logprobs", "top_logprobs"),
    own: [...TAKES[CHAT], "maxSteps", "onMessage", "onDelta"],
  },
  countTokens: { takes: templated, own: [] },
  prime: { takes: (name) => templated(name) || name === "adapter", own: ["signal", "onProgress"] },
  session: { takes: templated, own: ["id", "messages"] },
};

/** What a template sees. */
function templated(name: string) {
  return ["tools", "tool_choice", "reasoning_effort", "chat_template_kwargs"].includes(name);
}

/** What asks for nothing, where a call has no such member. */
const NOTHING: Record<string, unknown> = { stream: false, n: 1, logprobs: false, top_logprobs: 0 };

function all(...but: string[]) {
  return (name: string) => !but.includes(name);
}

/** Throws `bad_option` for a member that the call does not have, naming the call that has it or the member meant. */
export function refuseOthers(call: "chat" | "runTools" | "countTokens" | "prime" | "session", options: unknown): void {
  reading(`An option of ${call}`, () => {
    if (options === undefined || options === null) return;
    if (kind(options) !== "object") throw bad(`The options of ${call} are ${shown(options)}`, "an object");
    const { takes, own } = SHORT[call]!;
    const every = schemas[CHAT].properties as unknown as Record<string, Schema>;
    const known = Object.fromEntries(Object.entries(every).filter(([name]) => takes(name)));
    for (const [name, value] of Object.entries(options)) {
      if (own.includes(name) || Object.hasOwn(known, name) || value === undefined || value === null) continue;
      if (Object.hasOwn(NOTHING, name) && NOTHING[name] === value) continue;
      if (Object.hasOwn(every, name))
        throw new SottoError("bad_option", `${name} is not an option of ${call}; ${CHAT} takes it.`);
      throw unknown(call, name, known, own);
    }
  });
}

/** Text. */
export function readText(name: string, value: unknown): string {
  return check(name, { type: "string" }, value) as string;
}

/** Token ids, in whatever holds numbers. */
export function readIds(value: unknown): number[] {
  return reading("ids", () => {
    const list = hasLength(value) ? fewer(value) : value;
    return check(
      "ids",
      { type: "array", items: { type: "integer", minimum: 0, maximum: 2 ** 32 - 1 } },
      list,
    ) as number[];
  });
}

/** A prompt: text or messages. */
export function readPrompt(value: unknown): string | Message[] {
  if (typeof value === "string") return value;
  if (kind(value) !== "Array") throw bad(`The prompt is ${shown(value)}`, "text or a list of messages {role, content}");
  return readMessages(value);
}

/** Messages of a chat; the engine says what is wrong with one of them. */
export function readMessages(value: unknown): Message[] {
  const list = readList(value);
  return reading("messages", () => plain("messages", openAI(list).messages) as Message[]);
}

/** A list of messages, whatever they are. */
export function readList(value: unknown): unknown[] {
  if (kind(value) !== "Array")
    throw new SottoError("bad_option", "Messages should be a list of at least one {role, content}.");
  return reading("messages", () => Array.from(value as unknown[]));
}

/** A list of messages as OpenAI's. Throws `bad_option` for one without content whose name was misspelt. */
export function openAI(list: readonly unknown[]): ReturnType<typeof asOpenAI> {
  const read = asOpenAI(Array.from(list));
  read.messages.forEach((message, i) => {
    if (kind(message) !== "object") return;
    const known = ["content", "tool_calls", "function_call", "refusal", "audio", "reasoning_content"];
    const names = Object.keys(message as object);
    if (known.some((name) => names.includes(name))) return;
    for (const name of names) {
      const near = meant(name, { content: true, tool_calls: true });
      if (near) throw new SottoError("bad_option", `messages[${read.places[i]}] has ${name}; did you mean ${near}?`);
    }
  });
  return read;
}

/** The members of both; of the second where both have one. */
export function joined(what: string, a: unknown, b: unknown): Record<string, unknown> {
  return reading(what, () => ({ ...(a as object), ...(b as object) }));
}

function readHeaders(value: unknown): Record<string, string> {
  const headers = plain("headers", value) as Record<string, string>;
  for (const [name, text] of Object.entries(headers)) {
    try {
      new Headers([[name, text]]);
    } catch (cause) {
      const message = `headers[${shown(name)}] is ${shown(text)}; give a name and a text that HTTP allows.`;
      throw new SottoError("bad_option", message, { cause });
    }
  }
  return headers;
}

/** The signal itself, or where it is only like one (a polyfill's, a proxy) one that follows it. */
function readSignal(value: AbortSignal): AbortSignal {
  try {
    AbortSignal.any([value]);
    if (value instanceof AbortSignal) return value;
  } catch {
    // It takes none but the browser's own.
  }
  const own = new AbortController();
  value.addEventListener("abort", () => own.abort(value.reason), { once: true });
  if (value.aborted) own.abort(value.reason);
  return own.signal;
}

/** Half of a character would become another: of a text that ends a reply, or that a reply must have. */
function refuseHalves({ stop, tools, response_format }: Record<string, unknown>): void {
  for (const text of [stop].flat())
    if (typeof text === "string" && /\p{Surrogate}/u.test(text))
      throw bad(`stop is ${shown(text)}`, "whole characters");
  for (const [name, value] of Object.entries({ tools, response_format }))
    if (value && HALF.test(JSON.stringify(value))) throw bad(`${name} has half of a character`, "whole characters");
}

/** As JSON writes it. */
const HALF = /(?<!\\)(?:\\\\)*\\ud[89a-f]/;

/** A list of what is like one. */
function fewer(list: ArrayLike<unknown>): unknown[] {
  if (list.length > MOST_IDS) throw bad(`ids has ${list.length} members`, `at most ${MOST_IDS}`);
  return Array.from({ length: list.length }, (_, i) => list[i]);
}

/** Whether it is one, or has all of one: of a proxy of one, a call reaches no signal. */
function isSignal(value: unknown): boolean {
  try {
    const { aborted, addEventListener, removeEventListener } = value as AbortSignal;
    return typeof aborted === "boolean" && isFunction(addEventListener) && isFunction(removeEventListener);
  } catch {
    return false;
  }
}

function isHub(value: unknown): boolean {
  if (kind(value) !== "object") return false;
  const { endpoint, token, ...others } = value as Record<string, unknown>;
  if (Object.keys(others).length > 0) return false;
  const isText = (given: unknown) => given === undefined || typeof given === "string";
  return isText(token) && isText(endpoint) && (endpoint === undefined || URL.canParse(endpoint as string));
}

function oneOf(...names: string[]) {
  return { wanted: names.map(shown).join(" or "), fits: (value: unknown) => names.includes(value as string) };
}

function isFunction(value: unknown): boolean {
  return typeof value === "function";
}

/** A stream of any realm; the page's own reading of a locked one says so. */
function hasWriter(value: unknown): boolean {
  return isFunction((value as { getWriter?: unknown }).getWriter);
}

function isUrl(value: unknown): boolean {
  return typeof value === "string" || ["URL", "TrustedScriptURL"].includes(kind(value));
}

function hasLength(value: unknown): value is ArrayLike<unknown> {
  return (
    kind(value) !== "String" &&
    typeof value === "object" &&
    typeof (value as ArrayLike<unknown> | null)?.length === "number"
  );
}
