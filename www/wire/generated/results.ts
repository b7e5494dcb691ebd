/**
 * What calls give: facts of a model, events, replies, timings.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

import type { ChatCompletionChunk, ChatCompletion, Completion } from "./answers.js";

/**
 * What the next step of a reply gives.
 */
export type Step =
  | {
      progress: Progress;
    }
  | {
      chunk: Chunk;
    };

/**
 * Why a reply ended. `stop`: an end-of-text token, a stop token or a stop text; `length`: `maxTokens`, or the context is
 * full; `abort`: the caller stopped it.
 */
export type FinishReason = "stop" | "length" | "abort";

/**
 * What the next step of a request gives: a progress, a piece of its answer, or the whole.
 */
export type ChatStep =
  | {
      progress: Progress;
    }
  | {
      chunk: ChatCompletionChunk;
    }
  | {
      completion: ChatCompletion;
    }
  | {
      text: Completion;
    };

/**
 * A loaded model, and what it runs on.
 */
export interface ModelInfo {
  architecture: string;
  name: string;
  /**
   * Parameters: the elements of all tensors.
   */
  nParams: number;
  nLayers: number;
  /**
   * Tokens of context that memory is reserved for.
   */
  contextLength: number;
  /**
   * Tokens of context that the model was trained for.
   */
  trainedContext: number;
  vocabSize: number;
  /**
   * The types of its tensors, the one with most bytes first: `Q4_K, F32`.
   */
  quantization: string;
  /**
   * Whether it has a chat template.
   */
  chatTemplate: boolean;
  backend: "webgpu" | "cpu";
  /**
   * Why this backend: a sentence.
   */
  backendReason: string;
  /**
   * What WebGPU runs on; `null` on the CPU.
   */
  adapter: AdapterInfo | null;
  /**
   * Threads that compute; on WebGPU they are the card's own, and this is 1.
   */
  threads: number;
  memory: Memory;
  /**
   * How full the context is with the conversation that was last worked on.
   */
  contextUsage: ContextUsage;
  /**
   * Token ids that end a reply.
   */
  eosTokens: number[];
  /**
   * The kernels that measurement chose, one line a matrix product; empty where none was made.
   */
  tuning: string[];
}

/**
 * A graphics adapter, as WebGPU describes it.
 */
export interface AdapterInfo {
  vendor: string;
  architecture: string;
  description: string;
  isSoftware: boolean;
  /**
   * Whether kernels use subgroup operations.
   */
  subgroups: boolean;
  /**
   * Whether kernels use 16-bit floats.
   */
  f16: boolean;
  /**
   * Whether kernels use packed integer products.
   */
  dot: boolean;
}

/**
 * Memory that a model holds, in bytes.
 */
export interface Memory {
  /**
   * 0 on the CPU, whose buffers lie in the wasm heap.
   */
  gpuBytes: number;
  /**
   * The size of the wasm heap; it never shrinks, so this is its peak.
   */
  wasmBytes: number;
}

/**
 * How full a context is.
 */
export interface ContextUsage {
  /**
   * Tokens of prompt and reply; 0 before the first.
   */
  tokens: number;
  /**
   * Tokens that there is room for.
   */
  contextLength: number;
}

/**
 * What a model file says before its weights.
 */
export interface ModelHeader {
  architecture: string;
  name: string;
  /**
   * `model`, or what else the file is: `adapter`, `vocab`, …; `null` where it does not say.
   */
  kind: string | null;
  /**
   * Of the GGUF format.
   */
  version: number;
  fileBytes: number;
  /**
   * Parameters: the elements of all tensors.
   */
  nParams: number;
  nTensors: number;
  /**
   * Its tensors by type, the type with most bytes first; none where the file holds a vocabulary only.
   */
  types: TypeCount[];
  /**
   * Tokens of context that the model was trained for.
   */
  contextLength: number | null;
  /**
   * The architecture's own keys, such as `block_count`.
   */
  sizes: {
    [k: string]: unknown;
  };
  tokenizer: TokenizerInfo;
  /**
   * The tokens that the file names: `bos`, `eos`, `padding`, …
   */
  specialTokens: SpecialToken[];
  /**
   * Token ids that end a reply.
   */
  eosTokens: number[];
  chatTemplate: string | null;
}

/**
 * The tensors of one type.
 */
export interface TypeCount {
  name: string;
  nTensors: number;
  bytes: number;
}

/**
 * The tokenizer that a file describes.
 */
export interface TokenizerInfo {
  /**
   * As the file calls it: `gpt2`, `llama`, …
   */
  model: string | null;
  /**
   * How texts are split before, in models that do.
   */
  pre: string | null;
  vocabSize: number;
  /**
   * Whether texts start with BOS.
   */
  addsBos: boolean;
  /**
   * Why there is none to tokenize with; `null` where there is one.
   */
  error: string | null;
}

/**
 * A token with a role.
 */
export interface SpecialToken {
  name: string;
  id: number;
  text: string | null;
}

/**
 * How far a load or a prompt is.
 */
export interface Progress {
  /**
   * `download`: bytes of the file; `prepare`: the engine starts; `ready`: the last event; `prefill`: prompt tokens.
   */
  phase: "download" | "prepare" | "ready" | "prefill";
  loaded: number;
  /**
   * Unknown until the file's header has been read if the server sends no length.
   */
  total: number | undefined;
}

/**
 * A piece of the reply; the last one has `finishReason` and what follows it.
 */
export interface Chunk {
  text: string;
  tokens: number[];
  finishReason?: FinishReason;
  timings?: Timings;
  usage?: Usage;
  /**
   * The token ids the prompt became.
   */
  promptTokens?: number[];
}

/**
 * Times in milliseconds, rates in tokens per second; 0 where nothing was measured.
 */
export interface Timings {
  /**
   * From the request to the first token.
   */
  ttftMs: number;
  prefillMs: number;
  prefillTps: number;
  decodeMs: number;
  decodeTps: number;
  /**
   * Prompt tokens whose keys and values were still there from before.
   */
  cachedTokens: number;
}

/**
 * What a reply took.
 */
export interface Usage {
  promptTokens: number;
  /**
   * The reply's tokens, the one that ended it included.
   */
  completionTokens: number;
}

/**
 * What messages take of the context.
 */
export interface Counted {
  /**
   * Of the prompt that they become.
   */
  tokens: number;
  /**
   * Tokens that the context holds.
   */
  contextLength: number;
  /**
   * Tokens of it that the reply should find free.
   */
  room: number;
}

/**
 * How well the model predicts a text.
 */
export interface ScoreResult {
  tokens: number[];
  /**
   * Mean of -ln p(token | tokens before it), over all tokens but the first; 0 for a single token.
   */
  nllMean: number;
  perplexity: number;
  /**
   * The ten best (id, logit) after the last token.
   */
  top: [number, number][];
}

/**
 * Medians over the runs. What depends on a prompt is that of the first length.
 */
export interface BenchResult {
  prefillTps: number;
  decodeTps: number;
  ttftMs: number;
  dispatchesPerToken: number;
  /**
   * Bytes that the first token after the prompt reads, at the least.
   */
  weightBytesPerToken: number;
  kvBytesPerToken: number;
  /**
   * Both kinds of bytes a second, in GB: the memory speed that decoding reaches.
   */
  decodeGbps: number;
  /**
   * CPU time to encode one token's dispatches; `null` on the CPU, which computes them.
   */
  encodeUs: number | null;
  /**
   * Every length, if more than one was asked for.
   */
  lengths?: BenchLength[];
  profile?: Profile;
}

export interface BenchLength {
  promptTokens: number;
  prefillTps: number;
  decodeTps: number;
  ttftMs: number;
}

/**
 * One decoded token, and one whole chunk of a prompt.
 */
export interface Profile {
  decode: PassTime;
  prefill: PassTime;
}

export interface PassTime {
  /**
   * Tokens in the pass, and the position of the first.
   */
  rows: number;
  position: number;
  /**
   * From submission to done, all dispatches in one pass.
   */
  wallUs: number;
  /**
   * Sum of the dispatches, each in a pass of its own.
   */
  kernelsUs: number;
  /**
   * The longest first.
   */
  kernels: KernelTime[];
}

/**
 * All dispatches of one kernel variant.
 */
export interface KernelTime {
  name: string;
  calls: number;
  us: number;
  /**
   * Of all kernels' time.
   */
  share: number;
  weightBytes: number;
  kvBytes: number;
  /**
   * Both kinds of bytes a second, in GB.
   */
  gbps: number;
}
