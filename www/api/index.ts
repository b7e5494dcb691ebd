/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Sotto runs GGUF language models in the browser, on WebGPU or the CPU:
 *
 *     const model = await load("model.gguf");
 *     for await (const { text } of model.generate("Hello")) show(text);
 *
 * Importing this module touches nothing of the browser, so it is safe on a server too.
 */
import { readOptions } from "./arguments.js";
import { connect, type Model } from "./model.js";
import { absolute, describe } from "./source.js";
import { connectText, type ModelText } from "./text.js";
import { reading } from "../wire/check.js";
import { SottoError, aborted } from "../wire/errors.js";
import type { LoadOptions, Source, TextOptions } from "../wire/protocol.js";

export type { Model } from "./model.js";
export type { ModelText } from "./text.js";
export type {
  Chat,
  ChatCallOptions,
  ChatOptions,
  ChatPrompt,
  ChatReply,
  CountOptions,
  CreateChat,
  CreateCompletion,
  OnOverflow,
  Overfull,
  Stoppable,
  StoppableReply,
} from "./chat.js";
export type { FinishReason, NewMessage, RunTools, RunToolsOptions, ToolsReply, ToolsStep } from "./tools.js";
export type { AnyTool, Called, RunnableFunction, RunnableTool, ToolContext } from "./runnable.js";
export { OpenAIError } from "./openai-error.js";
export type * from "../wire/openai.js";
export type { ForeignMessage } from "../wire/foreign.js";
export type {
  ChatReplyMessage,
  ChunkDelta,
  FinishDetails,
  ReasoningEffort,
  TokenLogprob,
} from "../wire/generated.js";
export { ERROR_CODES, SottoError, type ErrorCode } from "../wire/errors.js";
export type {
  AdapterInfo,
  AnyMessage,
  BenchOptions,
  BenchResult,
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  Chunk,
  Completion,
  CompletionRequest,
  CompletionUsage,
  ContextUsage,
  DetokenizeOptions,
  GenerateOptions,
  LoadOptions,
  Memory,
  Message,
  ModelHeader,
  ModelInfo,
  Progress,
  RenderChatOptions,
  ScoreOptions,
  ScoreResult,
  SottoOptions,
  SottoSampling,
  Source,
  TextOptions,
  Timings,
  TokenizeOptions,
  Warning,
} from "../wire/protocol.js";

/** Loads a GGUF model in a worker of its own. Rejects with a `SottoError`. */
export async function load(source: Source, options?: LoadOptions): Promise<Model> {
  const { wire, page } = readOptions("load", options);
  const { signal, headers, wasmUrl, grammarUrl } = page;
  if (signal?.aborted) throw aborted("Loading the model", signal);
  requireWorkers();
  const workerUrl = page.workerUrl && absolute(page.workerUrl, "worker.js");
  const failed = new AbortController();
  const data = describe(source, headers, failed.signal);
  const place = {
    ...page,
    ...(wasmUrl && { wasmUrl: absolute(wasmUrl, "sotto_bg.wasm") }),
    ...(grammarUrl && { grammarUrl: absolute(grammarUrl, "sotto_grammar_bg.wasm") }),
  };
  const model = connect(() => startWorker(workerUrl), data, wire, place);
  model.catch(() => failed.abort());
  return model;
}

/**
 * Reads a model's tokenizer, chat template and header: no weights are loaded, and nothing after the header is downloaded.
 * A file that holds a vocabulary only will do. With `{ template }`, Jinja's source, there is `renderChat` alone.
 */
export async function loadText(source: Source | { template: string }, options?: TextOptions): Promise<ModelText> {
  const { page } = readOptions("loadText", options);
  const { signal, headers, wasmUrl } = page;
  if (signal?.aborted) throw aborted("Reading the model", signal);
  requireWorkers();
  const workerUrl = page.workerUrl && absolute(page.workerUrl, "worker.js");
  const failed = new AbortController();
  const template = reading("The source", () => (source as { template?: unknown } | null | undefined)?.template);
  const data =
    typeof template === "string" ? { template } : { source: describe(source as Source, headers, failed.signal) };
  const place = { signal, ...(wasmUrl && { wasmUrl: absolute(wasmUrl, "sotto_bg.wasm") }) };
  const text = connectText(() => startWorker(workerUrl), data, place);
  text.catch(() => failed.abort());
  return text;
}

function requireWorkers(): void {
  if (typeof Worker === "undefined") {
    throw new SottoError("not_started", "There are no web workers here; load models in a browser, not on a server.");
  }
}

function startWorker(url: string | undefined): Worker {
  try {
    // The literal form is what bundlers look for.
    return url
      ? new Worker(url, { type: "module" })
      : new Worker(new URL("./worker.js", import.meta.url), { type: "module" });
  } catch (cause) {
    throw new SottoError(
      "not_started",
      "The worker could not be started; serve worker.js from the page's own origin or pass workerUrl.",
      { cause },
    );
  }
}
