/** `model.runTools`: a model that calls plain functions until it has its answer. */
import { joined, readMessages, readOptions, refuseOthers } from "./arguments.js";
import type { Caller } from "./caller.js";
import { type ChatCallOptions, type CreateChat, said } from "./chat.js";
import { Gathered } from "./gather.js";
import { shaped } from "./openai-error.js";
import { type AnyTool, type Called, readTools, run } from "./runnable.js";
import { bad, check, reading, shown } from "../wire/check.js";
import { aborted } from "../wire/errors.js";
import type {
  ChatCompletionChunk,
  ChatReplyMessage,
  ChunkDelta,
  CompletionUsage,
  FinishDetails,
} from "../wire/generated.js";
import type { ToolChoice, ToolMessage } from "../wire/openai.js";
import type { AnyMessage } from "../wire/protocol.js";

/** How often the model is asked, where nothing is said. */
const STEPS = 10;
/** The most that can be said. */
const MOST_STEPS = 1000;

/** A chat's request whose tools are functions. Each reply is one: `n`, `stream` and probabilities have no place here. */
export interface RunTools
  extends Omit<CreateChat, "messages" | "tools" | "n" | "stream" | "stream_options" | "logprobs" | "top_logprobs"> {
  messages: string | readonly AnyMessage[];
  /** What the model may call. */
  tools: readonly AnyTool[];
}

export interface RunToolsOptions extends ChatCallOptions {
  /** How often the model may be asked; by default 10. From 1 to 1000. */
  maxSteps?: number | undefined;
  /** Called with each new message, a reply or the result of a call, when it is whole; awaited. */
  onMessage?: ((message: NewMessage, step: number) => unknown) | undefined;
  /** Called with what a reply has more, as it streams; awaited. */
  onDelta?: ((delta: ChunkDelta, step: number) => unknown) | undefined;
}

export type NewMessage = ChatReplyMessage | ToolMessage;

/** One reply of the model, and what became of its calls. */
export interface ToolsStep {
  message: ChatReplyMessage;
  /** In the order of the message's calls. */
  calls: Called[];
  finish_reason: FinishReason;
  finish_details?: FinishDetails | undefined;
  usage: CompletionUsage;
  /** The places of the messages that were left out (`overflow: "trim"`): the request's first, then the new ones. */
  dropped?: number[] | undefined;
}

/** As of a chat; `tool_calls` where `maxSteps` ended the loop. */
export type FinishReason = "stop" | "length" | "tool_calls" | "abort" | "content_filter" | "function_call";

/** What `model.runTools` gives. */
export interface ToolsReply {
  /** The last reply's text. */
  text: string;
  /** Why the last reply ended. */
  finish_reason: FinishReason;
  /** Which limit ended it; `max_steps`: the model called functions once more, and is not asked again. */
  finish_details?: FinishDetails | { type: "max_steps" };
  /** All new messages, replies and results, fit to be sent back after those of the request. */
  messages: NewMessage[];
  steps: ToolsStep[];
  /** What all replies took together. */
  usage: CompletionUsage;
}

/** Answers a chat as `model.chat.completions.create` does, in OpenAI's shape. */
export type CreateStream = (
  request: CreateChat & { stream: true },
  options: ChatCallOptions,
) => Promise<AsyncIterable<ChatCompletionChunk>>;

/** Who asks where there is no model that could end meanwhile. */
const nobody = (): Pick<Caller, "waits" | "ended"> => ({
  waits: async <T>(given: T): Promise<Awaited<T>> => await given,
  ended: new AbortController().signal,
});

/**
 * `create` is asked, the functions that it calls are run and their results told, until a reply calls none: as
 * `model.runTools`, for whatever answers in OpenAI's shape, such as a server. What fails in a call (an unknown name,
 * arguments that are no JSON object, an error that the function throws) is told to the model.
 */
export async function runTools(
  create: CreateStream,
  request: RunTools,
  options?: RunToolsOptions,
  caller: Pick<Caller, "waits" | "ended"> = nobody(),
): Promise<ToolsReply> {
  const { runnable, messages, maxSteps, onMessage, onDelta, rest, call } = read(request, options);
  const { signal, errors, onAbort } = call;
  const keeps = onAbort === "result";
  // What stops the functions: the caller, or the model's end.
  const { ended } = caller;
  const ends = signal ? AbortSignal.any([signal, ended]) : ended;
  const reply: ToolsReply = { text: "", finish_reason: "stop", messages: [], steps: [], usage: new Gathered().usage };
  let { tool_choice } = rest;

  const heard = async (told: unknown) => {
    if (told !== undefined) await caller.waits(told, signal);
  };
  const ask = async (step: number): Promise<Gathered | undefined> => {
    const asked = { ...rest, ...(tool_choice && { tool_choice }), messages: [...messages, ...reply.messages] };
    const gathered = new Gathered();
    let begun = false;
    try {
      const tools = runnable.map(({ tool }) => tool);
      const stream = { n: 1, stream: true, stream_options: { include_usage: true } } as const;
      for await (const chunk of await create({ ...asked, tools, ...stream }, call)) {
        const delta = gathered.add(chunk);
        if (!delta) continue;
        begun ||= Object.keys(delta).length > 0;
        await heard(onDelta?.(delta, step));
      }
    } catch (thrown) {
      if (!(keeps && signal?.aborted)) throw thrown;
    }
    // A reply that was stopped before it began has nothing to keep.
    return begun || !signal?.aborted ? gathered : undefined;
  };
  const add = async (message: NewMessage, step: number) => {
    reply.messages.push(message);
    await heard(onMessage?.(message, step));
  };

  for (let step = 0; step < maxSteps; step++) {
    const gathered = await ask(step);
    if (!gathered) return { ...reply, finish_reason: "abort" };
    const { usage, finish_details, dropped } = gathered;
    const message = gathered.finished();
    const finish_reason = (gathered.finish_reason ?? "stop") as FinishReason;
    const asked = message.tool_calls ?? [];
    await add(message, step);
    const calls = await Promise.all(
      asked.map((call) => run(call, runnable, finish_reason === "tool_calls", ends, reply.messages)),
    );
    if (ended.aborted) throw shaped(ended.reason, errors);
    reply.steps.push({
      message,
      calls,
      finish_reason,
      usage,
      ...(finish_details && { finish_details }),
      ...(dropped && { dropped }),
    });
    reply.usage = sum(reply.usage, usage);
    reply.text = message.content ?? "";
    reply.finish_reason = finish_reason;
    if (finish_details) reply.finish_details = finish_details;
    const over = finish_reason !== "tool_calls";
    if (!over && signal?.aborted && !keeps) throw shaped(aborted("The call of tools", signal), errors);
    for (const { id, content } of calls) await add({ role: "tool", tool_call_id: id, content }, step);
    if (over) return reply;
    if (signal?.aborted) return { ...reply, finish_reason: "abort" };
    tool_choice = afterwards(tool_choice);
  }
  return { ...reply, finish_details: { type: "max_steps" } };
}

/** The request's parts. Throws `bad_option`. */
function read(request: RunTools, options: RunToolsOptions | undefined) {
  const given = joined("An option of runTools", request, options) as unknown as RunTools & RunToolsOptions;
  const { tools, maxSteps, onMessage, onDelta, messages, signal, onProgress, errors, onAbort, ...rest } = given;
  try {
    refuseOthers("runTools", request);
    refuseOthers("runTools", options);
    for (const [name, value] of Object.entries({ onMessage, onDelta }))
      if (value !== undefined && typeof value !== "function") throw bad(`${name} is ${shown(value)}`, "a function");
    const steps = { type: "integer", minimum: 1, maximum: MOST_STEPS };
    return {
      runnable: reading("tools", () => readTools(tools)),
      messages: readMessages(said(messages)),
      maxSteps: check("maxSteps", steps, maxSteps ?? STEPS) as number,
      onMessage,
      onDelta,
      rest,
      call: readOptions("chat.completions.create", { signal, onProgress, errors, onAbort }).page,
    };
  } catch (thrown) {
    throw shaped(thrown, errors);
  }
}

/** A call that is forced is so once: else no reply would ever be an answer. */
function afterwards(choice: ToolChoice | undefined): ToolChoice | undefined {
  if (choice === undefined || choice === "none") return choice;
  if (typeof choice === "object" && choice.type === "allowed_tools")
    return { type: "allowed_tools", allowed_tools: { ...choice.allowed_tools, mode: "auto" } };
  return "auto";
}

function sum(a: CompletionUsage, b: CompletionUsage): CompletionUsage {
  const cached = (usage: CompletionUsage) => usage.prompt_tokens_details?.cached_tokens ?? 0;
  const details = ["reasoning_tokens", "accepted_prediction_tokens", "rejected_prediction_tokens"] as const;
  const both = (name: (typeof details)[number]) =>
    (a.completion_tokens_details?.[name] ?? 0) + (b.completion_tokens_details?.[name] ?? 0);
  return {
    prompt_tokens: a.prompt_tokens + b.prompt_tokens,
    completion_tokens: a.completion_tokens + b.completion_tokens,
    total_tokens: a.total_tokens + b.total_tokens,
    prompt_tokens_details: { cached_tokens: cached(a) + cached(b) },
    completion_tokens_details: Object.fromEntries(details.map((name) => [name, both(name)])),
  };
}
