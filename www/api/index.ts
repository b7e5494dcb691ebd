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
import { requireWorkers } from "./causes.js";
import { connect, type Model } from "./model.js";
import { absolute, describe, describeDraft } from "./source.js";
import { startWorker } from "./start.js";
import { connectText, type ModelText } from "./text.js";
import { reading } from "../wire/check.js";
import { aborted } from "../wire/errors.js";
import type { LoadOptions, Source, TextOptions } from "../wire/protocol.js";

export type { BatchOptions, BatchProgress, BatchRequest, BatchResult } from "./batch.js";
export type { Adapters } from "./adapters.js";
export type { Model } from "./model.js";
export { LoadControl } from "./control.js";
export { inspect } from "./inspect.js";
/** Of `sotto/compress` alone. */
export { quantizeInWorker } from "./quantize.js";
export { store } from "./store.js";
export type { ModelText } from "./text.js";
export type {
  Chat,
  ChatCallOptions,
  ChatOptions,
  ChatPrompt,
  ChatReply,
  CountOptions,
  PrimeOptions,
  CreateChat,
  CreateCompletion,
  OnOverflow,
  Overfull,
  Stoppable,
  StoppableReply,
} from "./chat.js";
export type {
  Classified,
  CreateEmbeddings,
  Embeddings,
  EmbeddingsResponse,
  EmbedOptions,
  FillOptions,
  Ranked,
  ScoringOptions,
} from "./embed.js";
export { runTools } from "./tools.js";
export type {
  CreateStream,
  FinishReason,
  NewMessage,
  RunTools,
  RunToolsOptions,
  ToolsReply,
  ToolsStep,
} from "./tools.js";
export type { AnyTool, Called, RunnableFunction, RunnableTool, ToolContext } from "./runnable.js";
export type { Restored, Session, SessionOptions } from "./session.js";
export { OpenAIError } from "./openai-error.js";
export type * from "../wire/openai.js";
export type { QuantizeOptions, QuantizeReport, QuantizeType } from "../wire/quantize.js";
export type { Hub } from "../wire/hub.js";
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
  AdapterOptions,
  AnyMessage,
  BenchOptions,
  BenchResult,
  Caching,
  ChatCompletion,
  ChatCompletionChunk,
  ChatRequest,
  Chunk,
  Completion,
  CompletionRequest,
  CompletionUsage,
  ContextUsage,
  DetokenizeOptions,
  EmbeddingInfo,
  Filled,
  GenerateOptions,
  Finding,
  ImportOptions,
  InspectOptions,
  Inspection,
  LoadedAdapter,
  LoadOptions,
  Memory,
  MemoryNeeds,
  Message,
  ModelHeader,
  ModelInfo,
  ModelStats,
  Progress,
  RenderChatOptions,
  ScoreOptions,
  ScoreResult,
  SavedSession,
  SottoOptions,
  SottoSampling,
  Source,
  StoredFile,
  StoreEstimate,
  StoreOptions,
  TextOptions,
  Timings,
  TokenizeOptions,
  Verdict,
  Verified,
  Warning,
} from "../wire/protocol.js";

/** Loads a GGUF model in a worker of its own. Rejects with a `SottoError`. */
export async function load(source: Source, options?: LoadOptions): Promise<Model> {
  const { wire, page } = readOptions("load", options);
  const { signal, wasmUrl, grammarUrl } = page;
  if (signal?.aborted) throw aborted("Loading the model", signal);
  requireWorkers();
  const workerUrl = page.workerUrl && absolute(page.workerUrl, "worker.js");
  const failed = new AbortController();
  const data = describe(source, page, failed.signal);
  // The hash is the model's own.
  const { draft, sha256: _, ...rest } = page;
  const place = {
    ...rest,
    ...(draft !== undefined && { draft: describeDraft(draft, rest, failed.signal) }),
    ...(workerUrl && { workerUrl }),
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
  const { signal, wasmUrl } = page;
  if (signal?.aborted) throw aborted("Reading the model", signal);
  requireWorkers();
  const workerUrl = page.workerUrl && absolute(page.workerUrl, "worker.js");
  const failed = new AbortController();
  const template = reading("The source", () => (source as { template?: unknown } | null | undefined)?.template);
  const data =
    typeof template === "string" ? { template } : { source: describe(source as Source, page, failed.signal) };
  const place = {
    signal,
    ...(workerUrl && { workerUrl }),
    ...(wasmUrl && { wasmUrl: absolute(wasmUrl, "sotto_bg.wasm") }),
  };
  const text = connectText(() => startWorker(workerUrl), data, place);
  text.catch(() => failed.abort());
  return text;
}
