/**
 * What requests in OpenAI's shapes take.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

import type { TextPart, ChatMessage, ChatTool, ToolChoice, ResponseFormat } from "../openai.js";

/**
 * `error` refuses it; `trim` drops the oldest turns, and the reply tells which; `shift` drops more of them less often, and what was
 * computed of those that stay is moved instead of read again, though it remembers those that went.
 */
export type Overflow = "error" | "trim" | "shift";

/** How long a model thinks. */
export type ReasoningEffort = "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max";

/** A request of `chat.completions.create`. */
export interface ChatRequest {
  /** The conversation so far, the oldest message first. */
  messages: ChatMessage[];
  /** The longest reply, in tokens; by default until the context is full. */
  max_completion_tokens?: number | null;
  /** Whether the answer tells the probability of each token of the reply. */
  logprobs?: boolean | null;
  /**
   * How many of the likeliest tokens are told at each place, beside the one that was chosen; wants `logprobs`. From 0 to 20.
   */
  top_logprobs?: number | null;
  /** How long the model thinks, where its template knows of it: `none` turns thinking off. */
  reasoning_effort?: ReasoningEffort | null;
  /**
   * What the reply must be: text by default; JSON, by a schema or any object; or, Sotto's own, what a regular expression
   * matches or a grammar derives. What cannot be kept is refused.
   */
  response_format?: ResponseFormat;
  /** What the model may call. */
  tools?: ChatTool[];
  /**
   * Whether the model may call tools: `auto` by default, `none` hides the tools from it, `required` or the choice of one
   * (`{type: "function", function: {name}}`) makes it call; one of type `allowed_tools` leaves some of them.
   */
  tool_choice?: ToolChoice;
  /**
   * Whether a reply may hold several calls; of those that are forced there are at most 8, of a chosen tool's one.
   */
  parallel_tool_calls?: boolean;
  /**
   * The longest reply, in tokens. In a chat, `max_completion_tokens` is taken where both are given; a completion has
   * 16 by default.
   */
  max_tokens?: number | null;
  /** Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy. From 0 to 100. */
  temperature?: number | null;
  /** Only the best tokens that reach this probability together; 1 for all. From 0 to 1. */
  top_p?: number | null;
  /** How many replies to make; each has the seed after the one before. From 1 to 128. */
  n?: number | null;
  /** Texts that end the reply; they are not part of it. */
  stop?: string | string[] | null;
  /** The same seed and request give the same reply on the same machine; by default each reply is another one. */
  seed?: number | null;
  /** Added to the logits of these token ids, from -100, which bans a token, to 100. */
  logit_bias?: { [key: string]: number } | null;
  /** Subtracted from a recent token's logit for each time it occurred. From -100 to 100. */
  frequency_penalty?: number | null;
  /** Subtracted once from each recent token's logit. From -100 to 100. */
  presence_penalty?: number | null;
  /** Whether the answer comes in chunks, as it is written. */
  stream?: boolean | null;
  /** What a streamed answer tells beside its text. */
  stream_options?: { include_usage?: boolean; include_obfuscation?: boolean } | null;
  /** Only the k best tokens; 0 for all. */
  top_k?: number;
  /** Only tokens at least this likely compared with the best; 0 for all. From 0 to 1. */
  min_p?: number;
  /** Divides (multiplies, below zero) the logits of recent tokens; 1 for none. From 0.01 to 100. */
  repeat_penalty?: number;
  /** How many of the last tokens the penalties look at, the prompt's included. */
  repeat_last_n?: number;
  /** Token ids that end the reply, beside the model's own. */
  stop_token_ids?: number[];
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
   * Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
   * same in the order in which they came. The next tokens of all go on side by side. From -1000 to 1000. By default 0.
   */
  priority?: number;
  /** Variables of the chat template by name, such as `enable_thinking` or `documents`. */
  chat_template_kwargs?: {
    [k: string]: unknown;
  };
  /** What to do with a conversation that leaves no room for a reply. */
  overflow?: Overflow;
  /** How the model thinks. */
  reasoning?: { max_tokens?: number | null } | null;
  /** Accepted and ignored: the loaded model answers. */
  model?: string;
  /** Accepted and ignored: users are not told apart. */
  user?: string;
  /** Accepted and ignored: users are not told apart. */
  safety_identifier?: string | null;
  /** Accepted and ignored: answers are not stored. */
  store?: boolean | null;
  /** Accepted and ignored: answers are not stored. */
  metadata?: { [key: string]: string } | null;
  /** Accepted and ignored: there is one level of service. */
  service_tier?: "auto" | "default" | "flex" | "scale" | "priority" | null;
  /** Accepted and ignored: what was computed of an earlier prompt is found without a key. */
  prompt_cache_key?: string | null;
  /** Accepted and ignored: the cache keeps what it has room for. */
  prompt_cache_retention?: "in_memory" | "24h" | null;
  /** Accepted as `["text"]`: models here write nothing else. */
  modalities?: ("text" | "audio")[] | null;
  /** Accepted as `"medium"`, which is what it is. */
  verbosity?: "low" | "medium" | "high" | null;
  /** Accepted as `null`: replies are not predicted. */
  prediction?: { type: "content"; content: string | TextPart[] } | null;
  /** Accepted as `null`: models here do not speak. */
  audio?: { format: "wav" | "aac" | "mp3" | "flac" | "opus" | "pcm16"; voice: string | { id: string } } | null;
}

/** A request of `completions.create`: text that goes on as it is, with no template. */
export interface CompletionRequest {
  /**
   * The text to continue, or its token ids; or a list of texts or of lists of ids, each of which is continued.
   */
  prompt: string | string[] | number[] | number[][] | null;
  /** Whether the reply starts with the prompt. */
  echo?: boolean | null;
  /**
   * How many of the likeliest tokens are told at each place, with their probabilities; not with `echo`. From 0 to 20.
   */
  logprobs?: number | null;
  /**
   * The longest reply, in tokens. In a chat, `max_completion_tokens` is taken where both are given; a completion has
   * 16 by default.
   */
  max_tokens?: number | null;
  /** Divides the logits: below 1 likely tokens become likelier, above 1 less so; 0 is greedy. From 0 to 100. */
  temperature?: number | null;
  /** Only the best tokens that reach this probability together; 1 for all. From 0 to 1. */
  top_p?: number | null;
  /** How many replies to make; each has the seed after the one before. From 1 to 128. */
  n?: number | null;
  /** Texts that end the reply; they are not part of it. */
  stop?: string | string[] | null;
  /** The same seed and request give the same reply on the same machine; by default each reply is another one. */
  seed?: number | null;
  /** Added to the logits of these token ids, from -100, which bans a token, to 100. */
  logit_bias?: { [key: string]: number } | null;
  /** Subtracted from a recent token's logit for each time it occurred. From -100 to 100. */
  frequency_penalty?: number | null;
  /** Subtracted once from each recent token's logit. From -100 to 100. */
  presence_penalty?: number | null;
  /** Whether the answer comes in chunks, as it is written. */
  stream?: boolean | null;
  /** What a streamed answer tells beside its text. */
  stream_options?: { include_usage?: boolean; include_obfuscation?: boolean } | null;
  /** Only the k best tokens; 0 for all. */
  top_k?: number;
  /** Only tokens at least this likely compared with the best; 0 for all. From 0 to 1. */
  min_p?: number;
  /** Divides (multiplies, below zero) the logits of recent tokens; 1 for none. From 0.01 to 100. */
  repeat_penalty?: number;
  /** How many of the last tokens the penalties look at, the prompt's included. */
  repeat_last_n?: number;
  /** Token ids that end the reply, beside the model's own. */
  stop_token_ids?: number[];
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
   * Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
   * same in the order in which they came. The next tokens of all go on side by side. From -1000 to 1000. By default 0.
   */
  priority?: number;
  /** Accepted and ignored: the loaded model answers. */
  model?: string;
  /** Accepted and ignored: users are not told apart. */
  user?: string;
  /** Accepted and ignored: users are not told apart. */
  safety_identifier?: string | null;
  /** Accepted and ignored: answers are not stored. */
  store?: boolean | null;
  /** Accepted and ignored: answers are not stored. */
  metadata?: { [key: string]: string } | null;
  /** Accepted and ignored: there is one level of service. */
  service_tier?: "auto" | "default" | "flex" | "scale" | "priority" | null;
  /** Accepted and ignored: what was computed of an earlier prompt is found without a key. */
  prompt_cache_key?: string | null;
  /** Accepted and ignored: the cache keeps what it has room for. */
  prompt_cache_retention?: "in_memory" | "24h" | null;
  /** Accepted as 1: every reply is given; `n` makes several. From 1 to 1. */
  best_of?: number | null;
  /** Accepted as `null`: texts go on, nothing is put between two of them. */
  suffix?: string | null;
}

/** How Sotto samples beyond what OpenAI's API can say. */
export interface SottoSampling {
  /** Only the k best tokens; 0 for all. */
  top_k?: number;
  /** Only tokens at least this likely compared with the best; 0 for all. From 0 to 1. */
  min_p?: number;
  /** Divides (multiplies, below zero) the logits of recent tokens; 1 for none. From 0.01 to 100. */
  repeat_penalty?: number;
  /** How many of the last tokens the penalties look at, the prompt's included. */
  repeat_last_n?: number;
  /** Token ids that end the reply, beside the model's own. */
  stop_token_ids?: number[];
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
   * Its place in line: a reply of a lower number has room, and its prompt read, before those of higher ones; those of the
   * same in the order in which they came. The next tokens of all go on side by side. From -1000 to 1000. By default 0.
   */
  priority?: number;
}

/** Options of a chat beyond OpenAI's API. */
export interface SottoOptions {
  /** Variables of the chat template by name, such as `enable_thinking` or `documents`. */
  chat_template_kwargs?: {
    [k: string]: unknown;
  };
  /** What to do with a conversation that leaves no room for a reply. */
  overflow?: Overflow;
  /** How the model thinks. */
  reasoning?: { max_tokens?: number | null } | null;
}
