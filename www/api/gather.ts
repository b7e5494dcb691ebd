/** A streamed chat of one reply, put together as it comes. */
import type {
  ChatCompletionChunk,
  ChatReplyMessage,
  ChunkChoice,
  ChunkDelta,
  CompletionUsage,
} from "../wire/generated.js";
import type { ChatToolCall } from "../wire/openai.js";

type FunctionCall = Extract<ChatToolCall, { type: "function" }>;

export class Gathered {
  message: ChatReplyMessage = { role: "assistant", content: null, refusal: null };
  usage: CompletionUsage = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  /** Why it ended, once it has. */
  finish_reason: ChunkChoice["finish_reason"] = null;
  finish_details: ChunkChoice["finish_details"];
  dropped: number[] | undefined;
  #calls: FunctionCall[] = [];

  /** What the chunk adds to the message. */
  add({ choices: [choice], usage, dropped }: ChatCompletionChunk): ChunkDelta | undefined {
    this.usage = usage ?? this.usage;
    this.dropped = dropped ?? this.dropped;
    if (!choice) return undefined;
    this.finish_reason = choice.finish_reason ?? this.finish_reason;
    this.finish_details = choice.finish_details ?? this.finish_details;
    const { content, reasoning_content, tool_calls } = choice.delta;
    const { message } = this;
    if (content) message.content = (message.content ?? "") + content;
    if (reasoning_content) message.reasoning_content = (message.reasoning_content ?? "") + reasoning_content;
    for (const { index, id, function: called } of tool_calls ?? []) {
      this.#calls[index] ??= { id: "", type: "function", function: { name: "", arguments: "" } };
      const call = this.#calls[index];
      call.id = id ?? call.id;
      call.function.name = called?.name ?? call.function.name;
      call.function.arguments += called?.arguments ?? "";
      message.tool_calls = this.#calls;
    }
    return choice.delta;
  }

  /** As a whole answer has it: what says nothing is empty text. */
  finished(): ChatReplyMessage {
    if (!this.message.tool_calls) this.message.content ??= "";
    return this.message;
  }
}
