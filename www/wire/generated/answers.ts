/**
 * What requests in OpenAI's shapes are answered with.
 *
 * Generated from the Rust code by `npm run wire`: change it there (crate/wire, crate/base/error.rs).
 */

import type { ChatToolCall } from "../openai.js";

/**
 * Why a reply ended. `length`: the limit that was set, or a full context; `finish_details` tells which. `abort`: the
 * caller stopped it, and asked for what there was.
 */
export type ChatFinishReason = "stop" | "length" | "tool_calls" | "content_filter" | "function_call";

/**
 * A piece of a streamed chat.
 */
export interface ChatCompletionChunk {
  object: "chat.completion.chunk";
  id: string;
  /**
   * Seconds since 1970.
   */
  created: number;
  /**
   * The loaded model's name.
   */
  model: string;
  /**
   * The version of Sotto.
   */
  system_fingerprint?: string;
  /**
   * None in the last chunk, where that has the usage.
   */
  choices: ChunkChoice[];
  usage?: CompletionUsage | null;
  /**
   * Sotto's own, in the first chunk: the places of the request's messages that were left out (`overflow: "trim"`).
   */
  dropped?: number[];
}

/**
 * What one reply has more.
 */
export interface ChunkChoice {
  index: number;
  delta: ChunkDelta;
  logprobs?: ChoiceLogprobs | null;
  finish_reason: ChatFinishReason | null;
  finish_details?: FinishDetails;
}

/**
 * What a message has more; the first has the role.
 */
export interface ChunkDelta {
  role?: "developer" | "system" | "user" | "assistant" | "tool";
  content?: string | null;
  /**
   * Not OpenAI's: what the model thinks.
   */
  reasoning_content?: string;
  tool_calls?: ToolCallDelta[];
}

/**
 * More of a call; its first piece has id and name.
 */
export interface ToolCallDelta {
  index: number;
  id?: string;
  type?: "function";
  function?: CalledFunctionDelta;
}

export interface CalledFunctionDelta {
  name?: string;
  arguments?: string;
}

/**
 * Sotto's own: which limit ended a reply.
 */
export interface FinishDetails {
  /**
   * `max_tokens`: the one that the request sets; `context_full`: prompt and reply fill the context.
   */
  type: "max_tokens" | "context_full";
}

/**
 * The answer of a chat.
 */
export interface ChatCompletion {
  object: "chat.completion";
  id: string;
  /**
   * Seconds since 1970.
   */
  created: number;
  /**
   * The loaded model's name.
   */
  model: string;
  /**
   * The version of Sotto.
   */
  system_fingerprint?: string;
  choices: ChatChoice[];
  usage?: CompletionUsage;
  /**
   * Sotto's own: the places of the request's messages that were left out (`overflow: "trim"`).
   */
  dropped?: number[];
}

/**
 * One reply.
 */
export interface ChatChoice {
  index: number;
  message: ChatReplyMessage;
  logprobs: ChoiceLogprobs | null;
  finish_reason: ChatFinishReason;
  finish_details?: FinishDetails;
}

/**
 * The assistant's message, fit to be sent back.
 */
export interface ChatReplyMessage {
  role: "assistant";
  /**
   * `null` where there are calls alone.
   */
  content: string | null;
  /**
   * Never: a model here does not refuse apart from its text.
   */
  refusal: string | null;
  /**
   * Not OpenAI's: what the model thought before.
   */
  reasoning_content?: string;
  tool_calls?: ChatToolCall[];
}

/**
 * What a request took, all its replies together.
 */
export interface CompletionUsage {
  prompt_tokens: number;
  /**
   * Those of the replies, the ones that ended them included.
   */
  completion_tokens: number;
  total_tokens: number;
  prompt_tokens_details?: PromptTokensDetails;
  completion_tokens_details?: CompletionTokensDetails;
}

export interface PromptTokensDetails {
  /**
   * Those whose keys and values were there from before.
   */
  cached_tokens?: number;
}

export interface CompletionTokensDetails {
  /**
   * Those of `reasoning_content`.
   */
  reasoning_tokens?: number;
}

/**
 * The answer of `completions.create`, whole or a piece of it.
 */
export interface Completion {
  object: "text_completion";
  id: string;
  /**
   * Seconds since 1970.
   */
  created: number;
  /**
   * The loaded model's name.
   */
  model: string;
  /**
   * The version of Sotto.
   */
  system_fingerprint?: string;
  choices: CompletionChoice[];
  usage?: CompletionUsage;
}

export interface CompletionChoice {
  index: number;
  text: string;
  logprobs: CompletionLogprobs | null;
  /**
   * `null` in all pieces of a streamed reply but its last.
   */
  finish_reason: "stop" | "length" | "content_filter";
  finish_details?: FinishDetails;
}

/**
 * The probabilities of a reply's tokens, by the model's own logits: no temperature, no bias, no penalty, no cut.
 */
export interface ChoiceLogprobs {
  content: TokenLogprob[] | null;
  refusal: TokenLogprob[] | null;
}

export interface TokenLogprob {
  /**
   * Its text; half a character is U+FFFD.
   */
  token: string;
  bytes: number[] | null;
  /**
   * Its natural logarithm.
   */
  logprob: number;
  /**
   * The likeliest, as many as were asked for.
   */
  top_logprobs: TopLogprob[];
}

export interface TopLogprob {
  /**
   * Its text; half a character is U+FFFD.
   */
  token: string;
  bytes: number[] | null;
  /**
   * Its natural logarithm.
   */
  logprob: number;
}

/**
 * Each list has a place for each token of the reply.
 */
export interface CompletionLogprobs {
  tokens?: string[];
  token_logprobs?: number[];
  top_logprobs?: {
    [k: string]: number;
  }[];
  /**
   * Where each begins in the text, in UTF-16 units.
   */
  text_offset?: number[];
}
