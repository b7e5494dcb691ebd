// `npm run -s generate|score|bench -- --model FILE_OR_URL …`: the built package in headless
// Chromium, through its worker and wasm as in a page. `cargo run --bin sotto` takes the same flags.
import { existsSync, readFileSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, Stop, ensurePackages, tool } from "./setup.mjs";

const text = { type: "string" };
const flag = { type: "boolean", default: false };
const MODEL = {
  model: text,
  backend: { ...text, default: "auto" },
  precision: { ...text, default: "high" },
  threads: text,
  "context-length": text,
  tune: text,
  json: flag,
  help: { ...flag, short: "h" },
};

/** Flags whose values are names. */
const NAMES = { backend: ["auto", "webgpu", "cpu"], precision: ["high", "fast"], tune: ["on", "off"] };

const COMMANDS = {
  generate: {
    usage:
      "generate --model FILE_OR_URL (--prompt TEXT | --prompt-file F | --batch F.json) [--raw] [--max-tokens N] [--temperature T] [--top-k N] [--top-p P] [--min-p P] [--repeat-penalty R] [--seed S] [--stop TEXT]… [--context-length N] [--backend auto|webgpu|cpu] [--precision high|fast] [--threads N] [--tune on|off] [--json]",
    flags: { ...MODEL, prompt: text, "prompt-file": text, batch: text, raw: flag, stop: { ...text, multiple: true } },
    numbers: ["max-tokens", "temperature", "top-k", "top-p", "min-p", "repeat-penalty", "seed"],
    input: ["prompt", "prompt-file"],
    run: generate,
  },
  score: {
    usage:
      "score --model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json) [--context-length N] [--backend auto|webgpu|cpu] [--precision high|fast] [--threads N] [--tune on|off] [--json]",
    flags: { ...MODEL, text, "text-file": text, batch: text },
    numbers: [],
    input: ["text", "text-file"],
    run: score,
  },
  bench: {
    usage:
      "bench --model FILE_OR_URL [--prompt-tokens 256[,N]…] [--gen-tokens 64] [--runs 3] [--profile] [--context-length N] [--backend auto|webgpu|cpu] [--precision high|fast] [--threads N] [--tune on|off] [--json]",
    flags: { ...MODEL, "prompt-tokens": { ...text, default: "256" }, profile: flag },
    numbers: ["gen-tokens", "runs"],
    lists: ["prompt-tokens"],
    run: bench,
  },
};

await tool(async () => {
  const [name, ...args] = process.argv.slice(2);
  const command = COMMANDS[name];
  if (!command)
    throw new Stop(
      `usage: ${Object.values(COMMANDS)
        .map(({ usage }) => usage)
        .join(" | ")}`,
    );
  const values = readFlags(command, args);
  if (values.help) return console.log(`usage: ${command.usage}`);
  for (const [name, known] of Object.entries(NAMES)) {
    if (values[name] !== undefined && !known.includes(values[name]))
      throw new Stop(`--${name} is one of ${known.join(", ")}, not "${values[name]}".`);
  }
  if (!values.model) throw new Stop(`--model is missing; usage: ${command.usage}`);
  const inputs = command.input ? readInputs(command, values) : [];
  await ensureBuilt();
  await inBrowser(values, (session) => command.run(session, values, inputs));
});

/** Flags by name; numbers as numbers, under their JavaScript names in `options`. */
function readFlags({ flags, numbers, lists = [], usage }, args) {
  let values;
  try {
    const options = { ...flags, ...Object.fromEntries(numbers.map((number) => [number, text])) };
    // parseArgs takes "-1" for a flag unless it is joined to its name.
    const joined = args.flatMap((arg, i) =>
      /^-[\d.]/.test(arg) && i > 0 ? [] : /^-[\d.]/.test(args[i + 1] ?? "") ? [`${arg}=${args[i + 1]}`] : [arg],
    );
    ({ values } = parseArgs({ args: joined, options }));
  } catch (error) {
    throw new Stop(`${error.message.split(". ")[0]}; usage: ${usage}`);
  }
  values.options = {};
  for (const name of [...numbers, "context-length", "threads"]) {
    if (values[name] === undefined) continue;
    values[name] = number(name, values[name]);
    if (numbers.includes(name)) values.options[camel(name)] = values[name];
  }
  for (const name of lists) values.options[camel(name)] = values[name].split(",").map((item) => number(name, item));
  return values;
}

function number(name, text) {
  const value = Number(text);
  if (text.trim() === "" || !Number.isFinite(value)) throw new Stop(`--${name} needs a number, not "${text}".`);
  return value;
}

/** The texts to work on, each with its name in a batch. */
function readInputs({ input: [direct, file], usage }, values) {
  const given = [direct, file, "batch"].filter((name) => values[name] !== undefined);
  if (given.length !== 1) throw new Stop(`one of --${direct}, --${file} and --batch is needed; usage: ${usage}`);
  if (values[direct] !== undefined) return [{ text: values[direct] }];
  if (values[file] !== undefined) return [{ text: readText(values[file]) }];
  let batch;
  try {
    batch = JSON.parse(readText(values.batch));
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(`${values.batch} is not JSON: ${error.message}`);
  }
  const good =
    Array.isArray(batch) && batch.every((item) => typeof item?.name === "string" && typeof item?.text === "string");
  if (!good) throw new Stop(`${values.batch} must be an array of {"name", "text"}.`);
  return batch;
}

function readText(path) {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    throw new Stop(`cannot read ${path}: ${error.code ?? error.message}.`);
  }
}

async function ensureBuilt() {
  ensurePackages();
  if (existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) return;
  const { build } = await import("./build.mjs");
  await build();
}

/** Loads the model in a page; `work` gets functions that call it there. */
async function inBrowser(values, work) {
  const { ISOLATED, serve, sendFile } = await import("./serve.mjs");
  const { firstLine, launchBrowser } = await import("./browser.mjs");
  const isUrl = /^https?:/i.test(values.model);
  const path = resolve(values.model);
  if (!isUrl && !statSync(path, { throwIfNoEntry: false })?.isFile())
    throw new Stop(`there is no file ${values.model}.`);
  const routes = {
    "/dist/": join(ROOT, "dist"),
    "/model/": (request, response) => sendFile(request, response, path),
    "/": (_request, response) =>
      response.setHeader("content-type", "text/html").end("<!doctype html><title>sotto</title>"),
  };
  const server = await serve(routes, { headers: ISOLATED });
  let browser;
  try {
    let page;
    ({ browser, page } = await launchBrowser(server.url, {
      webgpu: values.backend === "webgpu",
      exactTimes: values.profile,
    }));
    await page.exposeFunction("write", (piece) => void process.stdout.write(piece));
    const source = isUrl ? values.model : `${server.url}/model/${encodeURIComponent(basename(path))}`;
    const call = async (action, argument) => {
      const result = await page.evaluate(inPage, { action, argument }).catch((error) => {
        throw new Stop(`the page failed: ${firstLine(error)}`);
      });
      if (result.error)
        throw new Stop(`${result.error.message.replaceAll(source, values.model)} (${result.error.code})`);
      return result.value;
    };
    const { backend, precision, threads } = values;
    const options = {
      backend,
      precision,
      threads,
      contextLength: values["context-length"],
      tune: values.tune && values.tune === "on",
    };
    const load = () => call("load", { source, options });
    const { info, loadMs, warnings } = await load();
    for (const warning of warnings) console.error(`warning: ${warning}`);
    await work({ call, reload: async () => (await load()).loadMs, info, loadMs });
  } finally {
    await browser?.close();
    server.close();
  }
}

/** Runs inside the page. */
async function inPage({ action, argument }) {
  try {
    if (action === "load") {
      const { load } = await import("/dist/index.js");
      const { source, options } = argument;
      await globalThis.model?.dispose();
      const warnings = [];
      const started = performance.now();
      globalThis.model = await load(source, { ...options, onWarning: ({ message }) => warnings.push(message) });
      return { value: { info: globalThis.model.info, loadMs: performance.now() - started, warnings } };
    }
    const { model } = globalThis;
    if (action === "generate") {
      const { prompt, options, stream } = argument;
      const all = { text: "", tokens: [] };
      for await (const { text, tokens, ...last } of model.generate(prompt, options)) {
        if (stream && text) await globalThis.write(text);
        all.text += text;
        all.tokens.push(...tokens);
        Object.assign(all, last);
      }
      return { value: { ...all, memory: model.info.memory } };
    }
    const value = action === "score" ? await model.score(argument) : await model.bench(argument);
    return { value: { ...value, memory: model.info.memory } };
  } catch (error) {
    return { error: { code: error?.code ?? "internal", message: error?.message ?? String(error) } };
  }
}

async function generate({ call, info, loadMs }, { options, raw, stop, json }, inputs) {
  const results = [];
  for (const { name, text } of inputs) {
    if (!json && name !== undefined) console.log(`## ${name}`);
    const reply = await call("generate", {
      prompt: text,
      options: { ...options, raw, ...(stop && { stop }) },
      stream: !json,
    });
    if (!json) process.stdout.write(reply.text.endsWith("\n") ? "" : "\n");
    const { ttftMs, prefillTps, decodeTps } = reply.timings;
    results.push({
      ...(name !== undefined && { name }),
      prompt_tokens: reply.promptTokens,
      tokens: reply.tokens,
      text: reply.text,
      finish_reason: reply.finishReason,
      timings: { load_ms: loadMs, ttft_ms: ttftMs, prefill_tps: prefillTps, decode_tps: decodeTps },
      memory: memory(reply),
      backend: info.backend,
      adapter: adapter(info),
    });
    if (!json)
      console.error(
        `[${reply.tokens.length} tokens, ${decodeTps.toFixed(1)} tokens/s, first after ${ttftMs.toFixed(0)} ms, ${adapter(info) ?? "CPU"}]`,
      );
  }
  if (json) print(inputs, results);
}

async function score({ call }, { json }, inputs) {
  const results = [];
  for (const { name, text } of inputs) {
    const { tokens, nllMean, perplexity, top } = await call("score", text);
    results.push({ ...(name !== undefined && { name }), tokens, nll_mean: nllMean, perplexity, top });
    if (!json)
      console.log(
        `${name ? `${name}: ` : ""}${tokens.length} tokens, mean NLL ${nllMean.toFixed(4)}, perplexity ${perplexity.toFixed(3)}`,
      );
  }
  if (json) print(inputs, results);
}

async function bench({ call, reload, info, loadMs }, { options, profile, json }) {
  const { memory: peak, ...measured } = await call("bench", { genTokens: 64, runs: 3, ...options, profile });
  const { prefill_tps, decode_tps, ttft_ms, dispatches_per_token, ...more } = snakeCase(measured);
  const result = {
    prefill_tps,
    decode_tps,
    load_ms: loadMs,
    ttft_ms,
    dispatches_per_token,
    ...memory({ memory: peak }),
    backend: info.backend,
    adapter: adapter(info),
    tuning: info.tuning,
    // Once more from the same address, with what the browser's HTTP cache has kept of it.
    second_load_ms: await reload(),
    host_peak_bytes: peak.wasmBytes,
    ...more,
  };
  if (json) return console.log(JSON.stringify(result));
  const { lengths = [], profile: passes = {}, tuning, ...single } = result;
  for (const [name, value] of Object.entries(single)) console.log(`${name.padEnd(22)} ${round(value)}`);
  for (const line of tuning) console.log(`${"tuned".padEnd(22)} ${line}`);
  if (lengths.length) console.table(lengths.map(rounded));
  for (const [name, { kernels, ...pass }] of Object.entries(passes)) {
    console.log(
      `\n${name}: ${Object.entries(pass)
        .map(([key, value]) => `${key} ${round(value)}`)
        .join(", ")}`,
    );
    console.table(kernels.map(rounded));
  }
}

function round(value) {
  return typeof value === "number" ? (Number.isInteger(value) ? value : +value.toPrecision(5)) : value;
}

function rounded(row) {
  return Object.fromEntries(Object.entries(row).map(([key, value]) => [key, round(value)]));
}

/** One JSON value: an array for a batch, else the one result. */
function print(inputs, results) {
  console.log(
    JSON.stringify(inputs.some(({ name }) => name !== undefined) || results.length !== 1 ? results : results[0]),
  );
}

function memory({ memory: { wasmBytes, gpuBytes } }) {
  return { wasm_peak_bytes: wasmBytes, gpu_bytes: gpuBytes };
}

/** The GPU's name; null on the CPU. */
function adapter({ adapter }) {
  return adapter && (adapter.description || [adapter.vendor, adapter.architecture].filter(Boolean).join(" "));
}

function camel(name) {
  return name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
}

/** The engine's names as the commands' JSON writes them. */
function snakeCase(value) {
  if (Array.isArray(value)) return value.map(snakeCase);
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, member]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCase(member),
    ]),
  );
}
