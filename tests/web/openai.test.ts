/** Code, and messages, that were written for other libraries. */
import type OpenAI from "openai";
import { afterEach, expect, test } from "vitest";
import type * as sotto from "../../www/api/index.js";
import { loadFake } from "./harness.js";
import type { Client } from "./openai-types.js";

type ChatWhole = OpenAI.Chat.Completions.ChatCompletionCreateParamsNonStreaming;
type ChatStreams = OpenAI.Chat.Completions.ChatCompletionCreateParamsStreaming;

let model: sotto.Model | undefined;
afterEach(() => model?.dispose());

test("code that was written for OpenAI's client takes the model in its place", async () => {
  model = await loadFake();
  const ask = async (client: Client) => {
    const params: ChatWhole = { model: "gpt-4o", messages: [{ role: "user", content: "echo the same" }] };
    const answer = await client.create(params);
    return answer.choices[0]?.message.content;
  };
  expect(await ask(model.chat.completions)).toBe("the same");
  const params: ChatStreams = {
    model: "gpt-4o",
    messages: [
      { role: "developer", content: [{ type: "text", text: "Be brief." }] },
      { role: "user", name: "ann", content: "Hi" },
      {
        role: "assistant",
        content: null,
        tool_calls: [{ id: "1", type: "function", function: { name: "now", arguments: "{}" } }],
      },
      { role: "tool", tool_call_id: "1", content: "noon" },
      { role: "user", content: "echo a b" },
    ],
    tools: [{ type: "function", function: { name: "now", parameters: { type: "object", properties: {} } } }],
    tool_choice: "auto",
    stream: true,
  };
  let text = "";
  for await (const chunk of await model.chat.completions.create(params)) {
    const part: OpenAI.Chat.Completions.ChatCompletionChunk = chunk;
    text += part.choices[0]?.delta.content ?? "";
  }
  expect(text).toBe("a b");
});

test("messages of other libraries, and a page's own, go in unchanged", async () => {
  model = await loadFake();
  // The Vercel AI SDK's, where they are OpenAI's shape.
  const vercel = [
    { role: "system" as const, content: "Be brief." },
    { role: "user" as const, content: [{ type: "text" as const, text: "Hi" }] },
    { role: "assistant" as const, content: [{ type: "text" as const, text: "Hello" }] },
    { role: "user" as const, content: "echo one" },
  ];
  expect((await model.chat(vercel)).text).toBe("one");
  // LangChain's, as plain objects.
  const langchain = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "echo two" },
  ];
  expect((await model.chat(langchain)).text).toBe("two");
  interface Own {
    readonly role: "user" | "assistant";
    readonly content: string;
    readonly id: number;
  }
  const own: readonly Own[] = [{ role: "user", content: "echo three", id: 3 }];
  expect((await model.chat(own)).text).toBe("three");
  expect((await model.chat.completions.create({ messages: own })).choices[0]!.message.content).toBe("three");
  let text = "";
  for await (const chunk of model.generate(own)) text += chunk.text;
  expect(text).toBe("three");
});
