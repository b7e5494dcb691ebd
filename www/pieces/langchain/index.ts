/**
 * Models of LangChain (npm `@langchain/core`, 1.x) that are loaded in the page:
 *
 *     const chat = new ChatSotto({ model });
 *     await chat.pipe(new StringOutputParser()).invoke("Why is the sky blue?");
 */
import type { CallbackManagerForLLMRun } from "@langchain/core/callbacks/manager";
import type { DocumentInterface } from "@langchain/core/documents";
import { Embeddings, type EmbeddingsParams } from "@langchain/core/embeddings";
import type { BaseLanguageModelInput, StructuredOutputMethodOptions } from "@langchain/core/language_models/base";
import {
  BaseChatModel,
  type BaseChatModelCallOptions,
  type BaseChatModelParams,
  type BindToolsInput,
} from "@langchain/core/language_models/chat_models";
import {
  assembleStructuredOutputPipeline,
  createContentParser,
  createFunctionCallingParser,
} from "@langchain/core/language_models/structured_output";
import type { AIMessageChunk, BaseMessage } from "@langchain/core/messages";
import { ChatGenerationChunk, type ChatResult } from "@langchain/core/outputs";
import { BaseDocumentCompressor } from "@langchain/core/retrievers/document_compressors";
import type { Runnable } from "@langchain/core/runnables";
import { convertToOpenAITool } from "@langchain/core/utils/function_calling";
import { toJsonSchema } from "@langchain/core/utils/json_schema";
import { isInteropZodSchema } from "@langchain/core/utils/types";
import type { ChatTool, CreateChat, EmbedOptions, ToolChoice } from "sotto";
import { type Held, nameOf, sureModelOf } from "../shared/held.js";
import { stoppable } from "../shared/signal.js";
import { chunkOf, replyOf, textOf } from "./messages.js";

export type { Held } from "../shared/held.js";

/** Members of a request that a call may set, but for those that have another meaning there or none here. */
type Request = Omit<
  CreateChat,
  "messages" | "tools" | "tool_choice" | "stream" | "stream_options" | "n" | "stop" | "model" | "metadata" | "store"
>;

export interface ChatSottoCallOptions extends BaseChatModelCallOptions, Request {
  tools?: BindToolsInput[];
}

export interface ChatSottoFields extends BaseChatModelParams, Request {
  /** Loaded, or still loading. */
  model: Held;
}

/** A model that writes. */
export class ChatSotto extends BaseChatModel<ChatSottoCallOptions> {
  /** Written out, so that it stays as it is where names are made short. */
  static override lc_name(): string {
    return "ChatSotto";
  }

  #model: Held;
  #defaults: Request;

  constructor(fields: ChatSottoFields) {
    super(fields);
    const { model, ...rest } = fields;
    this.#model = model;
    this.#defaults = Object.fromEntries(Object.entries(rest).filter(([name]) => !OF_BASE.has(name)));
  }

  override _llmType(): string {
    return "sotto";
  }

  /** What tracing shows. */
  override invocationParams(options?: this["ParsedCallOptions"]): Record<string, unknown> {
    return { model: nameOf(this.#model) ?? "sotto", ...this.#defaults, ...(options && this.#members(options)) };
  }

  override bindTools(
    tools: BindToolsInput[],
    options?: Partial<ChatSottoCallOptions>,
  ): Runnable<BaseLanguageModelInput, AIMessageChunk, ChatSottoCallOptions> {
    return this.withConfig({ tools, ...options } as Partial<ChatSottoCallOptions>) as never;
  }

  override async _generate(messages: BaseMessage[], options: this["ParsedCallOptions"]): Promise<ChatResult> {
    const { signal } = options as { signal?: AbortSignal };
    const model = await sureModelOf(this.#model, signal);
    const request = { ...this.#request(messages, options), stream: false } as const;
    const answer = await stoppable(signal, () => model.chat.completions.create(request, { signal }));
    const message = replyOf(answer);
    const { finish_reason } = answer.choices[0]!;
    return {
      generations: [{ text: textOf(message), message, generationInfo: { finish_reason } }],
      llmOutput: { tokenUsage: message.usage_metadata },
    };
  }

  override async *_streamResponseChunks(
    messages: BaseMessage[],
    options: this["ParsedCallOptions"],
    run?: CallbackManagerForLLMRun,
  ): AsyncGenerator<ChatGenerationChunk> {
    const { signal } = options as { signal?: AbortSignal };
    const model = await sureModelOf(this.#model, signal);
    const stream = { stream: true, stream_options: { include_usage: true } } as const;
    const request = { ...this.#request(messages, options), ...stream };
    try {
      for await (const part of await model.chat.completions.create(request, { signal })) {
        const message = chunkOf(part);
        const text = textOf(message);
        const reason = part.choices[0]?.finish_reason;
        const generationInfo = reason ? { finish_reason: reason } : {};
        const chunk = new ChatGenerationChunk({ text, message, generationInfo });
        yield chunk;
        await run?.handleLLMNewToken(text, undefined, undefined, undefined, undefined, { chunk });
      }
    } catch (thrown) {
      signal?.throwIfAborted();
      throw thrown;
    }
  }

  /** Objects by a schema: the reply is held to it, token by token. `method: "functionCalling"` has a tool called instead. */
  override withStructuredOutput<Output extends Record<string, unknown> = Record<string, unknown>>(
    // biome-ignore lint/suspicious/noExplicitAny: of the base's seven forms
    schema: any,
    config?: StructuredOutputMethodOptions<boolean>,
    // biome-ignore lint/suspicious/noExplicitAny: as above
  ): Runnable<BaseLanguageModelInput, any> {
    const { name = "answer", method = "jsonSchema", includeRaw } = config ?? {};
    const isPlain = !isInteropZodSchema(schema) && !("~standard" in schema);
    const format = (isPlain ? schema : toJsonSchema(schema)) as Record<string, unknown>;
    const [model, parser] =
      method === "functionCalling"
        ? [
            this.bindTools([{ type: "function", function: { name, parameters: format } }], { tool_choice: name }),
            createFunctionCallingParser<Output>(schema, name),
          ]
        : [
            this.withConfig({
              response_format:
                method === "jsonMode"
                  ? { type: "json_object" }
                  : { type: "json_schema", json_schema: { name, schema: format } },
            }),
            createContentParser<Output>(schema),
          ];
    return assembleStructuredOutputPipeline<Output>(model, parser, includeRaw, "StructuredOutput");
  }

  #members({ tools, tool_choice, stop, ...options }: this["ParsedCallOptions"]): Partial<CreateChat> {
    const told = tools?.map((tool) => convertToOpenAITool(tool as never) as ChatTool);
    const set = MEMBERS.filter((name) => options[name] !== undefined).map((name) => [name, options[name]]);
    return {
      ...Object.fromEntries(set),
      ...(stop && { stop }),
      ...(told?.length && { tools: told, ...(tool_choice !== undefined && { tool_choice: choiceOf(tool_choice) }) }),
    };
  }

  #request(messages: BaseMessage[], options: this["ParsedCallOptions"]): CreateChat {
    return { ...this.#defaults, ...this.#members(options), messages };
  }
}

/** Of the base's fields. */
const OF_BASE = new Set(
  "cache callbacks tags metadata verbose name disableStreaming outputVersion callbackManager maxConcurrency maxRetries onFailedAttempt caller".split(
    " ",
  ),
);

/** What a call may set. LangChain puts names of its own beside them, more with each version. */
const MEMBERS: readonly (keyof Request)[] = [
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "top_k",
  "min_p",
  "seed",
  "frequency_penalty",
  "presence_penalty",
  "repeat_penalty",
  "repeat_last_n",
  "logit_bias",
  "logprobs",
  "top_logprobs",
  "stop_token_ids",
  "response_format",
  "reasoning_effort",
  "reasoning",
  "chat_template_kwargs",
  "parallel_tool_calls",
  "overflow",
];

const MODES: Record<string, ToolChoice> = { auto: "auto", any: "required", required: "required", none: "none" };

function choiceOf(choice: NonNullable<BaseChatModelCallOptions["tool_choice"]>): ToolChoice {
  if (typeof choice !== "string") return choice as ToolChoice;
  return MODES[choice] ?? { type: "function", function: { name: choice } };
}

export interface SottoEmbeddingsFields extends EmbeddingsParams, Omit<EmbedOptions, "signal"> {
  model: Held;
  /** What stands before a question, where models want another than before documents. */
  queryPrompt?: string;
}

/** A model that embeds. */
export class SottoEmbeddings extends Embeddings {
  #model: Held;
  #options: EmbedOptions;
  #queryPrompt: string | undefined;

  constructor({
    model,
    queryPrompt,
    prompt,
    pooling,
    normalize,
    dimensions,
    truncate,
    ...rest
  }: SottoEmbeddingsFields) {
    super(rest);
    this.#model = model;
    this.#options = { prompt, pooling, normalize, dimensions, truncate };
    this.#queryPrompt = queryPrompt ?? prompt;
  }

  override async embedDocuments(documents: string[]): Promise<number[][]> {
    const vectors = await (await sureModelOf(this.#model)).embed(documents, this.#options);
    return vectors.map((vector) => Array.from(vector));
  }

  override async embedQuery(query: string): Promise<number[]> {
    const options = { ...this.#options, prompt: this.#queryPrompt };
    return Array.from(await (await sureModelOf(this.#model)).embed(query, options));
  }
}

/** A model that ranks: leaves the `topN` documents that answer a question best, with `metadata.relevanceScore`. */
export class SottoRerank extends BaseDocumentCompressor {
  #model: Held;
  #topN: number;

  constructor({ model, topN = 3 }: { model: Held; topN?: number }) {
    super();
    this.#model = model;
    this.#topN = topN;
  }

  override async compressDocuments(documents: DocumentInterface[], query: string): Promise<DocumentInterface[]> {
    const texts = documents.map(({ pageContent }) => pageContent);
    const ranked = await (await sureModelOf(this.#model)).rerank(query, texts);
    return ranked.slice(0, this.#topN).map(({ index, score }) => {
      const document = documents[index]!;
      return { ...document, metadata: { ...document.metadata, relevanceScore: 1 / (1 + Math.exp(-score)) } };
    });
  }
}
