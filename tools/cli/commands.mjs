// The commands: each reads its input, and gives the work to do in the page.
import { Stop } from "../setup.mjs";
import { only, readBatch, readRequest, readText, readTexts } from "./input.mjs";
import { adapter, memory, named, print, round, rounded, snakeCase } from "./print.mjs";

/** Own flags: `texts` take a value, `switches` none. `calls` are those whose options are flags too. */
export const COMMANDS = {
  generate: {
    usage: "--model FILE_OR_URL (--prompt TEXT | --prompt-file F | --batch F.json)",
    texts: ["model", "prompt", "prompt-file", "batch"],
    calls: ["generate", "load"],
    prepare: (values) => {
      needModel(values);
      return generate(values, readTexts(values, "prompt", "prompt-file"));
    },
  },
  chat: {
    usage: "--model FILE_OR_URL (--request F.json [--stream] | --batch F.json)",
    texts: ["model", "request", "batch"],
    switches: ["stream"],
    calls: ["load"],
    prepare: (values) => {
      needModel(values);
      only(values, ["request", "batch"]);
      return values.batch === undefined ? chat(values, readRequest(values)) : chats(values, readBatch(values.batch));
    },
  },
  score: {
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["load"],
    prepare: (values) => {
      needModel(values);
      return score(values, readTexts(values, "text", "text-file"));
    },
  },
  embed: {
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["embed", "load"],
    prepare: (values) => {
      needModel(values);
      return embed(values, readTexts(values, "text", "text-file"));
    },
  },
  rerank: {
    usage: "--model FILE_OR_URL --batch F.json",
    texts: ["model", "batch"],
    calls: ["rerank", "load"],
    prepare: (values) => {
      needModel(values);
      if (values.batch === undefined) throw new Stop("--batch is missing; see --help.");
      return rerank(values, readBatch(values.batch));
    },
  },
  classify: {
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["classify", "load"],
    prepare: (values) => {
      needModel(values);
      return classify(values, readTexts(values, "text", "text-file"));
    },
  },
  "fill-mask": {
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["fillMask", "load"],
    prepare: (values) => {
      needModel(values);
      return fillMask(values, readTexts(values, "text", "text-file"));
    },
  },
  bench: {
    usage: "--model FILE_OR_URL",
    texts: ["model"],
    calls: ["bench", "load"],
    prepare: (values) => {
      needModel(values);
      return bench(values);
    },
  },
  tokenize: {
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json) [--special]",
    texts: ["model", "text", "text-file", "batch"],
    switches: ["special"],
    calls: ["tokenize"],
    prepare: (values) => {
      needModel(values);
      return tokenize(values, readTexts(values, "text", "text-file"));
    },
  },
  template: {
    usage: "(--template FILE.jinja | --model FILE_OR_URL) --batch F.json",
    texts: ["model", "template", "batch"],
    prepare: (values) => {
      only(values, ["template", "model"]);
      if (values.batch === undefined) throw new Stop("--batch is missing; see --help.");
      const source = values.template === undefined ? undefined : { template: readText(values.template) };
      return template(values, source, readBatch(values.batch));
    },
  },
  inspect: {
    usage: "--model FILE_OR_URL",
    texts: ["model"],
    calls: ["load"],
    prepare: (values) => {
      needModel(values);
      return inspect(values);
    },
  },
};

function needModel({ model }) {
  if (!model) throw new Stop("--model is missing; see --help.");
}

/** Loads the model, and says what it has to do without. */
async function load({ call, source }, { options }) {
  const { warnings, ...loaded } = await call("load", source, options.load);
  for (const warning of warnings) console.error(`warning: ${warning}`);
  return loaded;
}

function generate({ options, json, ...values }, inputs) {
  return async (page) => {
    const { info, loadMs } = await load(page, { options, ...values });
    const results = [];
    for (const { name, text } of inputs) {
      if (!json && name !== undefined) console.log(`## ${name}`);
      const reply = await page.call("generate", text, options.generate, !json);
      if (!json) process.stdout.write(reply.text.endsWith("\n") ? "" : "\n");
      const { ttftMs, prefillTps, decodeTps, draftedTokens, acceptedTokens } = reply.timings;
      const result = {
        prompt_tokens: reply.promptTokens,
        tokens: reply.tokens,
        text: reply.text,
        finish_reason: reply.finishReason,
        timings: {
          load_ms: loadMs,
          ttft_ms: ttftMs,
          prefill_tps: prefillTps,
          decode_tps: decodeTps,
          drafted_tokens: draftedTokens,
          accepted_tokens: acceptedTokens,
        },
        memory: memory(reply.memory),
        backend: info.backend,
        adapter: adapter(info),
        stats: snakeCase(await page.call("stats")),
      };
      results.push(named(name, result));
      if (!json)
        console.error(
          `[${reply.tokens.length} tokens, ${decodeTps.toFixed(1)} tokens/s, first after ${ttftMs.toFixed(0)} ms, ${adapter(info) ?? "CPU"}]`,
        );
    }
    if (json) print(inputs, results);
  };
}

/** The answer, or its chunks, one a line. */
function chat(values, request) {
  return async (page) => {
    await load(page, values);
    const answer = await page.call("ask", request);
    if (answer) console.log(JSON.stringify(answer));
  };
}

/** Each answer is a line; one that fails says why in it. */
function chats(values, batch) {
  return async (page) => {
    await load(page, values);
    for (const { name, request } of batch) {
      const { value: response, error } = await page.attempt("ask", { ...request, stream: false });
      console.log(JSON.stringify(named(name, error ? { error } : { response })));
    }
  };
}

function score(values, inputs) {
  return async (page) => {
    await load(page, values);
    const results = [];
    for (const { name, text } of inputs) {
      const { tokens, nllMean, perplexity, top } = await page.call("score", text);
      results.push(named(name, { tokens, nll_mean: nllMean, perplexity, top }));
      if (!values.json)
        console.log(
          `${name ? `${name}: ` : ""}${tokens.length} tokens, mean NLL ${nllMean.toFixed(4)}, perplexity ${perplexity.toFixed(3)}`,
        );
    }
    if (values.json) print(inputs, results);
  };
}

function embed(values, inputs) {
  return async (page) => {
    await load(page, values);
    const texts = inputs.map(({ text }) => text);
    const { vectors, tokens, dimensions } = await page.call("embed", texts, values.options.embed);
    const results = inputs.map(({ name }, i) => {
      const vector = vectors[i];
      const embedding = vector.length === dimensions ? vector : rows(vector, dimensions);
      if (!values.json)
        console.log(`${name ? `${name}: ` : ""}${tokens[i]} tokens, ${vector.length} numbers: ${shown(vector)} ...`);
      return named(name, { tokens: tokens[i], embedding });
    });
    if (values.json) print(inputs, results);
  };
}

const rows = (vector, width) =>
  Array.from({ length: vector.length / width }, (_, i) => vector.slice(i * width, (i + 1) * width));

const shown = (vector) =>
  vector
    .slice(0, 8)
    .map((number) => number.toFixed(4))
    .join(" ");

function rerank(values, batch) {
  return async (page) => {
    await load(page, values);
    const results = [];
    for (const { name, query, documents } of batch) {
      const ranked = await page.call("rerank", query, documents, values.options.rerank);
      const scores = documents.map((_, i) => ranked.find(({ index }) => index === i).score);
      results.push(named(name, { scores }));
      if (values.json) continue;
      console.log(`## ${query}`);
      for (const { index, score } of ranked) console.log(`${score.toFixed(3).padStart(8)} ${documents[index]}`);
    }
    if (values.json) console.log(JSON.stringify(results));
  };
}

function classify(values, inputs) {
  return async (page) => {
    await load(page, values);
    const texts = inputs.map(({ text }) => text);
    const all = await page.call("classify", texts, values.options.classify);
    const results = inputs.map(({ name }, i) => {
      const labels = all[i].map(({ label, score }) => [label, score]);
      if (!values.json) showShares(name, labels);
      return named(name, { labels });
    });
    if (values.json) print(inputs, results);
  };
}

function fillMask(values, inputs) {
  return async (page) => {
    await load(page, values);
    const results = [];
    for (const { name, text } of inputs) {
      const words = await page.call("fillMask", text, values.options.fillMask);
      const top = words.map(({ token, score }) => [token, score]);
      if (!values.json) showShares(name, top);
      results.push(named(name, { top }));
    }
    if (values.json) print(inputs, results);
  };
}

/** How likely each is, for people. */
function showShares(name, pairs) {
  const each = pairs.map(([text, share]) => `${text} ${share.toFixed(3)}`);
  console.log(`${name ? `${name}: ` : ""}${each.join(", ")}`);
}

function bench(values) {
  return async (page) => {
    const { info, loadMs } = await load(page, values);
    const measured = await page.call("bench", values.options.bench);
    const { prefill_tps, decode_tps, ttft_ms, dispatches_per_token, ...more } = snakeCase(measured);
    const peak = await page.call("memory");
    const result = {
      prefill_tps,
      decode_tps,
      load_ms: loadMs,
      ttft_ms,
      dispatches_per_token,
      ...memory(peak),
      backend: info.backend,
      adapter: adapter(info),
      tuning: info.tuning,
      // Once more from the same address, with what the browser's HTTP cache has kept of it.
      second_load_ms: (await load(page, values)).loadMs,
      host_peak_bytes: peak.wasmBytes,
      ...more,
    };
    if (values.json) return console.log(JSON.stringify(result));
    const { lengths = [], profile: passes = {}, tuning, ...single } = result;
    for (const [name, value] of Object.entries(single)) console.log(`${name.padEnd(22)} ${round(value)}`);
    for (const line of tuning) console.log(`${"tuned".padEnd(22)} ${line}`);
    if (lengths.length) console.table(lengths.map(rounded));
    for (const [name, { kernels, ...pass }] of Object.entries(passes)) {
      const facts = Object.entries(pass).map(([key, value]) => `${key} ${round(value)}`);
      console.log(`\n${name}: ${facts.join(", ")}`);
      console.table(kernels.map(rounded));
    }
  };
}

function tokenize({ options, special, json }, inputs) {
  const chosen = { ...options.tokenize, ...(special && { addSpecial: true, parseSpecial: true }) };
  return async ({ call, source }) => {
    await call("loadText", source);
    const results = [];
    for (const { name, text } of inputs) {
      const ids = await call("tokenize", text, chosen);
      const pieces = await call("pieces", ids);
      results.push(named(name, { ids, pieces }));
      if (json) continue;
      if (name !== undefined) console.log(`## ${name}`);
      for (const [i, id] of ids.entries()) console.log(`${String(id).padStart(7)} ${JSON.stringify(pieces[i])}`);
    }
    if (json) print(inputs, results);
  };
}

function template({ json }, source, batch) {
  return async (page) => {
    await page.call("loadText", source ?? page.source);
    const results = [];
    for (const { name, messages, ...rest } of batch) {
      const options = Object.fromEntries(Object.entries(rest).map(([name, value]) => [camel(name), value]));
      const { value: text, error } = await page.attempt("renderChat", messages, options);
      results.push(named(name, error ? { error } : { text }));
      if (!json) console.log(`## ${name ?? ""}\n${error ? `${error.message} (${error.code})` : text}`);
    }
    if (json) console.log(JSON.stringify(results));
  };
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function inspect({ json, options }) {
  return async ({ call, source }) => {
    const header = snakeCase(await call("inspect", source, options.load));
    if (json) return console.log(JSON.stringify(header));
    for (const [name, value] of Object.entries(header)) {
      if (Array.isArray(value) && value.some((row) => typeof row === "object")) {
        console.log(name);
        for (const row of value) console.log(`    ${JSON.stringify(row)}`);
      } else if (value !== null && typeof value === "object" && !Array.isArray(value)) {
        console.log(name);
        for (const [key, member] of Object.entries(value))
          console.log(`    ${key.padEnd(24)} ${JSON.stringify(member)}`);
      } else {
        console.log(`${name.padEnd(28)} ${JSON.stringify(value)}`);
      }
    }
  };
}
