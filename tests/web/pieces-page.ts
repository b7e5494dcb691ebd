/** What a page does with the clients of other libraries; bundled and run by pieces.spec.ts. */
import { StringOutputParser } from "@langchain/core/output_parsers";
import { Output, generateText, jsonSchema, streamText, tool } from "ai";
import OpenAI from "openai";
import { load } from "sotto";
import { languageModel } from "sotto/ai-sdk";
import { ChatSotto } from "sotto/langchain";
import { createFetch } from "sotto/openai";
import { createLanguageModel } from "sotto/prompt-api";

const CITY = {
  type: "object",
  properties: { city: { enum: ["Paris", "Rome"] } },
  required: ["city"],
  additionalProperties: false,
};
const ASK = "Which city is warm?";

async function run() {
  const model = await load("/model.gguf", { contextLength: 1024, backend: "cpu" });
  performance.mark("loaded");
  const found: Record<string, unknown> = {};

  const client = new OpenAI({ fetch: createFetch(model) as never, apiKey: "none", dangerouslyAllowBrowser: true });
  const request = { model: "any", messages: [{ role: "user" as const, content: ASK }], temperature: 0 };
  const stream = await client.chat.completions.create({ ...request, max_tokens: 8, stream: true });
  let text = "";
  for await (const { choices } of stream) text += choices[0]?.delta.content ?? "";
  const whole = await client.chat.completions.create({ ...request, max_tokens: 8 });
  found.streamIsWhole = text !== "" && text === whole.choices[0]!.message.content;
  const called = await client.chat.completions.create({
    ...request,
    tools: [{ type: "function", function: { name: "weather", parameters: CITY } }],
    tool_choice: "required",
    parallel_tool_calls: false,
  });
  const [call] = called.choices[0]!.message.tool_calls ?? [];
  found.openai = call?.type === "function" && JSON.parse(call.function.arguments);

  const schema = jsonSchema<{ city: string }>(CITY as never);
  const asked = { model: languageModel(model), prompt: ASK, temperature: 0 } as const;
  found.object = (await generateText({ ...asked, output: Output.object({ schema }) })).output;
  const weather = tool({ inputSchema: schema, execute: async ({ city }) => `warm in ${city}` });
  const steps = streamText({ ...asked, tools: { weather }, toolChoice: { type: "tool", toolName: "weather" } });
  found.tools = (await steps.toolResults)[0]?.output;

  const chat = new ChatSotto({ model, temperature: 0, max_tokens: 8 });
  found.langchain = await chat.pipe(new StringOutputParser()).invoke(ASK);
  found.structured = await chat.withStructuredOutput(CITY).withConfig({}).invoke(ASK);

  const session = await createLanguageModel(model).create();
  found.prompt = JSON.parse(await session.prompt(ASK, { responseConstraint: CITY }));

  const begun = [
    { role: "user", content: ASK },
    { role: "assistant", content: "It is (as JSON): ", prefix: true },
  ];
  found.prefix = JSON.parse(await session.prompt(begun as never, { responseConstraint: CITY }));
  found.prefixed = await session.prompt(begun as never, { responseConstraint: /Paris|Rome/ });

  const outside = performance.getEntriesByType("resource").filter(({ name }) => !name.startsWith(location.origin));
  found.outside = outside.map(({ name }) => name);
  await model.dispose();
  return { found, text };
}

run().then(
  (result) => Object.assign(globalThis, { result }),
  (error) => Object.assign(globalThis, { result: { error: String(error?.stack ?? error) } }),
);
