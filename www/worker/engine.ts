/**
 * What the wasm module exports (`crate/web/`), as the worker uses it.
 * Every method may throw `{ name: "SottoError", code, message }`.
 */
import type { ErrorCode, ErrorData } from "../wire/errors.js";
import type * as wire from "../wire/generated.js";
import type { Grammars, Words } from "./grammar.js";
import type { Reread } from "./reread.js";
import type { EmbedInput, Message, Warning } from "../wire/protocol.js";

/** What an engine computes on: each is a wasm file of its own, and a page fetches the one that it needs. */
export type Kind = "webgpu" | "cpu";

export interface EngineModule {
  /** `pause` is called about 30 times a second while the CPU computes, and awaited; `spawn` starts a thread (threads.ts). */
  Loader: {
    create(
      options: wire.LoadOptions,
      place: Place,
      pause: () => Promise<void>,
      spawn?: (worker: number) => void,
    ): Promise<Loader>;
  };
  /** Those of an artifact that has some. */
  threads?: {
    count: number;
    spawn: (worker: number) => void;
    /** Products of 8 bits are slower than those of 16. */
    slowBytes: boolean;
  };
  /** What was wanted, but did not start. */
  warning?: Warning;
}

/** The artifacts without threads have this too. */
export interface TextModule {
  TextLoader: new (judges: boolean) => TextLoader;
  /** Weights that one thread multiplies in a second, measured in a few milliseconds. */
  cpu_rate(): number;
  /** Text by a chat template alone. */
  Text: { of_template(source: string): Text };
}

/** Where the engine runs, beside what the caller wants. */
export interface Place {
  adapter?: AdapterName | undefined;
  /** What was measured before on this adapter. */
  tuning: string[];
  /** Why the CPU takes WebGPU's place: an error's code and message. */
  refused?: [ErrorCode, string] | undefined;
}

/** What a verdict goes by. */
export interface Surroundings {
  adapter: AdapterName | undefined;
  /** Bytes of the largest buffer. */
  maxBinding: number;
  subgroups: boolean;
  f16: boolean;
  dot: boolean;
  /** What a page is likely to be allowed, and who allows it. */
  budget: { bytes: number; who: string } | undefined;
  threads: number;
  cpuRate: number | undefined;
  gpuRate: number | undefined;
}

/** What follows from a header. */
export type Judgement = Omit<wire.Inspection, keyof wire.ModelHeader>;

/** An adapter as the browser describes it. */
export interface AdapterName {
  vendor: string;
  architecture: string;
  description: string;
  isFallback: boolean;
}

/** One model load: bytes go in, in order; an engine comes out. */
export interface Loader {
  /** The header of the model's next file, in order, before the bytes of the first; whether these were enough. */
  push_part(chunk: Uint8Array): boolean;
  /** The bytes of the model's next file follow; gives how many of all came before it. */
  next_part(): number;
  push(chunk: Uint8Array): void;
  /** How the model's file is read again, where that can be; before its first bytes. */
  set_reread(read: Reread): void;
  /** Why the CPU took WebGPU's place; once, as soon as it is known. */
  take_warning(): ErrorData | undefined;
  /** Resolves when the GPU has taken what was pushed; awaited about every 16 MiB. */
  drain(): Promise<void>;
  /** The file's size by its header, once that has been read. */
  total_bytes(): number | undefined;
  finish(): Promise<Engine>;
  free(): void;
}

/** The bytes of a file's header go in, in order. */
export interface TextLoader {
  /** Whether this was enough of this file: what comes then is the next's. */
  push(chunk: Uint8Array): boolean;
  /** Of so many files. */
  finish(count: number): Text;
  free(): void;
}

/** What tokenizer and chat template do. */
export interface TextCalls {
  tokenize(text: string, options: wire.TokenizeOptions): Uint32Array;
  detokenize(ids: number[], options: wire.DetokenizeOptions): string;
  pieces(ids: number[]): string[];
  render_chat(messages: Message[], options: wire.RenderChatOptions): string;
}

export interface Text extends TextCalls {
  header(): wire.ModelHeader;
  /** `place`: numbers, in the order of `numbersOf` (device.ts); `who` allows a page its bytes. */
  inspect(options: wire.LoadOptions, place: Float64Array, who: string | undefined): Judgement;
  free(): void;
}

export interface Engine extends TextCalls {
  info(): wire.ModelInfo;
  stats(): wire.ModelStats;
  /** Replies may be under way beside each other, but no call may be made while another works: the host queues. */
  generate(prompt: string | Message[], options: wire.GenerateOptions, past: Uint32Array): Generation;
  /** Whether the answer may take grammars. */
  takes_grammars(request: wire.ChatRequest): boolean;
  chat(request: wire.ChatRequest, grammars: Grammars | undefined, past: Uint32Array): Chat;
  /** Reads what conversations that begin so begin with. */
  prime(request: wire.ChatRequest): Generation;
  /** Its tokens, for grammars. */
  words(): Words;
  completion(request: wire.CompletionRequest, past: Uint32Array): Chat;
  count(request: wire.ChatRequest): wire.Counted;
  /** For a model that guesses for this one, on the same device; `set_draft` takes what it makes. */
  draft_loader(options: wire.LoadOptions, place: Place, pause: () => Promise<void>): Promise<Loader>;
  set_draft(draft: Engine): void;
  /** What the cache has of its messages; none where it has nothing. */
  save(request: wire.ChatRequest): Saver | undefined;
  /** For the pieces of such a one. */
  restore(): Restorer;
  /** [numbers of a vector, tokens of each text, the vectors one behind the other]. */
  embed(texts: EmbedInput[], options: wire.EmbedOptions): Promise<[number, Uint32Array, Float32Array]>;
  /** The classifier's scores: [texts][labels]. */
  scores(query: string | undefined, texts: string[], options: wire.ScoringOptions): Promise<number[][]>;
  /** What may stand in a masked word's place. */
  fill(text: string, top: number | undefined): Promise<wire.Filled[]>;
  score(text: string, options: wire.ScoreOptions): Promise<wire.ScoreResult>;
  /** Begins to load an adapter; one that was on its way is given up. */
  adapter_begin(id: string, config: string | undefined): void;
  adapter_push(chunk: Uint8Array): void;
  adapter_finish(): Promise<wire.LoadedAdapter>;
  adapter_give_up(): void;
  adapter_unload(id: string): void;
  adapters(): wire.LoadedAdapter[];
  bench(options: wire.BenchOptions): Promise<wire.BenchResult>;
  /** Ends the measurement or embedding under way, which fails as `aborted`; on the CPU in the middle of a step too. */
  cancel(): void;
  dispose(): void;
  free(): void;
}

/** A conversation on its way out of the cache. */
export interface Saver {
  tokens(): number;
  /** The next piece; `undefined` after the last. */
  next(): Promise<Uint8Array | undefined>;
  free(): void;
}

/** And in again; after an error there is nothing left of it. */
export interface Restorer {
  push(bytes: Uint8Array): Promise<void>;
  /** How many tokens there are. */
  finish(): Promise<number>;
  free(): void;
}

/** Work that is done in steps. */
export interface Work<S> {
  /** `null` where nothing is new of it, `undefined` after the end. */
  next(): Promise<S | null | undefined>;
  /** Tokens that were sampled since it was asked last, each behind its reply's index. */
  sampled(): Uint32Array;
  /** Ends it, on the CPU in the middle of a step too. */
  cancel(): void;
  free(): void;
}

export type Generation = Work<wire.Step>;

/** A request under way; cancelled, it ends with what there is. */
export type Chat = Work<wire.ChatStep[]>;
