/**
 * The types of options, results and events.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

/**
 * Which device the caller wants; `auto` is a GPU where there is one, else the CPU.
 */
export type Backend = "auto" | "webgpu" | "cpu";
/**
 * Bits of activations in matrix products.
 */
export type Precision = "high" | "fast";
/**
 * How the cache of keys and values stores a number.
 */
export type KvType = "f16" | "f32";
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
 * The options of each call.
 */
export interface Options {
  load: LoadOptions;
  generate: GenerateOptions;
  tokenize: TokenizeOptions;
  detokenize: DetokenizeOptions;
  bench: BenchOptions;
  renderChat: RenderChatOptions;
}
/**
 * How a model is loaded.
 */
export interface LoadOptions {
  /**
   * `auto` takes a graphics card where WebGPU offers one, else the CPU; `info.backendReason` says why. With `webgpu`
   * there is no other choice: what it lacks is an error. By default `auto`.
   */
  backend?: Backend;
  /**
   * Bits of activations in matrix products. `high` takes as many as are as good as f32. `fast` allows 8 bits where
   * that is quicker: on the CPU where the browser has relaxed SIMD, on a graphics card where measurement says so. That
   * costs up to 2 % of a text's log-likelihood. By default `high`.
   */
  precision?: Precision;
  /**
   * Threads that compute on the CPU; by default one a core, at most 8. A page has them if it is cross-origin isolated;
   * elsewhere, and with `wasmUrl`, there is one. From 1 to 256.
   */
  threads?: number;
  /**
   * Tokens of context to reserve memory for; by default what the model was trained for, at most 4096 on WebGPU and
   * 2048 on the CPU. From 1.
   */
  contextLength?: number;
  /**
   * Tokens of all conversations together whose keys and values are kept, so that none of them is computed again; at
   * least those of one context, which is the default. From 1.
   */
  cacheTokens?: number;
  /**
   * Prompt tokens computed at once. From 1 to 4096.
   */
  maxBatchTokens?: number;
  /**
   * How the cache stores keys and values. By default `f16`.
   */
  kvType?: KvType;
  /**
   * `false` keeps the kernels to f32 on an adapter with `shader-f16`. By default true.
   */
  f16?: boolean;
  /**
   * `false` keeps the kernels off subgroup operations. By default true.
   */
  subgroups?: boolean;
  /**
   * `false` keeps the kernels off packed integer products. By default true.
   */
  dot?: boolean;
  /**
   * Whether kernels are measured, for up to 1.5 s, where the adapter and model are new; by default on a real GPU.
   */
  tune?: boolean;
}
/**
 * How a reply is made. By default as chats are; a temperature of 0 takes the best token always.
 */
export interface GenerateOptions {
  /**
   * The longest reply, in tokens; by default until the context is full.
   */
  maxTokens?: number;
  /**
   * Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy. From 0 to 100. By default 0.8.
   */
  temperature?: number;
  /**
   * Only the k best tokens; 0 for all. By default 40.
   */
  topK?: number;
  /**
   * Only the best tokens that reach this probability together; 1 for all. From 0 to 1. By default 0.95.
   */
  topP?: number;
  /**
   * Only tokens at least this likely compared with the best; 0 for all. From 0 to 1. By default 0.05.
   */
  minP?: number;
  /**
   * Divides (multiplies, below zero) the logits of recent tokens; 1 for none. From 0.01 to 100. By default 1.
   */
  repeatPenalty?: number;
  /**
   * How many of the last tokens the penalties look at, the prompt's included. By default 64.
   */
  repeatLastN?: number;
  /**
   * Subtracted once from each recent token's logit. From -100 to 100. By default 0.
   */
  presencePenalty?: number;
  /**
   * Subtracted from a recent token's logit for each time it occurred. From -100 to 100. By default 0.
   */
  frequencyPenalty?: number;
  /**
   * Added to the logits of these token ids; `-Infinity` bans a token.
   */
  logitBias?: Record<number, number>;
  /**
   * The same seed, prompt and options give the same reply on the same machine; by default each reply is another one.
   */
  seed?: number;
  /**
   * Texts that end the reply; they are not part of it.
   */
  stop?: string | string[];
  /**
   * Token ids that end the reply, beside the model's own.
   */
  stopTokens?: number[];
  /**
   * No chat template; special tokens in the prompt are parsed. By default false.
   */
  raw?: boolean;
}
/**
 * How a text is read.
 */
export interface TokenizeOptions {
  /**
   * Add what the model puts around a text: BOS and EOS, where the file asks for them. By default false.
   */
  addSpecial?: boolean;
  /**
   * Read texts such as `<|im_start|>` as the tokens they name. By default false.
   */
  parseSpecial?: boolean;
}
/**
 * How tokens become text.
 */
export interface DetokenizeOptions {
  /**
   * Show control tokens as their text instead of leaving them out. By default false.
   */
  keepSpecial?: boolean;
}
/**
 * What is measured.
 */
export interface BenchOptions {
  /**
   * Tokens of the made-up prompt: one length, or several to compare. By default 256.
   */
  promptTokens?: number | number[];
  /**
   * Tokens to generate after it. By default 64.
   */
  genTokens?: number;
  /**
   * Each figure is the median of so many runs. From 1. By default 3.
   */
  runs?: number;
  /**
   * Time every kernel too; `bad_option` where the adapter or browser cannot. By default false.
   */
  profile?: boolean;
}
/**
 * What a chat template is given beside the messages.
 */
export interface RenderChatOptions {
  /**
   * Tools in OpenAI's form.
   */
  tools?: unknown[];
  /**
   * Variables of the template by name, such as `enable_thinking` or `documents`.
   */
  variables?: {
    [k: string]: unknown;
  };
  /**
   * End with the start of the assistant's turn. By default false.
   */
  addGenerationPrompt?: boolean;
  /**
   * What time it is for the template, in seconds since 1970; by default it is now.
   */
  now?: number;
}
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

/** The codes of errors; docs/ERRORS.md says what each means. */
export const ERROR_CODES = [
  "not_gguf",
  "unsupported_version",
  "truncated",
  "bad_header",
  "bad_metadata",
  "unsupported_architecture",
  "unsupported_tensor_type",
  "missing_tensor",
  "bad_shape",
  "unsupported_tokenizer",
  "no_template",
  "bad_template",
  "prompt_too_long",
  "bad_option",
  "no_webgpu",
  "adapter_too_small",
  "out_of_memory",
  "device_lost",
  "gpu",
  "bad_logits",
  "aborted",
  "disposed",
  "network",
  "http",
  "io",
  "internal",
] as const;

export type ErrorCode = (typeof ERROR_CODES)[number];
