/**
 * Models of the Vercel AI SDK (npm `ai`) that are loaded in the page, of specification v3, which its versions 6 and 7 take:
 *
 *     import { generateText } from "ai";
 *     import { languageModel } from "sotto/ai-sdk";
 *     const { text } = await generateText({ model: languageModel(model), prompt: "Why is the sky blue?" });
 */
import type { EmbeddingModelV3, JSONObject, LanguageModelV3, ProviderV3, RerankingModelV3 } from "@ai-sdk/provider";
import { type EmbedOptions, SottoError } from "sotto";
import { type Held, nameOf, sureModelOf } from "../shared/held.js";
import { stoppable } from "../shared/signal.js";
import { streamOf } from "../shared/stream.js";
import { given, streamed, whole } from "./reply.js";
import { type Defaults, requestOf } from "./request.js";

export type { Held } from "../shared/held.js";
export type { Defaults } from "./request.js";

const PROVIDER = "sotto";

/**
 * A model that writes. `defaults` are members of a request that calls do not say otherwise; a call's own are in its
 * `providerOptions.sotto`, for instance `{ reasoning_effort: "none", overflow: "trim" }`.
 */
export function languageModel(model: Held, defaults: Defaults = {}): LanguageModelV3 {
  return {
    ...named(model),
    supportedUrls: {},
    async doGenerate(options) {
      const { request, warnings } = requestOf(options, defaults);
      const signal = options.abortSignal;
      const answer = await stoppable(signal, async () =>
        (await sureModelOf(model, signal)).chat.completions.create({ ...request, stream: false }, { signal }),
      );
      return { ...whole(answer), request: { body: request }, warnings };
    },
    async doStream(options) {
      const { request, warnings } = requestOf(options, defaults);
      const signal = options.abortSignal;
      const chunks = await stoppable(signal, async () =>
        (await sureModelOf(model, signal)).chat.completions.create(
          { ...request, stream: true, stream_options: { include_usage: true } },
          { signal },
        ),
      );
      return { stream: streamOf(streamed(chunks, warnings, options)), request: { body: request } };
    },
  };
}

/** A model that embeds; `defaults` as of `model.embed`, for instance the `prompt` that stands before each text. */
export function embeddingModel(model: Held, defaults: EmbedOptions = {}): EmbeddingModelV3 {
  return {
    ...named(model),
    maxEmbeddingsPerCall: Number.POSITIVE_INFINITY,
    supportsParallelCalls: false,
    async doEmbed({ values, abortSignal: signal, providerOptions }) {
      const { dimensions, ...options } = { ...defaults, ...own(providerOptions) } as EmbedOptions;
      const { data, usage } = await stoppable(signal, async () =>
        (await sureModelOf(model, signal)).embeddings.create({ input: values, dimensions }, { ...options, signal }),
      );
      const embeddings = data.map(({ embedding }) => embedding);
      return { embeddings, usage: { tokens: usage.prompt_tokens }, warnings: [] };
    },
  };
}

/** A model that ranks. The relevance is between 0 and 1: the logistic function of the model's score. */
export function rerankingModel(model: Held): RerankingModelV3 {
  return {
    ...named(model),
    async doRerank({ query, documents, topN, abortSignal: signal, providerOptions }) {
      const texts =
        documents.type === "text" ? documents.values : documents.values.map((value) => JSON.stringify(value));
      const ranked = await stoppable(signal, async () =>
        (await sureModelOf(model, signal)).rerank(query, texts, { ...own(providerOptions), signal }),
      );
      const ranking = ranked.map(({ index, score }) => ({ index, relevanceScore: 1 / (1 + Math.exp(-score)) }));
      return { ranking: ranking.slice(0, topN) };
    },
  };
}

/** A provider of models by names of the page's choice. */
export function createSotto(models: Record<string, Held>, defaults: Defaults = {}): ProviderV3 {
  const find = (id: string) => {
    if (Object.hasOwn(models, id)) return models[id]!;
    throw new SottoError("bad_option", `There is no model "${id}"; there are ${Object.keys(models).join(", ")}.`);
  };
  return {
    specificationVersion: "v3",
    languageModel: (id) => ({ ...languageModel(find(id), defaults), modelId: id }),
    embeddingModel: (id) => ({ ...embeddingModel(find(id)), modelId: id }),
    rerankingModel: (id) => ({ ...rerankingModel(find(id)), modelId: id }),
    imageModel: (id) => {
      throw new SottoError("bad_option", `"${id}" is to make images, and models here write text.`);
    },
  };
}

const named = (model: Held) => ({
  specificationVersion: "v3" as const,
  provider: PROVIDER,
  modelId: nameOf(model) ?? PROVIDER,
});

const own = (options: Record<string, JSONObject> | undefined) => given(options?.[PROVIDER]);
