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

/** A piece of a streamed chat. */
export interface ChatCompletionChunk {
  /** Tells this shape from others. */
  object: "chat.completion.chunk";
  /** The answer's id. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** One; empty in the last chunk where `stream_options.include_usage` asks for the usage. */
  choices: ChunkChoice[];
  /** The tokens that the request took. */
  usage?: CompletionUsage | null;
  /**
   * Sotto's own, in the first chunk: the places of the request's messages that were left out (`overflow`: `"trim"` or `"shift"`).
   */
  dropped?: number[];
  /**
   * Sotto's own: so many of the oldest tokens have left the context since the chunk before (`overflow: "shift"`).
   */
  shifted?: number;
}

/** What a chunk adds to one reply. */
export interface ChunkChoice {
  /** Its place, from 0. */
  index: number;
  /** What it adds to the message. */
  delta: ChunkDelta;
  /** The probabilities of its tokens, where `logprobs` asks for them. */
  logprobs?: ChoiceLogprobs | null;
  /** Why it ended; `null` before that. */
  finish_reason: ChatFinishReason | null;
  /** Sotto's own: which limit ended it. */
  finish_details?: FinishDetails;
}

/** What a chunk adds to a message; the first has the role. */
export interface ChunkDelta {
  /** The assistant's, in the first chunk. */
  role?: "developer" | "system" | "user" | "assistant" | "tool";
  /** More of its text. */
  content?: string | null;
  /** Not OpenAI's: what the model thinks. */
  reasoning_content?: string;
  /** More of the tools that it calls. */
  tool_calls?: ToolCallDelta[];
}

/** What a chunk adds to a call; the call's first has id and name. */
export interface ToolCallDelta {
  /** Its place, from 0. */
  index: number;
  /** The call's id; its result is sent back with it. */
  id?: string;
  /** Always that of a function. */
  type?: "function";
  /** What the chunk adds to the function and its arguments. */
  function?: CalledFunctionDelta;
}

/** What a chunk adds to the function of a call. */
export interface CalledFunctionDelta {
  /** Its name. */
  name?: string;
  /** More of the text of JSON. */
  arguments?: string;
}

/** Sotto's own: which limit ended a reply. */
export interface FinishDetails {
  /** The limit. */
  type: "max_tokens" | "context_full";
}

/** The answer of a chat. */
export interface ChatCompletion {
  /** Tells this shape from others. */
  object: "chat.completion";
  /** The answer's id. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** The replies: `n` of them. */
  choices: ChatChoice[];
  /** The tokens that the request took. */
  usage?: CompletionUsage;
  /**
   * Sotto's own: the places of the request's messages that were left out (`overflow`: `"trim"` or `"shift"`).
   */
  dropped?: number[];
}

/** One reply. */
export interface ChatChoice {
  /** Its place, from 0. */
  index: number;
  /** The assistant's message. */
  message: ChatReplyMessage;
  /** The probabilities of its tokens, where `logprobs` asks for them. */
  logprobs: ChoiceLogprobs | null;
  /** Why it ended. */
  finish_reason: ChatFinishReason;
  /** Sotto's own: which limit ended it. */
  finish_details?: FinishDetails;
}

/** The assistant's message, fit to be sent back. */
export interface ChatReplyMessage {
  /** Always the assistant's. */
  role: "assistant";
  /** Its text; `null` where there are only calls. */
  content: string | null;
  /** Always `null`: what a model refuses, it says in its text. */
  refusal: string | null;
  /** Not OpenAI's: what the model thought before. */
  reasoning_content?: string;
  /** The tools that it calls. */
  tool_calls?: ChatToolCall[];
}

/** What a request took, all its replies together. */
export interface CompletionUsage {
  /** Tokens of the prompt, counted once. */
  prompt_tokens: number;
  /** Tokens of the replies, those that ended them included. */
  completion_tokens: number;
  /** The sum of both. */
  total_tokens: number;
  /** How many of them were of a kind. */
  prompt_tokens_details?: PromptTokensDetails;
  /** How many of them were of a kind. */
  completion_tokens_details?: CompletionTokensDetails;
  /**
   * Sotto's own: tokens that left the context while the replies were written (`overflow: "shift"`), where some did.
   */
  shifted_tokens?: number;
}

/** What a prompt's tokens were. */
export interface PromptTokensDetails {
  /** Those whose keys and values were there from before. */
  cached_tokens?: number;
}

/** What a reply's tokens were. */
export interface CompletionTokensDetails {
  /**
   * Those of `reasoning_content`: the tags around it are none of them, whether the model wrote them or a limit did.
   */
  reasoning_tokens?: number;
  /** Those that were guessed and right (`speculate`): each is a pass of the model less. */
  accepted_prediction_tokens?: number;
  /** Guesses that were wrong: none of them is in a reply. */
  rejected_prediction_tokens?: number;
}

/** The answer of `completions.create`, whole or a piece of it. */
export interface Completion {
  /** Tells this shape from others. */
  object: "text_completion";
  /** The answer's id. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** The replies: `n` of them. */
  choices: CompletionChoice[];
  /** The tokens that the request took. */
  usage?: CompletionUsage;
}

/** One reply, or a piece of it. */
export interface CompletionChoice {
  /** Its place, from 0. */
  index: number;
  /** What was written. */
  text: string;
  /** The probabilities of its tokens, where `logprobs` asks for them. */
  logprobs: CompletionLogprobs | null;
  /** `null` in all pieces of a streamed reply but its last. */
  finish_reason: "stop" | "length" | "content_filter";
  /** Sotto's own: which limit ended it. */
  finish_details?: FinishDetails;
}

/**
 * The probabilities of a reply's tokens, by the model's own logits: no temperature, no bias, no penalty, no cut.
 */
export interface ChoiceLogprobs {
  /** Of each token of the text. */
  content: TokenLogprob[] | null;
  /** Always `null`. */
  refusal: TokenLogprob[] | null;
}

/** How likely a token was. */
export interface TokenLogprob {
  /** Its text; half a character is U+FFFD. */
  token: string;
  /** Its bytes. */
  bytes: number[] | null;
  /** Its natural logarithm. */
  logprob: number;
  /** The likeliest, as many as were asked for. */
  top_logprobs: TopLogprob[];
}

/** A token, and how likely it was. */
export interface TopLogprob {
  /** Its text; half a character is U+FFFD. */
  token: string;
  /** Its bytes. */
  bytes: number[] | null;
  /** Its natural logarithm. */
  logprob: number;
}

/** Each list has a place for each token of the reply. */
export interface CompletionLogprobs {
  /** Their texts; `bytes:\\xe2` is a part of a character. */
  tokens?: string[];
  /** The logarithms of their probabilities. */
  token_logprobs?: number[];
  /** The likeliest, by their texts. */
  top_logprobs?: {
    [k: string]: number;
  }[];
  /** Where each begins in the text, in UTF-16 units. */
  text_offset?: number[];
}
