/** Replies that were stopped before the engine began them, where the caller asked for a result of those. */
import { isOurs } from "../wire/errors.js";
import type { ChatCompletion, ChatCompletionChunk, ChatRequest, Chunk, Completion } from "../wire/protocol.js";

type Answer = ChatCompletion | ChatCompletionChunk | Completion;

/** Whether a call ended because its caller stopped it. */
export const isAborted = (thrown: unknown): boolean => isOurs(thrown) && thrown.code === "aborted";

/** A piece that ends a reply without any. */
export const stoppedPiece = (): Chunk => ({
  text: "",
  tokens: [],
  finishReason: "abort",
  usage: { promptTokens: 0, completionTokens: 0 },
  promptTokens: [],
});

/** The answer, or the only chunk, of a request of which nothing was computed. */
export function stoppedAnswer(call: string, request: ChatRequest, model: string): Answer {
  const { stream, n } = request;
  const common = { created: Math.floor(Date.now() / 1000), model };
  const usage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  const choices = (rest: object) =>
    Array.from({ length: n ?? 1 }, (_, index) => ({ index, ...rest, finish_reason: "abort" }));
  const id = crypto.randomUUID();
  if (call === "completions.create") {
    const answer = { id: `cmpl-${id}`, object: "text_completion", choices: choices({ text: "", logprobs: null }) };
    return { ...answer, ...common, ...(!stream && { usage }) } as unknown as Completion;
  }
  if (stream) {
    const answer = { id: `chatcmpl-${id}`, object: "chat.completion.chunk", choices: choices({ delta: {} }) };
    return { ...answer, ...common } as unknown as ChatCompletionChunk;
  }
  const message = { role: "assistant", content: "", refusal: null };
  const answer = { id: `chatcmpl-${id}`, object: "chat.completion", choices: choices({ message, logprobs: null }) };
  return { ...answer, ...common, usage } as unknown as ChatCompletion;
}
