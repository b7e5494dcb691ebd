/** Messages of the Vercel AI SDK and of LangChain, as their own packages make them, are read as OpenAI's. */
import {
  AIMessage,
  AIMessageChunk,
  type BaseMessage,
  ChatMessage,
  FunctionMessage,
  HumanMessage,
  RemoveMessage,
  SystemMessage,
  ToolMessage,
  mapChatMessagesToStoredMessages,
} from "@langchain/core/messages";
import { type ModelMessage, type UIMessage, convertToModelMessages, modelMessageSchema } from "ai";
import { afterEach, expect, test } from "vitest";
import { readMessages } from "../../www/api/arguments.js";
import type { Message } from "../../www/api/index.js";
import { asOpenAI } from "../../www/api/messages/index.js";
import type { Model } from "../../www/api/model.js";
import { SottoError } from "../../www/wire/errors.js";
import { codeOf, loadFake } from "./harness.js";

let model: Model | undefined;
afterEach(() => model?.dispose());

/** What all of them are read as. */
const OPENAI = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "What is the weather in Paris and Rome?" },
  {
    role: "assistant",
    content: "I look.",
    reasoning_content: "Two cities.",
    tool_calls: [
      { id: "1", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } },
      { id: "2", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } },
    ],
  },
  { role: "tool", tool_call_id: "1", content: '{"degrees":21}' },
  { role: "tool", tool_call_id: "2", content: "no network" },
  { role: "assistant", content: "21 degrees in Paris." },
  { role: "user", content: "Thanks!" },
];

const MODEL_MESSAGES: ModelMessage[] = [
  { role: "system", content: "Be brief." },
  { role: "user", content: "What is the weather in Paris and Rome?" },
  {
    role: "assistant",
    content: [
      { type: "reasoning", text: "Two cities." },
      { type: "text", text: "I look." },
      { type: "tool-call", toolCallId: "1", toolName: "weather", input: { city: "Paris" } },
      { type: "tool-call", toolCallId: "2", toolName: "weather", input: { city: "Rome" } },
    ],
  },
  {
    role: "tool",
    content: [
      { type: "tool-result", toolCallId: "1", toolName: "weather", output: { type: "json", value: { degrees: 21 } } },
      {
        type: "tool-result",
        toolCallId: "2",
        toolName: "weather",
        output: { type: "error-text", value: "no network" },
      },
    ],
  },
  { role: "assistant", content: "21 degrees in Paris." },
  { role: "user", content: "Thanks!" },
];

const UI_MESSAGES: UIMessage[] = [
  { id: "a", role: "system", parts: [{ type: "text", text: "Be brief." }] },
  { id: "b", role: "user", parts: [{ type: "text", text: "What is the weather in Paris and Rome?" }] },
  {
    id: "c",
    role: "assistant",
    parts: [
      { type: "step-start" },
      { type: "reasoning", text: "Two cities.", state: "done" },
      { type: "text", text: "I look.", state: "done" },
      {
        type: "tool-weather",
        toolCallId: "1",
        state: "output-available",
        input: { city: "Paris" },
        output: { degrees: 21 },
      },
      {
        type: "dynamic-tool",
        toolName: "weather",
        toolCallId: "2",
        state: "output-error",
        input: { city: "Rome" },
        errorText: "no network",
      },
      { type: "step-start" },
      { type: "source-url", sourceId: "s", url: "https://example.org" },
      { type: "data-note", data: { seen: true } },
      { type: "text", text: "21 degrees in Paris.", state: "done" },
    ],
  },
  { id: "d", role: "user", parts: [{ type: "text", text: "Thanks!" }] },
];

const CALLS = [
  { id: "1", name: "weather", args: { city: "Paris" }, type: "tool_call" as const },
  { id: "2", name: "weather", args: { city: "Rome" }, type: "tool_call" as const },
];

const LANGCHAIN: BaseMessage[] = [
  new SystemMessage("Be brief."),
  new HumanMessage("What is the weather in Paris and Rome?"),
  new AIMessage({
    content: "I look.",
    tool_calls: CALLS,
    additional_kwargs: { reasoning_content: "Two cities." },
    response_metadata: { model_name: "other" },
  }),
  new ToolMessage({ content: '{"degrees":21}', tool_call_id: "1" }),
  new ToolMessage({ content: "no network", tool_call_id: "2", status: "error" }),
  new AIMessage("21 degrees in Paris."),
  new HumanMessage("Thanks!"),
];

test("the AI SDK's model messages", () => {
  for (const message of MODEL_MESSAGES) expect(modelMessageSchema.safeParse(message).success).toBe(true);
  expect(readMessages(MODEL_MESSAGES)).toEqual(OPENAI);
});

test("the AI SDK's messages of pages are read as its own conversion makes them", async () => {
  expect(readMessages(UI_MESSAGES)).toEqual(OPENAI);
  const converted = await convertToModelMessages(UI_MESSAGES);
  const joined = readMessages(converted).map((message) => {
    const { content } = message as { content: string | { text: string }[] };
    return { ...message, content: Array.isArray(content) ? content.map(({ text }) => text).join("") : content };
  });
  expect(joined).toEqual(OPENAI);
});

test("each state and each kind of output of the AI SDK's tools", () => {
  const part = (state: string, more: object) => ({ type: "tool-x", toolCallId: "1", state, input: {}, ...more });
  const results = (...parts: object[]) =>
    readMessages([{ id: "a", role: "assistant", parts }]).flatMap((message) =>
      "tool_call_id" in message ? [message.content] : [],
    );
  expect(readMessages([{ id: "a", role: "assistant", parts: [part("input-streaming", {})] }])).toEqual([]);
  expect(results(part("input-available", {}))).toEqual([]);
  expect(results(part("approval-responded", { approval: { id: "a", approved: false, reason: "no" } }))).toEqual(["no"]);
  expect(results(part("approval-responded", { approval: { id: "a", approved: true } }))).toEqual([]);
  expect(results(part("output-denied", {}))).toEqual(["The call was not allowed."]);
  expect(results(part("output-available", { output: "text" }))).toEqual(["text"]);
  const given = (output: object) => {
    const content = [{ type: "tool-result", toolCallId: "1", toolName: "x", output }];
    return (readMessages([{ role: "tool", content }])[0] as { content: string }).content;
  };
  expect(given({ type: "text", value: "a" })).toBe("a");
  expect(given({ type: "error-json", value: { a: 1 } })).toBe('{"a":1}');
  expect(given({ type: "execution-denied", reason: "no" })).toBe("no");
  const texts = [
    { type: "text", text: "a" },
    { type: "text", text: "b" },
  ];
  expect(given({ type: "content", value: texts })).toBe("ab");
  // Version 4's names.
  const old = [
    { role: "assistant", content: [{ type: "tool-call", toolCallId: "1", toolName: "x", args: { a: 1 } }] },
    { role: "tool", content: [{ type: "tool-result", toolCallId: "1", toolName: "x", result: { b: 2 } }] },
  ];
  expect(readMessages(old)).toMatchObject([
    { tool_calls: [{ function: { name: "x", arguments: '{"a":1}' } }] },
    { content: '{"b":2}' },
  ]);
});

test("LangChain's messages: instances, what they are stored as, and what it takes in their place", () => {
  expect(readMessages(LANGCHAIN)).toEqual(OPENAI);
  expect(readMessages(mapChatMessagesToStoredMessages(LANGCHAIN))).toEqual(OPENAI);
  expect(readMessages(JSON.parse(JSON.stringify(LANGCHAIN)))).toEqual(OPENAI);
  expect(readMessages(LANGCHAIN.map((message) => ({ ...message })) as never)).toEqual(OPENAI);
  const short = [["system", "Be brief."], { role: "human", content: "Hi" }, ["ai", [{ type: "text", text: "Hello" }]]];
  expect(readMessages(short)).toEqual([
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi" },
    { role: "assistant", content: "Hello" },
  ]);
});

test("LangChain's other classes and blocks", () => {
  const chunk = new AIMessageChunk({ content: "a" }).concat(new AIMessageChunk({ content: "b" }));
  expect(readMessages([chunk])).toEqual([{ role: "assistant", content: "ab" }]);
  expect(readMessages([new ChatMessage("Hi", "developer")])).toEqual([{ role: "developer", content: "Hi" }]);
  expect(readMessages([new HumanMessage({ content: "Hi", name: "ann" })])).toEqual([
    { role: "user", content: "Hi", name: "ann" },
  ]);
  expect(readMessages([new FunctionMessage({ content: "5", name: "f" })])).toEqual([
    { role: "function", content: "5", name: "f" },
  ]);
  expect(readMessages([new RemoveMessage({ id: "1" })])).toEqual([]);
  const blocks = new AIMessage({
    contentBlocks: [{ type: "reasoning", reasoning: "Two cities." }, { type: "text", text: "I look." }, ...CALLS],
  });
  expect(readMessages([blocks])).toEqual([OPENAI[2]]);
  const older = new AIMessage({
    content: "",
    additional_kwargs: {
      tool_calls: [{ id: "1", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } }],
    },
  });
  expect(readMessages([older])).toMatchObject([{ tool_calls: [{ id: "1", function: { name: "weather" } }] }]);
});

test("what is no text is refused, and its place is the caller's", () => {
  const image = { type: "image" as const, image: "AAAA" };
  const ai: ModelMessage[] = [...MODEL_MESSAGES, { role: "user", content: [{ type: "text", text: "See" }, image] }];
  expect(() => readMessages(ai)).toThrow(
    'messages[6].content[1] is a part of type "image"; give text: models here read nothing else.',
  );
  const file = { type: "file" as const, mediaType: "image/png", url: "data:image/png;base64,AAAA" };
  const ui: UIMessage[] = [{ id: "a", role: "user", parts: [file] }];
  expect(() => readMessages(ui)).toThrow('messages[0].parts[0] is a part of type "file"');
  const picture = new HumanMessage({ content: [{ type: "image_url", image_url: "https://example.org/a.png" }] });
  expect(() => readMessages([picture])).toThrow('messages[0].content[0] is a part of type "image_url"');
});

test("what only looks like another library's is a typed error", () => {
  const bad: [unknown, string][] = [
    [{ role: "user", parts: [{ type: "text" }] }, "messages[0].parts[0].text is undefined; give text."],
    [{ role: "tool", content: [{ type: "tool-result", output: { type: "content" } }] }, "messages[0] is not as its"],
    [{ type: "human", data: { content: [5] } }, "messages[0].content[0] is a part of type undefined"],
    [{ type: "ai", content: [{ type: "reasoning" }] }, "messages[0].content[0].reasoning is undefined"],
    [{ type: "ai", content: "x", tool_calls: 5 }, "messages[0] is not as its library makes it"],
    [
      {
        getType() {
          throw new RangeError("no type");
        },
      },
      "no type",
    ],
  ];
  for (const [message, says] of bad) {
    expect(() => readMessages([message])).toThrow(says);
    expect(() => readMessages([message])).toThrow(SottoError);
  }
});

test("OpenAI's shape, and what templates read besides, is left as it is", () => {
  const own = [
    { role: "user", content: [{ type: "text", text: "Hi" }] },
    { role: "assistant", content: [{ type: "refusal", refusal: "No." }], custom: { a: 1 } },
    { role: "tool", content: [{ type: "text", text: "5" }], tool_call_id: "1", type: "x" },
    { role: "critic", content: "6" },
  ];
  expect(asOpenAI(own).messages).toEqual(own);
  expect(asOpenAI([5, null, "x", []]).messages).toEqual([5, null, "x", []]);
});

test("they go into every call with their own types", async () => {
  model = await loadFake();
  const ai: ModelMessage[] = [{ role: "user", content: [{ type: "text", text: "echo one" }] }];
  const ui: UIMessage[] = [{ id: "a", role: "user", parts: [{ type: "text", text: "echo two" }] }];
  const langchain: BaseMessage[] = [new HumanMessage("echo three")];
  expect((await model.chat(LANGCHAIN)).text).toBe((await model.chat(OPENAI as Message[])).text);
  expect((await model.chat(ui)).text).toBe("two");
  expect((await model.chat(langchain)).text).toBe("three");
  expect(await model.renderChat(ui)).toBe("user: echo two\n");
  expect(await model.countTokens(langchain)).toBe(2);
  expect((await model.chat.completions.create({ messages: langchain })).choices[0]!.message.content).toBe("three");
  expect((await model.runTools({ messages: ui, tools: [] })).text).toBe("two");
  let text = "";
  for await (const piece of model.generate(langchain)) text += piece.text;
  expect(text).toBe("three");
  const shortened = await model.chat("word ".repeat(150), { overflow: () => langchain });
  expect(shortened.text).toBe("three");
  const reactive = new Proxy(langchain, { get: (list, name) => Reflect.get(list, name) });
  expect((await model.chat(reactive)).text).toBe("three");
  expect((await model.chat(ai)).message.role).toBe("assistant");
  const bad = [{ id: "a", role: "user", parts: [{ type: "file", mediaType: "image/png", url: "x" }] }];
  expect(await codeOf(model.chat(bad))).toBe("bad_option");
});

test("messages that were left out are told by the caller's own places", async () => {
  model = await loadFake();
  const call = (id: string) => ({ type: "tool-call" as const, toolCallId: id, toolName: "x", input: {} });
  const result = (id: string) => ({
    type: "tool-result" as const,
    toolCallId: id,
    toolName: "x",
    output: { type: "text" as const, value: "word ".repeat(30).trim() },
  });
  const messages: ModelMessage[] = [
    { role: "user", content: "Hi" },
    { role: "assistant", content: [call("1"), call("2")] },
    { role: "tool", content: [result("1"), result("2")] },
    { role: "user", content: "And now?" },
    { role: "assistant", content: "word ".repeat(20).trim() },
    { role: "user", content: "echo yes" },
  ];
  const { text, dropped } = await model.chat(messages, { overflow: "trim" });
  expect({ text, dropped }).toEqual({ text: "yes", dropped: [0, 1, 2] });
});
