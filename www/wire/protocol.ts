/** The types of the public API, and the messages between the page and its worker. */
import type { ErrorCode, ErrorData } from "./errors.js";
import type { ForeignMessage } from "./foreign.js";
import type { Hub } from "./hub.js";
import type * as wire from "./generated.js";
import type { ChatMessage } from "./openai.js";
import type { QuantizeAsk, QuantizeReport } from "./quantize.js";

export type {
  AdapterInfo,
  BenchResult,
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  Chunk,
  Completion,
  CompletionRequest,
  CompletionUsage,
  ContextUsage,
  Counted,
  EmbeddingInfo,
  Filled,
  Finding,
  Inspection,
  LoadedAdapter,
  Memory,
  MemoryNeeds,
  ModelHeader,
  ModelInfo,
  ModelStats,
  Progress,
  ScoreResult,
  SottoOptions,
  SottoSampling,
  Step,
  Timings,
  Verdict,
} from "./generated.js";

/** What may be left out may be `undefined`, whatever the page's compiler is told (`exactOptionalPropertyTypes`). */
export type Loose<T> = { [K in keyof T]: object extends Pick<T, K> ? T[K] | undefined : T[K] };

/** A text to be embedded, or its tokens. */
export type EmbedInput = string | number[];

/** Where a model comes from. A string or `URL` is resolved against the page. */
export type Source =
  | string
  | URL
  | Blob
  | ReadableStream<Uint8Array>
  | ArrayBuffer
  | ArrayBufferView
  /** The files of a model that is in several, or of a repository. */
  | readonly Blob[];

/** Something that the model works in spite of. */
export interface Warning {
  code: ErrorCode;
  message: string;
}

/** An address that is no text: a `URL`, or a `TrustedScriptURL`, which TypeScript's library has not always. */
export interface Address {
  toString(): string;
  toJSON(): string;
}

/** Options that stay in the page. */
export interface PageOptions {
  /** Stops the call, which then fails with code `aborted`. */
  signal?: AbortSignal | undefined;
  /** Called while a model is loaded, and while a prompt is computed with `phase: "prefill"`. */
  onProgress?: (progress: wire.Progress) => void;
  /** Called if WebGPU fails and the CPU takes its place, or if it has to do with one thread. */
  onWarning?: (warning: Warning) => void;
  /** A `LoadControl`: pauses the download, and lets it go on. */
  control?: { connect(): MessagePort };
  /** Extra request headers for a URL, for instance `Authorization`. */
  headers?: Record<string, string>;
  /**
   * Whether a model is kept in the browser's store: `auto` fetches it into the store once and loads it from there after,
   * `only` never asks the network, `none` keeps nothing. By default `auto`.
   */
  cache?: Caching;
  /** The SHA-256 of the whole file, in hex: one that has another is refused. */
  sha256?: string;
  /**
   * Whether all tabs of the site that load this model with these options share one: the first one loads it, another takes over
   * when it is closed. By default no.
   */
  shared?: boolean;
  /**
   * A smaller model with the same tokens, which guesses what this one writes: several right guesses come of one pass, and the
   * reply stays the same (see `speculate` of `generate`).
   */
  draft?: Source;
  /** The hub of `hf:` addresses and a token for it; by default Hugging Face's. */
  hub?: Hub;
  /** Where `worker.js` lies, if the bundler moved it. */
  workerUrl?: string | Address;
  /** Where `sotto_bg.wasm` lies, if the bundler moved it; the other wasm files lie beside it, under their own names. */
  wasmUrl?: string | Address;
  /** Where `sotto_grammar_bg.wasm` lies, if the bundler moved it; by default beside `wasmUrl`, else beside `worker.js`. */
  grammarUrl?: string | Address;
  /** `openai`: failures are errors in the shape of OpenAI's API, the `SottoError` their `cause`. By default `sotto`. */
  errors?: "sotto" | "openai";
  /**
   * What a reply that `signal` stops ends with: an error, or what there is of it, with the finish reason `abort`. By
   * default `throw`.
   */
  onAbort?: "throw" | "result";
}

export type Caching = "auto" | "only" | "none";

export interface LoadOptions extends Loose<wire.LoadOptions & Omit<PageOptions, "errors" | "onAbort">> {}

/** What `load` would be given, as far as the verdict goes by it. */
export interface InspectOptions
  extends Loose<
    wire.LoadOptions & Pick<PageOptions, "signal" | "headers" | "cache" | "hub" | "workerUrl" | "wasmUrl">
  > {}

export interface TextOptions
  extends Loose<Pick<PageOptions, "signal" | "headers" | "cache" | "hub" | "workerUrl" | "wasmUrl">> {}

/** What calls of the store take. */
export interface StoreOptions extends Loose<Pick<PageOptions, "signal" | "onProgress" | "workerUrl">> {}

export interface ImportOptions extends StoreOptions, Pick<PageOptions, "sha256"> {
  /** The address that the file is to be found under; by default `store:` and its name. */
  url?: string | URL;
}

/** A file of the store. */
export interface StoredFile {
  id: string;
  /** What `load` finds it by. */
  url: string;
  /** What else it was asked for as, such as its `hf:` address. */
  alias?: string;
  name: string;
  /** Bytes of the whole file, as far as is known. */
  size?: number;
  /** Bytes that are there. */
  loaded: number;
  /** Whether all of it is there; a load fetches the rest of one that is not. */
  whole: boolean;
  /** Of the whole file, where it was promised or asked for. */
  sha256?: string;
  /** When it was begun, in milliseconds since 1970. */
  added: number;
}

/** What `store.verify` found. */
export interface Verified {
  /** Whether every block that is there is as it arrived. */
  ok: boolean;
  /** The bytes that are not, from `start` to before `end`; the next load fetches them again. */
  bad: { start: number; end: number }[];
}

/** A session of the store. */
export interface SavedSession {
  id: string;
  /** The name of the model. */
  model: string;
  /** Those that need not be read again. */
  tokens: number;
  /** All that is kept of it. */
  bytes: number;
  /** When it was saved, in milliseconds since 1970. */
  saved: number;
}

/** A session as it comes back. */
export interface FoundSession extends SavedSession {
  request: wire.ChatRequest;
  /** Why its text is read anew, where it is: `stale_session` or `damaged_session`. */
  refused?: Warning;
}

export interface StoreEstimate {
  /** Bytes of the models. */
  models: number;
  /** Bytes of all that the site keeps. */
  usage: number;
  /** Bytes that it may keep. */
  quota: number;
  /** Whether the browser promises to keep them when its disk is full. */
  persisted: boolean;
}

export interface GenerateOptions
  extends Loose<wire.GenerateOptions & Pick<PageOptions, "signal" | "onProgress" | "onAbort">> {}

export interface ScoreOptions extends Loose<wire.ScoreOptions & Pick<PageOptions, "signal">> {}

export interface AdapterOptions
  extends Loose<wire.AdapterOptions & Pick<PageOptions, "signal" | "headers" | "hub" | "sha256">> {
  /** What calls use it by: `adapter: { [id]: scale }`. */
  id: string;
}

export interface BenchOptions extends Loose<wire.BenchOptions & Pick<PageOptions, "signal">> {}

export interface TokenizeOptions extends Loose<wire.TokenizeOptions> {}

export interface DetokenizeOptions extends Loose<wire.DetokenizeOptions> {}

export interface RenderChatOptions extends Loose<wire.RenderChatOptions> {}

/** A message in OpenAI's shape, or any object that has a role and a text. */
export type Message = ChatMessage | { role: string; content: string };

/** What calls take: also a message of the Vercel AI SDK or of LangChain. */
export type AnyMessage = Message | ForeignMessage;

/** What changes as a model works. */
export type State = Pick<wire.ModelInfo, "memory" | "contextUsage">;

/** The reason of an abort after which a reply ends with what there is of it. */
export const KEEP = "keep";

/** A source as it travels: a stream or bytes come through a port (see pump.ts). */
export type SourceData =
  | { kind: "url"; url: string; headers?: Record<string, string>; cache?: Caching; hub?: Hub; sha256?: string }
  | { kind: "blob"; blob: Blob; path?: string; sha256?: string }
  | { kind: "port"; port: MessagePort; total?: number; sha256?: string }
  | { kind: "parts"; parts: SourceData[] };

/** What is asked of the store; `which` is an id or an address. */
export type StoreAsk =
  | { what: "list" | "estimate" | "sessions" }
  | { what: "delete" | "verify" | "export" | "forget"; which: string }
  | { what: "import"; blob: Blob; name: string; url: string; sha256?: string };

/** What the page may ask; each gets one `done` or `failed`, with `event`s before it. */
export interface Calls {
  load: {
    args: { source: SourceData; draft?: SourceData; options: wire.LoadOptions; gate?: MessagePort };
    event: { progress: wire.Progress } | { warning: Warning };
    result: wire.ModelInfo;
  };
  /** Tokenizer, template and header alone. */
  loadText: { args: { source: SourceData } | { template: string }; event: never; result: wire.ModelHeader };
  inspect: {
    args: { source: SourceData; options: wire.LoadOptions; touch: boolean };
    event: never;
    result: wire.Inspection;
  };
  quantize: {
    args: QuantizeAsk;
    event: { progress: wire.Progress } | { warning: Warning };
    result: QuantizeReport;
  };
  store: { args: StoreAsk; event: { progress: wire.Progress }; result: unknown };
  generate: {
    args: { prompt: string | Message[]; options: wire.GenerateOptions; past?: number[] };
    event: wire.Step;
    result: State;
  };
  /** `past`, here and elsewhere: what events of a call told as `sampled` that this one goes on with. */
  chat: { args: { request: wire.ChatRequest; past?: number[] }; event: wire.ChatStep; result: State };
  completion: { args: { request: wire.CompletionRequest; past?: number[] }; event: wire.ChatStep; result: State };
  prime: { args: { request: wire.ChatRequest }; event: wire.Step; result: State };
  count: { args: { request: wire.ChatRequest }; event: never; result: wire.Counted };
  saveSession: { args: { id: string; request: wire.ChatRequest }; event: never; result: SavedSession };
  restoreSession: { args: { id: string }; event: never; result: FoundSession | null };
  stats: { args: Record<string, never>; event: never; result: wire.ModelStats };
  tokenize: { args: { text: string; options: wire.TokenizeOptions }; event: never; result: number[] };
  detokenize: { args: { ids: number[]; options: wire.DetokenizeOptions }; event: never; result: string };
  pieces: { args: { ids: number[] }; event: never; result: string[] };
  renderChat: { args: { messages: Message[]; options: wire.RenderChatOptions }; event: never; result: string };
  embed: {
    args: { texts: EmbedInput[]; options: wire.EmbedOptions };
    event: never;
    result: { dimensions: number; tokens: Uint32Array; values: Float32Array };
  };
  /** Of a classifier: [texts][labels]. */
  scores: { args: { query?: string; texts: string[]; options: wire.ScoringOptions }; event: never; result: number[][] };
  fill: { args: { text: string; options: wire.FillOptions }; event: never; result: wire.Filled[] };
  loadAdapter: {
    args: { id: string; source: SourceData; config?: SourceData };
    event: never;
    result: wire.LoadedAdapter;
  };
  unloadAdapter: { args: { id: string }; event: never; result: null };
  adapters: { args: Record<string, never>; event: never; result: wire.LoadedAdapter[] };
  score: {
    args: { text: string; options: wire.ScoreOptions };
    event: never;
    result: { score: wire.ScoreResult; memory: wire.Memory };
  };
  bench: { args: wire.BenchOptions; event: never; result: { bench: wire.BenchResult; memory: wire.Memory } };
  dispose: { args: Record<string, never>; event: never; result: null };
}

export type Method = keyof Calls;

export type ToWorker =
  | { type: "start"; wasmUrl?: string; grammarUrl?: string; lock?: string }
  /** In the place of `start`: the worker is a thread of another's engine (see worker/thread.ts). */
  | { type: "thread"; port: MessagePort }
  /** The threads that were asked for, a port to each; or why there are none. */
  | { type: "threads"; ports: MessagePort[] }
  | { type: "threads"; error: string }
  | { type: "call"; id: number; method: Method; args: unknown }
  /** Stop the call `id`; it ends with `failed` and code `aborted`, or, to `keep` what there is, by itself. */
  | { type: "abort"; id: number; keep?: boolean };

export type ToPage =
  /** The worker runs, and holds the lock it was given (see api/connection.ts). */
  | { type: "ready" }
  /** The engine wants so many more workers, to compute on as threads. Answered by `threads`. */
  | { type: "threads"; count: number }
  /** `sampled`: tokens that were sampled since the last message of it, each behind its reply's index. */
  | { type: "event"; id: number; event?: unknown; sampled?: readonly number[] }
  | { type: "done"; id: number; result: unknown }
  /** `over`: nothing that is asked can succeed any more. */
  | { type: "failed"; id: number; error: ErrorData; over?: boolean };
