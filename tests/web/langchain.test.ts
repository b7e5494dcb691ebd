/** LangChain's own runnables, with a model of the page. */
import { Document } from "@langchain/core/documents";
import { HumanMessage, SystemMessage, type ToolMessage, type AIMessageChunk } from "@langchain/core/messages";
import { StringOutputParser } from "@langchain/core/output_parsers";
import { ChatPromptTemplate } from "@langchain/core/prompts";
import { tool } from "@langchain/core/tools";
import { afterEach, beforeEach, expect, test } from "vitest";
import { z } from "zod";
import type { Model } from "../../www/api/model.js";
import { ChatSotto, SottoEmbeddings, SottoRerank } from "../../www/pieces/langchain/index.js";
import { clearLog, log } from "./fake-engine.js";
import { loadFake } from "./harness.js";

let model: Model;
let chat: ChatSotto;
beforeEach(async () => {
  clearLog();
  model = await loadFake();
  chat = new ChatSotto({ model, temperature: 0, tags: ["here"] });
});
afterEach(() => model.dispose());

const weather = tool(({ city }: { city: string }) => `warm in ${city}`, {
  name: "weather",
  description: "The weather in a city.",
  schema: z.object({ city: z.string() }),
});

test("a signal ends a call whose model never loads; what is no model is told as that", async () => {
  const waits = new ChatSotto({ model: new Promise<never>(() => {}), maxRetries: 0 });
  const soon = () => ({ signal: AbortSignal.timeout(20) });
  await expect(waits.invoke("Hi", soon())).rejects.toMatchObject({ name: "TimeoutError" });
  // Asked by itself, without what LangChain has around it.
  const ended = waits._streamResponseChunks([new HumanMessage("Hi")], soon()).next();
  await expect(ended).rejects.toMatchObject({ name: "TimeoutError" });
  for (const wrong of [undefined, null, {}, "x", () => undefined, Promise.resolve(null)] as never[])
    for (const call of [
      () => new ChatSotto({ model: wrong, maxRetries: 0 }).invoke("Hi"),
      () => new SottoEmbeddings({ model: wrong, maxRetries: 0 }).embedQuery("Hi"),
      () => new SottoEmbeddings({ model: wrong, maxRetries: 0 }).embedDocuments(["Hi"]),
      () => new SottoRerank({ model: wrong }).compressDocuments([new Document({ pageContent: "a" })], "a"),
    ])
      await expect(call()).rejects.toMatchObject({ code: "bad_option", message: expect.stringContaining("no model") });
});

test("a chain: prompt, model, text", async () => {
  const prompt = ChatPromptTemplate.fromMessages([
    ["system", "Be brief."],
    ["human", "echo {what}"],
  ]);
  const chain = prompt.pipe(chat).pipe(new StringOutputParser());
  expect(await chain.invoke({ what: "one two" })).toBe("one two");
  let text = "";
  for await (const piece of await chain.stream({ what: "three four" })) text += piece;
  expect(text).toBe("three four");
  expect(await chain.batch([{ what: "a" }, { what: "b" }])).toEqual(["a", "b"]);
});

test("messages, usage, thoughts, why it ended", async () => {
  const message = await chat.invoke([new SystemMessage("Be brief."), new HumanMessage("echo one two")], {
    reasoning_effort: "low",
  });
  expect(message).toMatchObject({
    content: "one two",
    additional_kwargs: { reasoning_content: "Let me think." },
    response_metadata: { finish_reason: "stop", model_name: "Fake" },
    usage_metadata: { input_tokens: 3, output_tokens: 2, total_tokens: 5 },
  });
  let whole: AIMessageChunk | undefined;
  for await (const chunk of await chat.stream("echo one two")) whole = whole?.concat(chunk) ?? chunk;
  expect(whole).toMatchObject({ content: "one two", usage_metadata: { total_tokens: 5 } });
  expect(whole!.response_metadata.finish_reason).toBe("stop");
  const cut = await chat.withConfig({ max_tokens: 1, stop: ["never"] }).invoke("echo one two");
  expect([cut.content, cut.response_metadata.finish_reason]).toEqual(["one", "length"]);
});

test("tools: bound, called, told of", async () => {
  const asks = chat.bindTools([weather]);
  const asked = new HumanMessage("Is it warm?");
  const reply = await asks.invoke([asked]);
  expect(reply.tool_calls).toMatchObject([{ name: "weather", args: { city: "Paris" }, id: "call_0" }]);
  const told: ToolMessage = await weather.invoke(reply.tool_calls![0]! as never);
  expect((await asks.invoke([asked, reply, told])).content).toBe("warm in Paris");
  let streamed: AIMessageChunk | undefined;
  for await (const chunk of await asks.stream([asked])) streamed = streamed?.concat(chunk) ?? chunk;
  expect(streamed!.tool_calls).toMatchObject([{ name: "weather", args: { city: "Paris" } }]);
  const forced = await chat.bindTools([weather], { tool_choice: "any" }).invoke("echo plainly");
  expect(forced.tool_calls).toHaveLength(1);
  const none = await chat.bindTools([weather], { tool_choice: "none" }).invoke("echo plainly");
  expect(none.content).toBe("plainly");
  const cut = await chat.bindTools([weather], { max_tokens: 2 }).invoke('call weather {"city": "New York City"}');
  expect([cut.tool_calls, cut.invalid_tool_calls?.length]).toEqual([[], 1]);
});

test("objects by a schema, of Zod or JSON's own", async () => {
  const schema = z.object({ city: z.string(), warm: z.boolean() });
  expect(await chat.withStructuredOutput(schema).invoke("Where?")).toEqual({ city: "Paris", warm: true });
  const plain = { type: "object", properties: { city: { type: "string" } } };
  const raw = await chat.withStructuredOutput(plain, { includeRaw: true }).invoke("Where?");
  expect(raw).toMatchObject({ parsed: { city: "Paris" }, raw: { content: '{"city":"Paris"}' } });
  const called = chat.withStructuredOutput(schema, { method: "functionCalling" });
  expect(await called.invoke("Where?")).toEqual({ city: "Paris", warm: true });
});

test("events of a run, and what stops it", async () => {
  const tokens: string[] = [];
  const callbacks = [{ handleLLMNewToken: (token: string) => void tokens.push(token) }];
  for await (const _ of await chat.stream("echo one two", { callbacks }));
  expect(tokens.join("")).toBe("one two");
  const stopped = chat.invoke("Hi", { signal: AbortSignal.timeout(50) });
  await expect(stopped).rejects.toThrow();
  const read = async () => {
    for await (const _ of await chat.stream("Hi", { signal: AbortSignal.timeout(50) }));
  };
  await expect(read()).rejects.toThrow();
  for await (const _ of await chat.stream("Hi")) break;
  expect((await chat.invoke("echo next")).content).toBe("next");
  expect(log.running).toBe(0);
  await expect(chat.invoke("x", { top_p: 5 })).rejects.toMatchObject({ code: "bad_option" });
});

test("vectors and ranking", async () => {
  const embeddings = new SottoEmbeddings({ model: Promise.resolve(model), prompt: "a ", queryPrompt: "e " });
  expect(await embeddings.embedDocuments(["tree"])).toEqual([[1, 2, 0, 0]]);
  expect(await embeddings.embedQuery("tree")).toEqual([0, 3, 0, 0]);
  const documents = ["a cat", "a grey cat sleeps"].map(
    (pageContent) => new Document({ pageContent, metadata: { n: 1 } }),
  );
  const [best, ...others] = await new SottoRerank({ model, topN: 1 }).compressDocuments(documents, "grey cat");
  expect(best).toMatchObject({ pageContent: "a grey cat sleeps", metadata: { n: 1 } });
  expect(best!.metadata.relevanceScore).toBeCloseTo(1 / (1 + Math.exp(-2)));
  expect(others).toEqual([]);
});
