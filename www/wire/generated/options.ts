/**
 * What calls take.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

import type { ChatRequest, CompletionRequest } from "./requests.js";

/** Which device the caller wants; `auto` is a GPU where there is one, else the CPU. */
export type Backend = "auto" | "webgpu" | "cpu";

/** Bits of activations in matrix products. */
export type Precision = "high" | "fast";

/** How the cache of keys and values stores a number. */
export type KvType = "f16" | "f32" | "q8_0" | "q4_0";

/** What the matrices of a repository of floats become. */
export type Quantize =
  | "auto"
  | "f32"
  | "f16"
  | "bf16"
  | "q8_0"
  | "q6_k"
  | "q5_k"
  | "q5_1"
  | "q5_0"
  | "q4_k"
  | "q4_1"
  | "q4_0"
  | "q3_k"
  | "q2_k";

/** How the states of a text's tokens become one vector. */
export type Pooling = "none" | "mean" | "cls" | "last";

/** The options of each call. */
export interface Options {
  load: LoadOptions;
  generate: GenerateOptions;
  tokenize: TokenizeOptions;
  detokenize: DetokenizeOptions;
  bench: BenchOptions;
  renderChat: RenderChatOptions;
  "adapters.load": AdapterOptions;
  score: ScoreOptions;
  embed: EmbedOptions;
  rerank: ScoringOptions;
  classify: ScoringOptions;
  fillMask: FillOptions;
  "chat.completions.create": ChatRequest;
  "completions.create": CompletionRequest;
}

/** How a model is loaded. */
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
   * Threads that compute on the CPU; by default one a core, at most 8, and in a page one less than cores. A page has them
   * if it is cross-origin isolated; elsewhere there is one. From 1 to 256.
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
  /** Prompt tokens computed at once. From 1 to 4096. */
  maxBatchTokens?: number;
  /**
   * How the cache stores keys and values. `q8_0` takes 53 % of the memory of `f16`, `q4_0` 28 % and costs accuracy; both want
   * heads that are a multiple of 32 long. Models that embed always keep f32. By default `f16`.
   */
  kvType?: KvType;
  /** `false` keeps the kernels to f32 on an adapter with `shader-f16`. By default true. */
  f16?: boolean;
  /** `false` keeps the kernels off subgroup operations. By default true. */
  subgroups?: boolean;
  /** `false` keeps the kernels off packed integer products. By default true. */
  dot?: boolean;
  /**
   * Whether kernels are measured, for up to 1.5 s, where the adapter and model are new; by default on a real GPU.
   */
  tune?: boolean;
  /**
   * Of a mixture of experts, so many experts of each layer are in memory; the others stay in the browser's store or the file,
   * and are read when a token takes them, in the place of those that were taken longest ago. At least as many as a token takes.
   * It is for models that are larger than the memory, and costs speed. By default all are in memory. From 1.
   */
  experts?: number;
  /**
   * What the matrices of a repository of safetensors become while they come: `auto` is `q8_0`, and of weights that are
   * quantised already what holds these. With fewer bits embedding and logits stay `q8_0`. A GGUF file's are what they are:
   * there it is an error. By default `auto`.
   */
  quantize?: Quantize;
}

/**
 * How a reply is made. What is not given is as the file recommends, else as chats are; a temperature of 0 takes the best token
 * always.
 */
export interface GenerateOptions {
  /** The longest reply, in tokens; by default until the context is full. */
  maxTokens?: number;
  /**
   * Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy. By default as the file says, else
   * 0.8. From 0 to 100.
   */
  temperature?: number;
  /** Only the k best tokens; 0 for all. By default as the file says, else 40. */
  topK?: number;
  /**
   * Only the best tokens that reach this probability together; 1 for all. By default as the file says, else 0.95. From 0 to 1.
   */
  topP?: number;
  /**
   * Only tokens at least this likely compared with the best; 0 for all. By default as the file says, else 0.05. From 0 to 1.
   */
  minP?: number;
  /**
   * Divides (multiplies, below zero) the logits of recent tokens; 1 for none. By default as the file says, else 1. From 0.01 to 100.
   */
  repeatPenalty?: number;
  /**
   * How many of the last tokens the penalties look at, the prompt's included. By default as the file says, else 64.
   */
  repeatLastN?: number;
  /** Subtracted once from each recent token's logit. From -100 to 100. By default 0. */
  presencePenalty?: number;
  /** Subtracted from a recent token's logit for each time it occurred. From -100 to 100. By default 0. */
  frequencyPenalty?: number;
  /** Added to the logits of these token ids; `-Infinity` bans a token. */
  logitBias?: Record<number, number>;
  /**
   * The same seed, prompt and options give the same reply on the same machine; by default each reply is another one.
   */
  seed?: number;
  /** Texts that end the reply; they are not part of it. */
  stop?: string | string[];
  /** Token ids that end the reply, beside the model's own. */
  stopTokens?: number[];
  /**
   * Whether tokens are guessed by what followed the same words before, in prompt and reply: several right ones then come
   * of one pass, and the reply stays the same (on a GPU, but for tokens that are as good as equally likely). `auto`: where
   * it is quicker, as measured; a number: so many a pass, in any case. Not while other replies are under way, nor under a
   * grammar. By default `auto`.
   */
  speculate?: ("auto" | "off") | number;
  /** How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none. */
  adapter?: Record<string, number>;
  /**
   * What the order of work is to serve where several replies are under way. `latency`: that nobody's next token waits long
   * for another's prompt; `throughput`: that all are done as soon as can be, as is right for work that nobody watches. By default `latency`.
   */
  schedule?: "latency" | "throughput";
  /**
   * What becomes of a reply that fills the context. `stop` ends it; `shift` goes on: the oldest tokens leave the context, a
   * quarter of it at a time, all but the first four, and what was computed of the others is moved.
   */
  overflow?: "stop" | "shift";
  /**
   * Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
   * same in the order in which they came. The next tokens of all go on side by side. From -1000 to 1000. By default 0.
   */
  priority?: number;
  /** No chat template; special tokens in the prompt are parsed. By default false. */
  raw?: boolean;
}

/** How a text is read. */
export interface TokenizeOptions {
  /** Add what the model puts around a text: BOS and EOS, where the file asks for them. By default false. */
  addSpecial?: boolean;
  /** Read texts such as `<|im_start|>` as the tokens they name. By default false. */
  parseSpecial?: boolean;
}

/** How tokens become text. */
export interface DetokenizeOptions {
  /** Show control tokens as their text instead of leaving them out. By default false. */
  keepSpecial?: boolean;
}

/** What is measured. */
export interface BenchOptions {
  /** Tokens of the made-up prompt: one length, or several to compare. By default 256. */
  promptTokens?: number | number[];
  /** Tokens to generate after it. By default 64. */
  genTokens?: number;
  /** Each figure is the median of so many runs. From 1. By default 3. */
  runs?: number;
  /** Time every kernel too; `bad_option` where the adapter or browser cannot. By default false. */
  profile?: boolean;
}

/** What a chat template is given beside the messages. */
export interface RenderChatOptions {
  /** Tools in OpenAI's form. */
  tools?: unknown[];
  /** Variables of the template by name, such as `enable_thinking` or `documents`. */
  variables?: {
    [k: string]: unknown;
  };
  /** End with the start of the assistant's turn. By default false. */
  addGenerationPrompt?: boolean;
  /** What time it is for the template, in seconds since 1970; by default it is now. */
  now?: number;
}

/** How an adapter is loaded. */
export interface AdapterOptions {
  /** What calls use it by: `adapter: { [id]: scale }`. By default ``. */
  id?: string;
}

/** How a text is scored. */
export interface ScoreOptions {
  /** How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none. */
  adapter?: Record<string, number>;
}

/** How texts become vectors. */
export interface EmbedOptions {
  /** How the states of a text's tokens become one vector; by default as the file says. */
  pooling?: Pooling;
  /**
   * `false` leaves vectors as long as they come; else their length is 1, so that a dot product is their cosine. By default true.
   */
  normalize?: boolean;
  /**
   * Numbers that are kept of each vector, the first ones, of models that were trained for it; by default all. From 1.
   */
  dimensions?: number;
  /** What stands before each text, such as `query: `; what a model wants is on its page. */
  prompt?: string;
  /** Texts longer than the context lose their ends; else they are an error. By default false. */
  truncate?: boolean;
  /** How much of which adapters, by the ids that they were loaded by: `{ poet: 1 }`. By default none. */
  adapter?: Record<string, number>;
}

/** How texts are scored. */
export interface ScoringOptions {
  /** Texts longer than the context lose their ends; else they are an error. By default false. */
  truncate?: boolean;
}

/** How masked words are filled in. */
export interface FillOptions {
  /** Words that are given, the likeliest first. From 1 to 100. By default 5. */
  top?: number;
}
