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
  /** What this is. */
  object: "chat.completion.chunk";
  /** Names the answer. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** None in the last chunk, where that has the usage. */
  choices: ChunkChoice[];
  /** What the request took. */
  usage?: CompletionUsage | null;
  /**
   * Sotto's own, in the first chunk: the places of the request's messages that were left out (`overflow: "trim"`).
   */
  dropped?: number[];
}

/** What one reply has more. */
export interface ChunkChoice {
  /** Which of them. */
  index: number;
  /** More of its message. */
  delta: ChunkDelta;
  /** How likely its tokens were. */
  logprobs?: ChoiceLogprobs | null;
  /** Why it ended; `null` before that. */
  finish_reason: ChatFinishReason | null;
  /** Sotto's own: which limit ended it. */
  finish_details?: FinishDetails;
}

/** What a message has more; the first has the role. */
export interface ChunkDelta {
  /** The assistant's, once. */
  role?: "developer" | "system" | "user" | "assistant" | "tool";
  /** More of its text. */
  content?: string | null;
  /** Not OpenAI's: what the model thinks. */
  reasoning_content?: string;
  /** More of its calls. */
  tool_calls?: ToolCallDelta[];
}

/** More of a call; its first piece has id and name. */
export interface ToolCallDelta {
  /** Which of them. */
  index: number;
  /** Names the call. */
  id?: string;
  /** That of a function. */
  type?: "function";
  /** More of what is called. */
  function?: CalledFunctionDelta;
}

/** More of a function of a call. */
export interface CalledFunctionDelta {
  /** Its name. */
  name?: string;
  /** More of its JSON. */
  arguments?: string;
}

/** Sotto's own: which limit ended a reply. */
export interface FinishDetails {
  /** Which one. */
  type: "max_tokens" | "context_full";
}

/** The answer of a chat. */
export interface ChatCompletion {
  /** What this is. */
  object: "chat.completion";
  /** Names the answer. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** The replies. */
  choices: ChatChoice[];
  /** What the request took. */
  usage?: CompletionUsage;
  /** Sotto's own: the places of the request's messages that were left out (`overflow: "trim"`). */
  dropped?: number[];
}

/** One reply. */
export interface ChatChoice {
  /** Which of them. */
  index: number;
  /** What was said. */
  message: ChatReplyMessage;
  /** How likely its tokens were. */
  logprobs: ChoiceLogprobs | null;
  /** Why it ended. */
  finish_reason: ChatFinishReason;
  /** Sotto's own: which limit ended it. */
  finish_details?: FinishDetails;
}

/** The assistant's message, fit to be sent back. */
export interface ChatReplyMessage {
  /** The assistant's. */
  role: "assistant";
  /** `null` where there are calls alone. */
  content: string | null;
  /** Never: a model here does not refuse apart from its text. */
  refusal: string | null;
  /** Not OpenAI's: what the model thought before. */
  reasoning_content?: string;
  /** What it calls. */
  tool_calls?: ChatToolCall[];
}

/** What a request took, all its replies together. */
export interface CompletionUsage {
  /** Those of the prompt, counted once. */
  prompt_tokens: number;
  /** Those of the replies, the ones that ended them included. */
  completion_tokens: number;
  /** Both. */
  total_tokens: number;
  /** What they were. */
  prompt_tokens_details?: PromptTokensDetails;
  /** What they were. */
  completion_tokens_details?: CompletionTokensDetails;
}

/** What a prompt's tokens were. */
export interface PromptTokensDetails {
  /** Those whose keys and values were there from before. */
  cached_tokens?: number;
}

/** What a reply's tokens were. */
export interface CompletionTokensDetails {
  /** Those of `reasoning_content`. */
  reasoning_tokens?: number;
}

/** The answer of `completions.create`, whole or a piece of it. */
export interface Completion {
  /** What this is. */
  object: "text_completion";
  /** Names the answer. */
  id: string;
  /** Seconds since 1970. */
  created: number;
  /** The loaded model's name. */
  model: string;
  /** The version of Sotto. */
  system_fingerprint?: string;
  /** The replies. */
  choices: CompletionChoice[];
  /** What the request took. */
  usage?: CompletionUsage;
}

/** One reply, or a piece of it. */
export interface CompletionChoice {
  /** Which of them. */
  index: number;
  /** What was written. */
  text: string;
  /** How likely its tokens were. */
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
  /** Never. */
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
