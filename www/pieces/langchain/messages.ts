/** Answers as LangChain's messages. */
import { AIMessage, AIMessageChunk, type UsageMetadata } from "@langchain/core/messages";
import type { ChatCompletion, ChatCompletionChunk, CompletionUsage } from "sotto";

/** A reply. Calls whose arguments are no JSON, since a limit cut them, are invalid ones. */
export function replyOf({ id, model, choices: [choice], usage }: ChatCompletion): AIMessage {
  const { message, finish_reason } = choice!;
  const calls = (message.tool_calls ?? []).flatMap((call) => (call.type === "function" ? [call] : []));
  const read = calls.map((call) => ({ call, args: parsed(call.function.arguments) }));
  const type = "tool_call" as const;
  return new AIMessage({
    id,
    content: message.content ?? "",
    tool_calls: read.flatMap(({ call, args }) => (args ? [{ type, id: call.id, name: call.function.name, args }] : [])),
    invalid_tool_calls: read.flatMap(({ call: { id, function: called }, args }) =>
      args
        ? []
        : [
            {
              type: "invalid_tool_call" as const,
              id,
              name: called.name,
              args: called.arguments,
              error: "It is no JSON.",
            },
          ],
    ),
    additional_kwargs: thought(message.reasoning_content),
    response_metadata: { model_provider: "sotto", model_name: model, finish_reason },
    ...(usage && { usage_metadata: usageOf(usage) }),
  });
}

/** What a chunk adds; LangChain puts them together. */
export function chunkOf({ id, model, choices: [choice], usage }: ChatCompletionChunk): AIMessageChunk {
  const { content, reasoning_content, tool_calls = [] } = choice?.delta ?? {};
  const reason = choice?.finish_reason;
  return new AIMessageChunk({
    id,
    content: content ?? "",
    tool_call_chunks: tool_calls.map(({ index, id, function: called }) => ({
      type: "tool_call_chunk" as const,
      index,
      ...(id !== undefined && { id }),
      ...(called?.name !== undefined && { name: called.name }),
      args: called?.arguments ?? "",
    })),
    additional_kwargs: thought(reasoning_content),
    response_metadata: reason ? { model_provider: "sotto", model_name: model, finish_reason: reason } : {},
    ...(usage && { usage_metadata: usageOf(usage) }),
  });
}

export const textOf = ({ content }: AIMessage | AIMessageChunk): string => (typeof content === "string" ? content : "");

const thought = (text: string | undefined) => (text ? { reasoning_content: text } : {});

function usageOf(usage: CompletionUsage): UsageMetadata {
  return {
    input_tokens: usage.prompt_tokens,
    output_tokens: usage.completion_tokens,
    total_tokens: usage.total_tokens,
    input_token_details: { cache_read: usage.prompt_tokens_details?.cached_tokens ?? 0 },
    output_token_details: { reasoning: usage.completion_tokens_details?.reasoning_tokens ?? 0 },
  };
}

function parsed(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text || "{}");
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
