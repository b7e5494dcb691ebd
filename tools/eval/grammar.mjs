// What a grammar costs: the same chat with free replies and with such that are held to a schema, in turns in one page, by the
// built package in headless Chromium.
//   node tools/eval/grammar.mjs [--model FILE] [--backend cpu|webgpu]… [--rounds 5] [--threads 1]
// Replies are greedy, so each round writes the same tokens. Forced tokens take no choice of their own, so what a grammar adds is
// told for each chosen token; how many were forced a reply with probabilities says, in which they alone are certain.
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { serveModel } from "../serve.mjs";
import { ROOT, tool } from "../setup.mjs";
import { median } from "./measured.mjs";

const MODEL = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const TOKENS = 64;
const json = (schema) => ({ type: "json_schema", json_schema: { name: "x", strict: true, schema } });
const text = (length) => ({ type: "string", minLength: length, maxLength: length });
const object = (properties) => ({
  type: "object",
  properties,
  required: Object.keys(properties),
  additionalProperties: false,
});

/** What the replies are held to. Those of a schema end by themselves, or by the limit of tokens. */
const FORMATS = {
  free: undefined,
  // Nearly all tokens are chosen.
  "a long text": json(text(2000)),
  // Punctuation and names are forced.
  "an object of short texts": json(
    object({
      name: text(12),
      city: text(12),
      street: text(12),
      country: text(12),
      occupation: text(12),
      hobby: text(12),
    }),
  ),
};

/** Runs inside the page: one reply, and when its pieces came. */
async function reply(response_format, logprobs, max_tokens) {
  const started = performance.now();
  let first;
  let usage;
  const certain = [];
  const request = {
    messages: [{ role: "user", content: "Tell me of a person whom you have made up." }],
    temperature: 0,
    max_tokens,
    speculate: "off",
    logprobs,
    stream: true,
    stream_options: { include_usage: true },
    ...(response_format && { response_format }),
  };
  for await (const chunk of await globalThis.model.chat.completions.create(request)) {
    const [choice] = chunk.choices;
    if (choice?.delta.content) first ??= performance.now();
    for (const { logprob } of choice?.logprobs?.content ?? []) certain.push(logprob === 0);
    usage = chunk.usage ?? usage;
  }
  const last = performance.now();
  const tokens = usage.completion_tokens;
  return { ttft: first - started, decode: last - first, tokens, forced: certain.filter(Boolean).length };
}

/** Of one backend: a line for each format. */
async function measure(page, options, rounds) {
  const evaluate = (...args) => page.evaluate(`(${reply})(...${JSON.stringify(args)})`);
  await page.evaluate(async (options) => {
    const { load } = await import("/dist/index.js");
    globalThis.model = await load("/model.gguf", { contextLength: 1024, ...options });
  }, options);
  await evaluate(null, false, 8);
  const cold = {};
  const runs = {};
  const forced = {};
  for (const [name, format] of Object.entries(FORMATS)) {
    // The first fetches the module, or compiles the grammar for the first time.
    cold[name] = (await evaluate(format ?? null, false, TOKENS)).ttft;
    forced[name] = (await evaluate(format ?? null, true, TOKENS)).forced;
    runs[name] = [];
  }
  for (let round = 0; round < rounds; round++)
    for (const [name, format] of Object.entries(FORMATS))
      runs[name].push(await evaluate(format ?? null, false, TOKENS));
  await page.evaluate(() => globalThis.model.dispose());
  return Object.entries(runs).map(([name, all]) => {
    const [{ tokens }] = all;
    // The first piece has the first chosen token.
    const chosen = tokens - forced[name] - 1;
    const decode = median(all.map((run) => run.decode));
    return {
      reply: name,
      tokens,
      forced: forced[name],
      "first token, ms": median(all.map((run) => run.ttft)).toFixed(0),
      "at first, ms": cold[name].toFixed(0),
      "ms a chosen token": (decode / chosen).toFixed(2),
      "tokens/s": ((1000 * (tokens - 1)) / decode).toFixed(1),
    };
  });
}

await tool(async () => {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: join(ROOT, MODEL) },
      backend: { type: "string", multiple: true, default: ["cpu"] },
      rounds: { type: "string", default: "5" },
      threads: { type: "string", default: "1" },
    },
  });
  const server = await serveModel(values.model);
  try {
    for (const backend of values.backend) {
      const { browser, page, label } = await launchBrowser(server.url, { webgpu: backend === "webgpu" });
      const options = { backend, ...(backend === "cpu" && { threads: Number(values.threads) }) };
      const rows = await measure(page, options, Number(values.rounds));
      console.log(`\n${basename(values.model)}, ${backend === "cpu" ? `CPU, ${values.threads} thread` : label}`);
      console.table(rows);
      await browser.close();
    }
  } finally {
    server.close();
  }
});
