/** The Vercel AI SDK's own functions, with a model of the page. */
import {
  AbstractChat,
  type ChatState,
  DirectChatTransport,
  Output,
  ToolLoopAgent,
  type UIMessage,
  createProviderRegistry,
  embed,
  embedMany,
  generateObject,
  generateText,
  jsonSchema,
  rerank,
  stepCountIs,
  streamText,
  tool,
} from "ai";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import { createSotto, embeddingModel, languageModel, rerankingModel } from "../../www/pieces/ai-sdk/index.js";
import { clearLog, log } from "./fake-engine.js";
import { loadFake } from "./harness.js";

// It prints warnings that are looked at here.
globalThis.AI_SDK_LOG_WARNINGS = false;

let loaded: Model;
beforeEach(async () => {
  clearLog();
  loaded = await loadFake();
});
afterEach(() => loaded.dispose());

const model = () => languageModel(loaded);
const weather = tool({
  description: "The weather in a city.",
  inputSchema: jsonSchema<{ city: string }>({ type: "object", properties: { city: { type: "string" } } }),
  execute: async ({ city }) => `warm in ${city}`,
});
const place = jsonSchema<{ city: string; warm: boolean }>({
  type: "object",
  properties: { city: { type: "string" }, warm: { type: "boolean" } },
});

test("generateText: text, usage, the reason it ended", async () => {
  const result = await generateText({ model: model(), system: "Be brief.", prompt: "echo one two", temperature: 0 });
  expect(result.text).toBe("one two");
  expect(result.finishReason).toBe("stop");
  expect(result.usage).toMatchObject({ inputTokens: 3, outputTokens: 2, totalTokens: 5 });
  expect(result.response).toMatchObject({ id: "x-1", modelId: "Fake" });
  const cut = await generateText({ model: model(), prompt: "echo one two", maxOutputTokens: 1 });
  expect([cut.text, cut.finishReason]).toEqual(["one", "length"]);
  expect(cut.providerMetadata).toEqual({ sotto: { finishDetails: { type: "max_tokens" } } });
});

test("streamText: text and reasoning apart, in blocks", async () => {
  const providerOptions = { sotto: { reasoning_effort: "low" } };
  const result = streamText({ model: model(), prompt: "echo one two", providerOptions });
  const parts: string[] = [];
  for await (const part of result.fullStream) parts.push(part.type);
  expect(parts.filter((type) => !type.endsWith("-delta"))).toEqual([
    "start",
    "start-step",
    "reasoning-start",
    "reasoning-end",
    "text-start",
    "text-end",
    "finish-step",
    "finish",
  ]);
  expect(await result.text).toBe("one two");
  expect(await result.reasoningText).toBe("Let me think.");
  expect((await result.usage).outputTokenDetails).toMatchObject({ reasoningTokens: 3 });
  const whole = await generateText({ model: model(), prompt: "echo yes", providerOptions });
  expect([whole.text, whole.reasoningText]).toEqual(["yes", "Let me think."]);
});

test("objects by a schema", async () => {
  const { output } = await generateText({ model: model(), prompt: "Where?", output: Output.object({ schema: place }) });
  expect(output).toEqual({ city: "Paris", warm: true });
  const { object } = await generateObject({ model: model(), prompt: "Where?", schema: place });
  expect(object).toEqual({ city: "Paris", warm: true });
  const parts = streamText({ model: model(), prompt: "Where?", output: Output.object({ schema: place }) });
  let last: unknown;
  for await (const part of parts.partialOutputStream) last = part;
  expect(last).toEqual({ city: "Paris", warm: true });
  const choice = Output.choice({ options: ["sun", "rain"] });
  expect((await generateText({ model: model(), prompt: "Which?", output: choice })).output).toBe("sun");
  const free = await generateText({ model: model(), prompt: "Any?", output: Output.json() });
  expect(free.output).toEqual({ city: "Paris" });
});

test("tools in several steps, whole and streamed", async () => {
  const call = { model: model(), prompt: "Is it warm?", tools: { weather }, stopWhen: stepCountIs(3) } as const;
  const result = await generateText(call);
  expect(result.text).toBe("warm in Paris");
  expect(result.steps).toHaveLength(2);
  expect(result.steps[0]!.toolCalls[0]).toMatchObject({ toolName: "weather", input: { city: "Paris" } });
  const streams = streamText(call);
  expect(await streams.text).toBe("warm in Paris");
  expect((await streams.steps)[0]!.finishReason).toBe("tool-calls");
  const asked = { ...call, prompt: 'call weather {"city":"Rome"} + weather {"city":"Oslo"}' };
  const two = await streamText(asked).steps;
  expect(two[0]!.toolResults.map(({ output }) => output)).toEqual(["warm in Rome", "warm in Oslo"]);
});

test("the choice of tools, and calls that a limit cut", async () => {
  const tools = { weather, other: weather };
  const ask = (toolChoice: "none" | "required" | { type: "tool"; toolName: "other" }) =>
    generateText({ model: model(), prompt: "echo plainly", tools, toolChoice });
  expect((await ask("none")).text).toBe("plainly");
  expect((await ask("required")).toolCalls[0]!.toolName).toBe("weather");
  expect((await ask({ type: "tool", toolName: "other" })).toolCalls[0]!.toolName).toBe("other");
  const prompt = 'call weather {"city": "New York City"}';
  const cut = { model: model(), prompt, tools, maxOutputTokens: 2 };
  for (const result of [await generateText(cut), streamText(cut)]) {
    expect(await result.finishReason).toBe("length");
    expect(await result.toolCalls).toEqual([]);
  }
});

test("an agent, and the chat of a page with it", async () => {
  const agent = new ToolLoopAgent({ model: model(), instructions: "Be brief.", tools: { weather } });
  expect((await agent.generate({ prompt: "Is it warm?" })).text).toBe("warm in Paris");

  type Message = UIMessage<unknown, never, { weather: { input: { city: string }; output: string } }>;
  const state: ChatState<Message> = {
    status: "ready",
    error: undefined,
    messages: [],
    pushMessage: (message) => void state.messages.push(message),
    popMessage: () => void state.messages.pop(),
    replaceMessage: (at, message) => void state.messages.splice(at, 1, message),
    snapshot: structuredClone,
  };
  class Chat extends AbstractChat<Message> {}
  const chat = new Chat({ state, transport: new DirectChatTransport({ agent }) });
  await chat.sendMessage({ text: "Is it warm?" });
  expect(chat.status).toBe("ready");
  const parts = chat.messages[1]!.parts;
  expect(parts.map(({ type }) => type)).toEqual(["step-start", "tool-weather", "step-start", "text"]);
  expect(parts[3]).toMatchObject({ text: "warm in Paris", state: "done" });
  // The conversation, tool calls and all, goes back to the model.
  await chat.sendMessage({ text: "echo again" });
  expect(chat.messages[3]!.parts.at(-1)).toMatchObject({ text: "again" });
});

test("vectors and ranking", async () => {
  const encoder = embeddingModel(loaded, { prompt: "a " });
  const { embeddings, usage } = await embedMany({ model: encoder, values: ["tree", "oil"] });
  expect(embeddings).toEqual([
    [1, 2, 0, 0],
    [1, 0, 1, 1],
  ]);
  expect(usage.tokens).toBe(11);
  const providerOptions = { sotto: { dimensions: 2, prompt: "" } };
  expect((await embed({ model: encoder, value: "sea", providerOptions })).embedding).toEqual([1, 1]);
  const documents = ["a cat", "a grey cat sleeps", "rain"];
  const ranked = await rerank({ model: rerankingModel(loaded), query: "grey cat", documents, topN: 2 });
  expect(ranked.rerankedDocuments).toEqual(["a grey cat sleeps", "a cat"]);
  expect(ranked.ranking[0]!.score).toBeCloseTo(1 / (1 + Math.exp(-2)));
  const objects = [{ name: "dog" }, { name: "cat" }];
  const first = await rerank({ model: rerankingModel(loaded), query: "cat", documents: objects });
  expect(first.rerankedDocuments[0]).toEqual({ name: "cat" });
});

const SOON = () => AbortSignal.timeout(20);

test("a signal ends a call whose model never loads", async () => {
  const never = new Promise<never>(() => {});
  const waiting = { maxRetries: 0, abortSignal: undefined as AbortSignal | undefined };
  const calls = [
    () => generateText({ ...waiting, model: languageModel(never), prompt: "Hi", abortSignal: SOON() }),
    () => embedMany({ ...waiting, model: embeddingModel(never), values: ["a"], abortSignal: SOON() }),
    () => rerank({ ...waiting, model: rerankingModel(never), query: "a", documents: ["b"], abortSignal: SOON() }),
  ];
  for (const call of calls) await expect(call()).rejects.toMatchObject({ name: "TimeoutError" });
  const parts: string[] = [];
  const stream = streamText({ model: languageModel(never), prompt: "Hi", abortSignal: SOON(), onError: () => {} });
  for await (const { type } of stream.fullStream) parts.push(type);
  expect(parts.at(-1)).toMatch(/abort|error/);
});

test("what is no model, and a file that is no base64, have a sentence", async () => {
  for (const wrong of [undefined, null, {}, "x", () => undefined, Promise.resolve(null)] as never[])
    for (const call of [
      () => generateText({ model: languageModel(wrong), prompt: "Hi", maxRetries: 0 }),
      () => embed({ model: embeddingModel(wrong), value: "a", maxRetries: 0 }),
      () => rerank({ model: rerankingModel(wrong), query: "a", documents: ["b"], maxRetries: 0 }),
    ])
      await expect(call()).rejects.toMatchObject({ code: "bad_option", message: expect.stringContaining("no model") });
  const file = { type: "file" as const, data: "!!!", mediaType: "text/plain", filename: "a.txt" };
  // Version 7 of the SDK decodes some files itself, so the model is asked as either does.
  const asked = model().doGenerate({ prompt: [{ role: "user", content: [file] }] });
  await expect(asked).rejects.toMatchObject({ code: "bad_option", message: expect.stringContaining("base64") });
});

test("a signal stops the model, and the SDK sees that", async () => {
  const late = generateText({ model: model(), prompt: "Hi", abortSignal: AbortSignal.timeout(50) });
  await expect(late).rejects.toMatchObject({ name: "TimeoutError" });
  const stop = new AbortController();
  const parts: string[] = [];
  const stream = streamText({ model: model(), prompt: "Hi", abortSignal: stop.signal });
  for await (const { type } of stream.fullStream) if (parts.push(type) === 6) stop.abort();
  expect(parts.at(-1)).toBe("abort");
  await expect(
    embedMany({ model: embeddingModel(loaded), values: ["endless"], abortSignal: AbortSignal.timeout(20) }),
  ).rejects.toMatchObject({ name: "TimeoutError" });
  expect((await generateText({ model: model(), prompt: "echo next" })).text).toBe("next");
  expect(log.running).toBe(0);
});

test("what is not supported is warned of or refused; failures are the package's", async () => {
  const provided = {
    type: "provider",
    id: "openai.web_search",
    name: "search",
    args: {},
    supportsDeferredResults: false,
  };
  const tools = { search: provided as never };
  const { warnings, text } = await generateText({ model: model(), prompt: "echo yes", tools });
  expect(text).toBe("yes");
  expect(warnings).toMatchObject([{ type: "unsupported", feature: "the tool openai.web_search" }]);
  const file = (mediaType: string) => ({
    type: "file" as const,
    data: new TextEncoder().encode("echo of it"),
    mediaType,
  });
  const ask = (mediaType: string) =>
    generateText({ model: model(), messages: [{ role: "user", content: [file(mediaType)] }] });
  await expect(ask("image/png")).rejects.toMatchObject({ code: "bad_option", message: /part of type "file"/ });
  expect((await ask("text/plain")).text).toContain("of it");
  const wrong = generateText({ model: model(), prompt: "x", providerOptions: { sotto: { topk: 5 } } });
  await expect(wrong).rejects.toMatchObject({ code: "bad_option" });
  const errors: unknown[] = [];
  const lost = streamText({ model: model(), prompt: "lost", onError: ({ error }) => void errors.push(error) });
  for await (const _ of lost.fullStream);
  expect(errors).toMatchObject([{ code: "device_lost" }]);
  expect(await lost.finishReason).toBe("error");
});

test("models by names, also while they load", async () => {
  const sotto = createSotto({ small: loadFake(), later: () => loaded });
  expect(sotto.languageModel("small")).toMatchObject({ provider: "sotto", modelId: "small" });
  const registry = createProviderRegistry({ sotto });
  expect((await generateText({ model: registry.languageModel("sotto:small"), prompt: "echo a" })).text).toBe("a");
  expect((await embed({ model: registry.embeddingModel("sotto:later"), value: "a" })).embedding).toEqual([1, 0, 0, 0]);
  expect(() => sotto.languageModel("large")).toThrow('There is no model "large"; there are small, later.');
});
