/** Answers as the SDK's results. */
import type {
  JSONObject,
  LanguageModelV3CallOptions,
  LanguageModelV3Content,
  LanguageModelV3FinishReason,
  LanguageModelV3GenerateResult,
  LanguageModelV3StreamPart,
  LanguageModelV3ToolCall,
  LanguageModelV3Usage,
  SharedV3Warning,
} from "@ai-sdk/provider";
import type { ChatCompletion, ChatCompletionChunk, CompletionUsage, FinishDetails } from "sotto";

/** The object without what is `undefined`. */
export function given<T extends object>(object: T | undefined): Partial<T> {
  return Object.fromEntries(Object.entries(object ?? {}).filter(([, value]) => value !== undefined)) as Partial<T>;
}

const REASONS: Record<string, LanguageModelV3FinishReason["unified"]> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool-calls",
  content_filter: "content-filter",
};

const reasonOf = (raw: string): LanguageModelV3FinishReason => ({ unified: REASONS[raw] ?? "other", raw });

function usageOf(usage: CompletionUsage | null | undefined): LanguageModelV3Usage {
  const { prompt_tokens: total, completion_tokens: written } = usage ?? {};
  const cacheRead = usage?.prompt_tokens_details?.cached_tokens;
  const reasoning = usage?.completion_tokens_details?.reasoning_tokens;
  return {
    inputTokens: { total, noCache: less(total, cacheRead), cacheRead, cacheWrite: undefined },
    outputTokens: { total: written, text: less(written, reasoning), reasoning },
    ...(usage && { raw: usage as unknown as JSONObject }),
  };
}

const less = (all: number | undefined, some: number | undefined) => (all === undefined ? undefined : all - (some ?? 0));

interface Told {
  finish_details?: FinishDetails | undefined;
  dropped?: number[] | undefined;
  logprobs?: unknown;
}

/** What the SDK has no name for. */
function metadata({ finish_details, dropped, logprobs }: Told): { providerMetadata?: { sotto: JSONObject } } {
  const sotto = given({ finishDetails: finish_details, dropped, logprobs: logprobs ?? undefined });
  return Object.keys(sotto).length > 0 ? { providerMetadata: { sotto: sotto as JSONObject } } : {};
}

const responseOf = ({ id, created, model }: Pick<ChatCompletion, "id" | "created" | "model">) => ({
  id,
  timestamp: new Date(created * 1000),
  modelId: model,
});

export function whole(answer: ChatCompletion): Omit<LanguageModelV3GenerateResult, "warnings"> {
  const { message, finish_reason, finish_details, logprobs } = answer.choices[0]!;
  const content: LanguageModelV3Content[] = [];
  if (message.reasoning_content) content.push({ type: "reasoning", text: message.reasoning_content });
  if (message.content) content.push({ type: "text", text: message.content });
  // Calls that a limit cut are not to be run.
  for (const call of finish_reason === "tool_calls" ? (message.tool_calls ?? []) : [])
    if (call.type === "function") content.push(toolCall(call.id, call.function.name, call.function.arguments));
  return {
    content,
    finishReason: reasonOf(finish_reason),
    usage: usageOf(answer.usage),
    response: { ...responseOf(answer), body: answer },
    ...metadata({ finish_details, dropped: answer.dropped, logprobs }),
  };
}

const toolCall = (toolCallId: string, toolName: string, input: string): LanguageModelV3ToolCall => ({
  type: "tool-call",
  toolCallId,
  toolName,
  input,
});

/** The parts of a stream. Thoughts, text and calls are blocks; one ends where another begins. */
export async function* streamed(
  chunks: AsyncIterable<ChatCompletionChunk>,
  warnings: SharedV3Warning[],
  { includeRawChunks, abortSignal }: LanguageModelV3CallOptions,
): AsyncGenerator<LanguageModelV3StreamPart, void, undefined> {
  const calls: LanguageModelV3ToolCall[] = [];
  let open: { kind: "text" | "reasoning" | "tool-input"; id: string } | undefined;
  let blocks = 0;
  let usage: CompletionUsage | null | undefined;
  let finishReason: LanguageModelV3FinishReason = { unified: "other", raw: undefined };
  const told: Told = {};
  let begun = false;

  const end = function* (): Generator<LanguageModelV3StreamPart> {
    if (open) yield { type: `${open.kind}-end`, id: open.id };
    open = undefined;
  };
  const write = function* (kind: "text" | "reasoning", delta: string): Generator<LanguageModelV3StreamPart> {
    if (open?.kind !== kind) {
      yield* end();
      open = { kind, id: `${kind}-${blocks++}` };
      yield { type: `${kind}-start`, id: open.id };
    }
    yield { type: `${kind}-delta`, id: open.id, delta };
  };

  yield { type: "stream-start", warnings };
  try {
    for await (const chunk of chunks) {
      if (includeRawChunks) yield { type: "raw", rawValue: chunk };
      if (!begun) yield { type: "response-metadata", ...responseOf(chunk) };
      begun = true;
      usage = chunk.usage ?? usage;
      told.dropped ??= chunk.dropped;
      const choice = chunk.choices[0];
      if (!choice) continue;
      const { reasoning_content, content, tool_calls = [] } = choice.delta;
      if (reasoning_content) yield* write("reasoning", reasoning_content);
      if (content) yield* write("text", content);
      for (const { index, id = `call-${index}`, function: called } of tool_calls) {
        if (!calls[index]) {
          yield* end();
          calls[index] = toolCall(id, called?.name ?? "", "");
          open = { kind: "tool-input", id };
          yield { type: "tool-input-start", id, toolName: calls[index].toolName };
        }
        const delta = called?.arguments ?? "";
        calls[index].input += delta;
        if (delta !== "") yield { type: "tool-input-delta", id: calls[index].toolCallId, delta };
      }
      if (choice.logprobs?.content)
        told.logprobs = [...((told.logprobs as unknown[]) ?? []), ...choice.logprobs.content];
      if (!choice.finish_reason) continue;
      yield* end();
      finishReason = reasonOf(choice.finish_reason);
      told.finish_details = choice.finish_details;
      if (choice.finish_reason === "tool_calls") yield* calls;
    }
  } catch (error) {
    abortSignal?.throwIfAborted();
    yield* end();
    yield { type: "error", error };
    finishReason = { unified: "error", raw: undefined };
  }
  yield { type: "finish", usage: usageOf(usage), finishReason, ...metadata(told) };
}
