/**
 * What calls give: facts of a model, events, replies, timings.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

import type { ChatCompletionChunk, ChatCompletion, Completion } from "./answers.js";
import type { Pooling } from "./options.js";
import type { Memory } from "./stats.js";

/** What the next step of a reply gives. */
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

/** What the next step of a request gives: a progress, a piece of its answer, or the whole. */
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

/** A loaded model, and what it runs on. */
export interface ModelInfo {
  /** `general.architecture` of the file. */
  architecture: string;
  /** `general.name` of the file; may be empty. */
  name: string;
  /** Parameters: the elements of all tensors. */
  nParams: number;
  /** Layers (blocks) of the network. */
  nLayers: number;
  /** Tokens of context that memory is reserved for. */
  contextLength: number;
  /** Tokens of context that the model was trained for. */
  trainedContext: number;
  /** Tokens of the vocabulary. */
  vocabSize: number;
  /** The types of its tensors, the one with most bytes first: `Q4_K, F32`. */
  quantization: string;
  /** Whether it has a chat template. */
  chatTemplate: boolean;
  /** What the model runs on. */
  backend: "webgpu" | "cpu";
  /** Why this backend: a sentence. */
  backendReason: string;
  /** What WebGPU runs on; `null` on the CPU. */
  adapter: AdapterInfo | null;
  /** Threads that compute; on WebGPU they are the card's own, and this is 1. */
  threads: number;
  /** What it takes. */
  memory: Memory;
  /** How full the context is with the conversation that was last worked on. */
  contextUsage: ContextUsage;
  /** Of a model that embeds or scores texts, and writes none; else `null`. */
  embedding: EmbeddingInfo | null;
  /** Token ids that end a reply. */
  eosTokens: number[];
  /** How replies are drawn where a call does not say: as the file has it, else as Sotto does. */
  sampling: SamplingDefaults;
  /** The kernels that measurement chose, one line a matrix product; empty where none was made. */
  tuning: string[];
}

/** A graphics adapter, as WebGPU describes it. */
export interface AdapterInfo {
  /** Who made it; may be empty. */
  vendor: string;
  /** Its family; may be empty. */
  architecture: string;
  /** Its name; empty where the browser does not tell it. */
  description: string;
  /** Whether it is a program on the CPU. */
  isSoftware: boolean;
  /** Whether kernels use subgroup operations. */
  subgroups: boolean;
  /** Whether kernels use 16-bit floats. */
  f16: boolean;
  /** Whether kernels use packed integer products. */
  dot: boolean;
}

/** How full a context is. */
export interface ContextUsage {
  /** Tokens of prompt and reply; 0 before the first. */
  tokens: number;
  /** Tokens that there is room for. */
  contextLength: number;
}

/** What a model gives of texts beside writing on. */
export interface EmbeddingInfo {
  /** Numbers of a vector. */
  dimensions: number;
  /** How the states of a text's tokens become one vector, unless the caller says otherwise. */
  pooling: Pooling;
  /** What its classifier tells apart; empty where it has none. A reranker has one label. */
  labels: string[];
  /** What stands for a masked word in a text, where the model fills them in. */
  mask: string | null;
}

/** How replies are drawn where a call does not say; the options of `generate` have the same names. */
export interface SamplingDefaults {
  /** 0 is greedy. */
  temperature: number;
  /** Only the k best tokens; 0 for all. */
  topK: number;
  /** Only the best tokens that reach this probability together; 1 for all. */
  topP: number;
  /** Only tokens at least this likely compared with the best; 0 for all. */
  minP: number;
  /** What the logits of recent tokens are divided by; 1 for none. */
  repeatPenalty: number;
  /** How many of the last tokens the penalty looks at; 4294967295 for all. */
  repeatLastN: number;
}

/** What a model file says before its weights. */
export interface ModelHeader {
  /** `general.architecture` of the file. */
  architecture: string;
  /** `general.name` of the file; may be empty. */
  name: string;
  /** `model`, or what else the file is: `adapter`, `vocab`, …; `null` where it does not say. */
  kind: string | null;
  /** Of the GGUF format. */
  version: number;
  /** What the whole file takes. */
  fileBytes: number;
  /** Parameters: the elements of all tensors. */
  nParams: number;
  /** How many tensors it has. */
  nTensors: number;
  /** Its tensors by type, the type with most bytes first; none where the file holds a vocabulary only. */
  types: TypeCount[];
  /** Tokens of context that the model was trained for. */
  contextLength: number | null;
  /** The architecture's own keys, such as `block_count`. */
  sizes: {
    [k: string]: unknown;
  };
  /** Its tokenizer. */
  tokenizer: TokenizerInfo;
  /** The tokens that the file names: `bos`, `eos`, `padding`, … */
  specialTokens: SpecialToken[];
  /** Token ids that end a reply. */
  eosTokens: number[];
  /** Its chat template: Jinja's source; `null` where it has none. */
  chatTemplate: string | null;
}

/** The tensors of one type. */
export interface TypeCount {
  /** The type: `Q4_K`, `F32`, … */
  name: string;
  /** How many tensors are of it. */
  nTensors: number;
  /** What they take together. */
  bytes: number;
}

/** The tokenizer that a file describes. */
export interface TokenizerInfo {
  /** As the file calls it: `gpt2`, `llama`, … */
  model: string | null;
  /** How texts are split before, in models that do. */
  pre: string | null;
  /** Tokens of the vocabulary. */
  vocabSize: number;
  /** Whether texts start with BOS. */
  addsBos: boolean;
  /** Why there is none to tokenize with; `null` where there is one. */
  error: string | null;
}

/** A token with a role. */
export interface SpecialToken {
  /** Its role. */
  name: string;
  /** Its token id. */
  id: number;
  /** Its text; `null` where the vocabulary lacks it. */
  text: string | null;
}

/** A model file without its weights, and whether it runs here. */
export interface Inspection {
  /** `general.architecture` of the file. */
  architecture: string;
  /** `general.name` of the file; may be empty. */
  name: string;
  /** `model`, or what else the file is: `adapter`, `vocab`, …; `null` where it does not say. */
  kind: string | null;
  /** Of the GGUF format. */
  version: number;
  /** What the whole file takes. */
  fileBytes: number;
  /** Parameters: the elements of all tensors. */
  nParams: number;
  /** How many tensors it has. */
  nTensors: number;
  /** Its tensors by type, the type with most bytes first; none where the file holds a vocabulary only. */
  types: TypeCount[];
  /** Tokens of context that the model was trained for. */
  contextLength: number | null;
  /** The architecture's own keys, such as `block_count`. */
  sizes: {
    [k: string]: unknown;
  };
  /** Its tokenizer. */
  tokenizer: TokenizerInfo;
  /** The tokens that the file names: `bos`, `eos`, `padding`, … */
  specialTokens: SpecialToken[];
  /** Token ids that end a reply. */
  eosTokens: number[];
  /** Its chat template: Jinja's source; `null` where it has none. */
  chatTemplate: string | null;
  /** Whether its chat template knows tools. */
  tools: boolean;
  /** Whether its chat template knows thoughts. */
  thinking: boolean;
  /** Its languages, as the file lists them; none where it does not. */
  languages: string[];
  /** Its licence; `null` where the file does not say. */
  license: string | null;
  /** Whether it runs here. */
  verdict: Verdict;
}

/** Whether a model runs here, and how well. */
export interface Verdict {
  /** Whether `load` would succeed, as far as can be told. */
  runs: boolean;
  /** What was found, one sentence each; what keeps it from running comes first. */
  findings: Finding[];
  /** What it would run on. */
  backend: "webgpu" | "cpu";
  /** What it would take; `null` where that cannot be told. */
  memory: MemoryNeeds | null;
  /** Tokens of context that `memory` is for. */
  contextLength: number | null;
  /**
   * The longest context that there is room for, at most what the model was trained for; `null` where there is none.
   */
  largestContext: number | null;
  /** Tokens that it would write in a second, roughly, at short contexts; `null` where nothing was measured. */
  tokensPerSecond: number | null;
}

/** One thing that was found of a model. */
export interface Finding {
  /**
   * What keeps a model from running has the code of the error that `load` would fail with. Others: `fits`, `context`
   * (less than it was trained for), `slow`, `cpu_quicker`, `no_template`.
   */
  code: string;
  /** For people. */
  sentence: string;
}

/** Memory that a model would take, in bytes. */
export interface MemoryNeeds {
  /** The weights, as the device holds them. */
  weights: number;
  /** Keys and values of the context. */
  cache: number;
  /** What passes and sampling compute with. */
  activations: number;
  /** The program with the model's tokenizer, in the browser; 0 natively. */
  program: number;
  /** All of it. */
  total: number;
}

/** How far a load or a prompt is. */
export interface Progress {
  /**
   * What is under way. A load goes through `connect`, `download`, `upload` and `prepare`, and ends with `ready`; `verify`
   * is the store's own, and `prefill` a reply's.
   */
  phase: "connect" | "download" | "verify" | "upload" | "write" | "prepare" | "ready" | "prefill";
  /** How much is done: bytes of the file, or prompt tokens. */
  loaded: number;
  /** Unknown until the file's header has been read if the server sends no length. */
  total: number | undefined;
  /** The name of the file. */
  file?: string;
  /** Bytes in a second, lately. */
  bytesPerSecond?: number;
  /** Seconds until the phase is over, at this speed. */
  secondsLeft?: number;
  /** Whether the weights come from the browser's store instead of the network. */
  fromCache?: boolean;
}

/** A piece of the reply; the last one has `finishReason` and what follows it. */
export interface Chunk {
  /** New text; empty while a character or stop text is undecided. */
  text: string;
  /** New token ids. */
  tokens: number[];
  /** Why the reply ended. */
  finishReason?: FinishReason;
  /** How long it took. */
  timings?: Timings;
  /** How many tokens it took. */
  usage?: Usage;
  /** The token ids the prompt became. */
  promptTokens?: number[];
}

/** Times in milliseconds, rates in tokens per second; 0 where nothing was measured. */
export interface Timings {
  /** From the request to the first token. */
  ttftMs: number;
  /** From the request until the prompt was read. */
  prefillMs: number;
  /** Prompt tokens per second, those that were computed. */
  prefillTps: number;
  /** From the first token to the last. */
  decodeMs: number;
  /** Tokens per second after the first. */
  decodeTps: number;
  /** Prompt tokens whose keys and values were still there from before. */
  cachedTokens: number;
  /** Tokens of the reply that were guessed and computed beside others. */
  draftedTokens: number;
  /** Of those, the ones that were right: each is a pass less. */
  acceptedTokens: number;
  /** Tokens of prompt and reply that left the context while the reply was written (`overflow: "shift"`). */
  shiftedTokens: number;
}

/** What a reply took. */
export interface Usage {
  /** Tokens of the prompt. */
  promptTokens: number;
  /** The reply's tokens, the one that ended it included. */
  completionTokens: number;
}

/** What messages take of the context. */
export interface Counted {
  /** The prompt that they become, as the model reads it, control tokens included. */
  text: string;
  /** Of that prompt. */
  tokens: number;
  /** Tokens that the context holds. */
  contextLength: number;
  /** Tokens of it that the reply should find free. */
  room: number;
}

/** What may stand in a masked word's place. */
export interface Filled {
  /** A token, as text. */
  token: string;
  /** Its id. */
  id: number;
  /** How likely it is, from 0 to 1. */
  score: number;
}

/** An adapter that is loaded. */
export interface LoadedAdapter {
  /** The name that it was loaded by. */
  id: string;
  /** The largest rank of its matrices. */
  rank: number;
  /** Matrices of the model that it changes. */
  tensors: number;
  /** Bytes that it takes on the device. */
  bytes: number;
  /** The model that its file says it was made for. */
  baseModel: string | null;
}

/** How well the model predicts a text. */
export interface ScoreResult {
  /** The text's token ids. */
  tokens: number[];
  /** Mean of -ln p(token | tokens before it), over all tokens but the first; 0 for a single token. */
  nllMean: number;
  /** e to the power of `nllMean`. */
  perplexity: number;
  /** The ten best (id, logit) after the last token. */
  top: [number, number][];
}

/** Medians over the runs. What depends on a prompt is that of the first length. */
export interface BenchResult {
  /** Prompt tokens per second. */
  prefillTps: number;
  /** Generated tokens per second. */
  decodeTps: number;
  /** Milliseconds from the request to the first token. */
  ttftMs: number;
  /** Kernels that run for one generated token, the choice of it included. */
  dispatchesPerToken: number;
  /** Bytes that the first token after the prompt reads, at the least. */
  weightBytesPerToken: number;
  /** Bytes of keys and values that this token reads. */
  kvBytesPerToken: number;
  /** Both kinds of bytes a second, in GB: the memory speed that decoding reaches. */
  decodeGbps: number;
  /** CPU time to encode one token's dispatches; `null` on the CPU, which computes them. */
  encodeUs: number | null;
  /** Every length, if more than one was asked for. */
  lengths?: BenchLength[];
  /** Times of every kernel, if they were asked for. */
  profile?: Profile;
}

/** What was measured with a prompt of one length. */
export interface BenchLength {
  /** Tokens of the prompt. */
  promptTokens: number;
  /** Prompt tokens per second. */
  prefillTps: number;
  /** Generated tokens per second. */
  decodeTps: number;
  /** Milliseconds from the request to the first token. */
  ttftMs: number;
}

/** One decoded token, and one whole chunk of a prompt. */
export interface Profile {
  /** A token after the prompt. */
  decode: PassTime;
  /** A chunk of the prompt. */
  prefill: PassTime;
}

/** Where the time of one pass goes. */
export interface PassTime {
  /** Tokens in the pass. */
  rows: number;
  /** Position of the first of them. */
  position: number;
  /** From submission to done, all dispatches in one pass. */
  wallUs: number;
  /** Sum of the dispatches, each in a pass of its own. */
  kernelsUs: number;
  /** The longest first. */
  kernels: KernelTime[];
}

/** All dispatches of one kernel variant. */
export interface KernelTime {
  /** The variant's name. */
  name: string;
  /** Its dispatches in the pass. */
  calls: number;
  /** Microseconds, all of them together. */
  us: number;
  /** Of all kernels' time. */
  share: number;
  /** Bytes of weights that they read. */
  weightBytes: number;
  /** Bytes of keys and values that they read. */
  kvBytes: number;
  /** Both kinds of bytes a second, in GB. */
  gbps: number;
}
