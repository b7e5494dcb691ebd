/**
 * What the wasm module exports (`crate/web/`), as the worker uses it.
 * Every method may throw `{ name: "SottoError", code, message }`.
 */
import type { ErrorData } from "../wire/errors.js";
import type {
  BenchOptions,
  BenchResult,
  GenerateOptions,
  Message,
  ModelInfo,
  ScoreResult,
  Timings,
  Warning,
} from "../wire/protocol.js";

export interface EngineModule {
  /** `pause` is called about 30 times a second while the CPU computes, and awaited; `spawn` starts a thread (threads.ts). */
  Loader: {
    create(options: EngineLoadOptions, pause: () => Promise<void>, spawn?: (worker: number) => void): Promise<Loader>;
  };
  /** Those of an artifact that has some. */
  threads?: { count: number; spawn: (worker: number) => void };
  /** What was wanted, but did not start. */
  warning?: Warning;
}

export interface EngineLoadOptions {
  backend?: "auto" | "webgpu" | "cpu";
  precision?: "high" | "fast";
  threads?: number;
  contextLength?: number;
  maxBatchTokens?: number;
  kvType?: "f16" | "f32";
  /** The device will have the `subgroups` feature (see adapter.ts). */
  subgroups?: boolean;
  /** The shading language has `packed_4x8_integer_dot_product`. */
  dot?: boolean;
  adapter?: { vendor: string; architecture: string; description: string; isFallback: boolean };
  f16?: boolean;
  tune?: boolean;
  /** What was measured before on this adapter. */
  tuning?: string[];
}

/** One model load: bytes go in, in order; an engine comes out. */
export interface Loader {
  push(chunk: Uint8Array): void;
  /** Why the CPU took WebGPU's place; once, as soon as it is known. */
  take_warning(): ErrorData | undefined;
  /** Resolves when the GPU has taken what was pushed; awaited about every 16 MiB. */
  drain(): Promise<void>;
  /** The file's size by its header, once that has been read. */
  total_bytes(): number | undefined;
  finish(): Promise<Engine>;
  free(): void;
}

export interface Engine {
  info(): ModelInfo;
  tokenize(text: string, options: { addSpecial?: boolean; parseSpecial?: boolean }): Uint32Array;
  detokenize(ids: Uint32Array, keepSpecial?: boolean): string;
  /** One at a time; the host queues. */
  generate(prompt: string | Message[], options: EngineGenerateOptions): Generation;
  score(text: string): Promise<ScoreResult>;
  bench(options: BenchOptions): Promise<BenchResult>;
  dispose(): void;
  free(): void;
}

export type EngineGenerateOptions = Omit<GenerateOptions, "signal" | "onProgress">;

export interface Generation {
  next(): Promise<Step | undefined>;
  /** Ends the generation, on the CPU in the middle of a step too. */
  cancel(): void;
  free(): void;
}

export type Step =
  | { kind: "prefill"; done: number; total: number }
  | { kind: "token"; text: string; tokens: number[] }
  | {
      kind: "end";
      finishReason: "stop" | "length" | "abort";
      /** The whole text and all its tokens. */
      text: string;
      tokens: number[];
      promptTokens: number[];
      timings: Timings;
    };
