/** The types of the public API, and the messages between the page and its worker. */
import type { ErrorCode, ErrorData } from "./errors.js";

/** Where a model comes from. A string or `URL` is resolved against the page. */
export type Source = string | URL | Blob | ReadableStream<Uint8Array> | ArrayBuffer | ArrayBufferView;

export interface Progress {
  /** `download`: bytes of the file; `prepare`: the engine starts; `ready`: the last event; `prefill`: prompt tokens. */
  phase: "download" | "prepare" | "ready" | "prefill";
  loaded: number;
  /** Unknown until the file's header has been read if the server sends no length. */
  total: number | undefined;
}

/** Something that the model works in spite of. */
export interface Warning {
  code: ErrorCode;
  message: string;
}

export interface LoadOptions {
  signal?: AbortSignal;
  onProgress?: (progress: Progress) => void;
  /** Called if WebGPU fails and the CPU takes its place, or if it has to do with one thread. */
  onWarning?: (warning: Warning) => void;
  /**
   * `auto` takes a graphics card where WebGPU offers one, else the CPU; `info.backendReason` says why. With `webgpu` there
   * is no other choice: what it lacks is an error.
   */
  backend?: "auto" | "webgpu" | "cpu";
  /**
   * Bits of activations in matrix products. `high` (the default) takes as many as are as good as f32. `fast` allows 8 bits
   * where that is quicker: on the CPU where the browser has relaxed SIMD, on a graphics card where measurement says so.
   * That costs up to 2 % of a text's log-likelihood.
   */
  precision?: "high" | "fast";
  /**
   * Threads that compute on the CPU, in a page that is cross-origin isolated; by default one a core, at most 8. Elsewhere,
   * and with `wasmUrl`, there is one.
   */
  threads?: number;
  /** Tokens of context to reserve memory for (the engine picks a modest number by default). */
  contextLength?: number;
  /** Prompt tokens computed at once. */
  maxBatchTokens?: number;
  kvType?: "f16" | "f32";
  /** `false` keeps the kernels to f32 on an adapter with `shader-f16`. */
  f16?: boolean;
  /** `false` keeps the kernels off subgroup operations. */
  subgroups?: boolean;
  /** `false` keeps the kernels off packed integer products. */
  dot?: boolean;
  /** Whether kernels are measured, for up to 1.5 s, where the adapter and model are new (by default on a real GPU). */
  tune?: boolean;
  /** Extra request headers for a URL, for instance `Authorization`. */
  headers?: Record<string, string>;
  /** Where `worker.js` lies, if the bundler moved it. */
  workerUrl?: string | URL;
  /** Where `sotto_bg.wasm` lies, if the bundler moved it. */
  wasmUrl?: string | URL;
}

export interface Message {
  role: string;
  content: string;
  [key: string]: unknown;
}

export interface GenerateOptions {
  signal?: AbortSignal;
  /** Called while the prompt is computed, with `phase: "prefill"`. */
  onProgress?: (progress: Progress) => void;
  maxTokens?: number;
  /** 0 is greedy. */
  temperature?: number;
  topK?: number;
  topP?: number;
  minP?: number;
  repeatPenalty?: number;
  repeatLastN?: number;
  presencePenalty?: number;
  frequencyPenalty?: number;
  /** Added to the logit of a token id. */
  logitBias?: Record<number, number>;
  seed?: number;
  stop?: string[];
  stopTokens?: number[];
  /** No chat template; special tokens in the prompt are parsed. */
  raw?: boolean;
}

export interface Timings {
  /** From the request to the first token. */
  ttftMs: number;
  prefillTps: number;
  decodeTps: number;
  [key: string]: number;
}

/** A piece of the reply; the last one has `finishReason` and what follows it. */
export interface Chunk {
  text: string;
  tokens: number[];
  finishReason?: "stop" | "length" | "abort";
  timings?: Timings;
  usage?: { promptTokens: number; completionTokens: number };
  /** The token ids the prompt became. */
  promptTokens?: number[];
}

export interface Memory {
  /** 0 on the CPU, whose buffers lie in the wasm heap. */
  gpuBytes: number;
  /** The size of the wasm heap; it never shrinks, so this is its peak. */
  wasmBytes: number;
}

export interface ModelInfo {
  architecture: string;
  name: string;
  nParams?: number;
  nLayers: number;
  contextLength: number;
  trainedContext: number;
  vocabSize: number;
  quantization: string;
  chatTemplate: boolean;
  backend: "webgpu" | "cpu";
  /** Why this backend: a sentence. */
  backendReason: string;
  /** What WebGPU runs on; `null` on the CPU. */
  adapter: {
    vendor: string;
    architecture: string;
    description: string;
    isSoftware: boolean;
    subgroups: boolean;
    f16: boolean;
    dot: boolean;
  } | null;
  /** Threads that compute; on WebGPU they are the card's own, and this is 1. */
  threads: number;
  memory: Memory;
  eosTokens: number[];
  /** The kernels that measurement chose, one line a matrix product; empty where none was made. */
  tuning: string[];
}

export interface ScoreResult {
  tokens: number[];
  /** Mean negative log-likelihood of every token after the first. */
  nllMean: number;
  perplexity: number;
  /** The ten best `[id, logit]` at the last position. */
  top: [number, number][];
}

export interface BenchOptions {
  /** One length, or several to compare. */
  promptTokens?: number | number[];
  genTokens?: number;
  runs?: number;
  /** Time every kernel too; `bad_option` where the adapter or browser cannot. */
  profile?: boolean;
}

/** Medians over the runs. What depends on a prompt is that of the first length. */
export interface BenchResult {
  prefillTps: number;
  decodeTps: number;
  ttftMs: number;
  dispatchesPerToken: number;
  /** Bytes that the first token after the prompt reads, at the least, and the memory speed that decoding reaches. */
  weightBytesPerToken: number;
  kvBytesPerToken: number;
  decodeGbps: number;
  /** CPU time to encode and submit one token's dispatches; `null` on the CPU, which computes them. */
  encodeUs: number | null;
  /** Every length, if more than one was asked for. */
  lengths?: { promptTokens: number; prefillTps: number; decodeTps: number; ttftMs: number }[];
  /** One decoded token, and one chunk of a prompt. */
  profile?: { decode: PassTime; prefill: PassTime };
}

export interface PassTime {
  /** Tokens in the pass, and the position of the first. */
  rows: number;
  position: number;
  /** All dispatches in one pass, from submission to done. */
  wallUs: number;
  /** The sum of the kernels, each in a pass of its own. */
  kernelsUs: number;
  /** The longest first. */
  kernels: {
    name: string;
    calls: number;
    us: number;
    share: number;
    weightBytes: number;
    kvBytes: number;
    gbps: number;
  }[];
}

/** A source as it travels: a stream or bytes come through a port (see pump.ts). */
export type SourceData =
  | { kind: "url"; url: string; headers?: Record<string, string> }
  | { kind: "blob"; blob: Blob }
  | { kind: "port"; port: MessagePort; total?: number };

/** What the page may ask; each gets one `done` or `failed`, with `event`s before it. */
export interface Calls {
  load: {
    args: {
      source: SourceData;
      options: Omit<LoadOptions, "signal" | "onProgress" | "onWarning" | "headers" | "workerUrl" | "wasmUrl">;
    };
    event: { progress: Progress } | { warning: Warning };
    result: ModelInfo;
  };
  generate: {
    args: { prompt: string | Message[]; options: Omit<GenerateOptions, "signal" | "onProgress"> };
    event: { chunk: Chunk } | { progress: Progress };
    result: Memory;
  };
  tokenize: {
    args: { text: string; options: { addSpecial?: boolean; parseSpecial?: boolean } };
    event: never;
    result: number[];
  };
  detokenize: { args: { ids: number[]; keepSpecial?: boolean }; event: never; result: string };
  score: { args: { text: string }; event: never; result: { score: ScoreResult; memory: Memory } };
  bench: { args: BenchOptions; event: never; result: { bench: BenchResult; memory: Memory } };
  dispose: { args: Record<string, never>; event: never; result: null };
}

export type Method = keyof Calls;

export type ToWorker =
  | { type: "start"; wasmUrl?: string; lock?: string }
  /** In the place of `start`: the worker is a thread of another's engine (see worker/thread.ts). */
  | { type: "thread"; port: MessagePort }
  /** The threads that were asked for, a port to each; or why there are none. */
  | { type: "threads"; ports: MessagePort[] }
  | { type: "threads"; error: string }
  | { type: "call"; id: number; method: Method; args: unknown }
  /** Stop the call `id`; it ends with `failed` and code `aborted`. */
  | { type: "abort"; id: number };

export type ToPage =
  /** The worker runs, and holds the lock it was given (see api/connection.ts). */
  | { type: "ready" }
  /** The engine wants so many more workers, to compute on as threads. Answered by `threads`. */
  | { type: "threads"; count: number }
  | { type: "event"; id: number; event: unknown }
  | { type: "done"; id: number; result: unknown }
  | { type: "failed"; id: number; error: ErrorData };
