// `model.runTools` with a real model, by the built package in headless Chromium: two plain functions, and what the model does
// with them. Prints each message; fails where the model calls none, or where its answer lacks what the function gave.
//   node tools/eval/run-tools.mjs [--model FILE] [--backend cpu|webgpu] [--threads 2]
import { basename, join } from "node:path";
import { ROOT, Stop, tool } from "../setup.mjs";
import { inBrowser } from "./measured.mjs";

const MODEL = "models/Qwen2.5-Coder-1.5B-Instruct.Q4_K_M.gguf";

/** Without it models of this size call the same function again instead of answering: llama.cpp's greedy text is the same. */
const SYSTEM =
  "Call a function where you need it. Once you have its result, answer the user in one sentence, in words, and call nothing more.";

/** Runs inside the page. */
async function inPage({ system, ...options }) {
  const { load } = await import("/dist/index.js");
  const model = await load("/model.gguf", { contextLength: 2048, ...options });
  const weather = {
    name: "get_weather",
    description: "The weather in a city, now.",
    parameters: {
      type: "object",
      properties: { city: { type: "string" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } },
      required: ["city"],
    },
    run: ({ city, unit = "celsius" }) => ({ city, unit, degrees: unit === "celsius" ? 17 : 63, sky: "light rain" }),
  };
  const time = {
    name: "get_time",
    description: "The local time in a city.",
    parameters: { type: "object", properties: { city: { type: "string" } }, required: ["city"] },
    run: ({ city }) => `It is 14:05 in ${city}.`,
  };
  const started = performance.now();
  const said = [];
  const { text, steps, finish_reason, usage } = await model.runTools(
    {
      messages: [
        { role: "system", content: system },
        { role: "user", content: "What is the weather in Paris right now?" },
      ],
      tools: [weather, time],
      // Which function, and with which arguments, is the model's choice; by itself it writes what is no JSON at times.
      tool_choice: "required",
      parallel_tool_calls: false,
      temperature: 0,
      max_tokens: 120,
    },
    { onMessage: (message, step) => said.push({ step, ...message }) },
  );
  const calls = steps.flatMap(({ calls }) => calls);
  return { said, text, calls, finish_reason, usage, seconds: (performance.now() - started) / 1000 };
}

await tool(() =>
  inBrowser({ model: join(ROOT, MODEL), threads: "2" }, async (page, { model }, options) => {
    const told = await page.evaluate(inPage, { system: SYSTEM, ...options });
    const { said, text, calls, finish_reason, usage, seconds } = told;
    for (const message of said) console.log(JSON.stringify(message));
    console.log(
      `${basename(model)}: ${finish_reason}, ${calls.length} calls, ${seconds.toFixed(0)} s, ${JSON.stringify(usage)}`,
    );
    if (!calls.some(({ name, result }) => name === "get_weather" && result))
      throw new Stop("the weather was not asked for.");
    if (!/17/.test(text)) throw new Stop("the answer does not say what the function gave.");
  }),
);
