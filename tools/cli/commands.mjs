// The commands: each reads its input, and gives the work to do in the page.
import { Stop } from "../setup.mjs";
import { inFlags } from "./flags.mjs";
import { only, readBatch, readRequest, readText, readTexts } from "./input.mjs";
import { adapter, memory, named, out, print, round, rounded, snakeCase } from "./print.mjs";

/** `about`: what it does. Own flags: `texts` take a value, `lists` one each time, `switches` none. `calls` are those whose options are flags too. */
export const COMMANDS = {
  generate: {
    about: "Streams text after a prompt",
    usage: "--model FILE_OR_URL (--prompt TEXT | --prompt-file F | --batch F.json)",
    texts: ["model", "prompt", "prompt-file", "batch"],
    lists: ["adapter"],
    calls: ["generate", "load"],
    prepare: (values) => {
      needModel(values);
      return generate(values, readTexts(values, "prompt", "prompt-file"));
    },
  },
  chat: {
    about: "Answers a request in OpenAI's shape",
    usage: "--model FILE_OR_URL (--request F.json [--stream] | --batch F.json)",
    texts: ["model", "request", "batch"],
    lists: ["adapter"],
    switches: ["stream"],
    calls: ["load"],
    prepare: (values) => {
      needModel(values);
      only(values, ["request", "batch"]);
      if (values.stream && values.batch !== undefined)
        throw new Stop("--stream and --batch do not go together; leave one of them out.");
      return values.batch === undefined ? chat(values, readRequest(values)) : chats(values, readBatch(values.batch));
    },
  },
  score: {
    about: "Tells how well the model predicts a text",
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    lists: ["adapter"],
    calls: ["load"],
    prepare: (values) => {
      needModel(values);
      return score(values, readTexts(values, "text", "text-file"));
    },
  },
  embed: {
    about: "Prints vectors of texts",
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    lists: ["adapter"],
    calls: ["embed", "load"],
    prepare: (values) => {
      needModel(values);
      return embed(values, readTexts(values, "text", "text-file"));
    },
  },
  rerank: {
    about: "Scores documents by a query",
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
    about: "Prints the labels of texts",
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["classify", "load"],
    prepare: (values) => {
      needModel(values);
      return classify(values, readTexts(values, "text", "text-file"));
    },
  },
  "fill-mask": {
    about: "Fills in the masked word of texts",
    usage: "--model FILE_OR_URL (--text TEXT | --text-file F | --batch F.json)",
    texts: ["model", "text", "text-file", "batch"],
    calls: ["fillMask", "load"],
    prepare: (values) => {
      needModel(values);
      return fillMask(values, readTexts(values, "text", "text-file"));
    },
  },
  bench: {
    about: "Times prefill and decode",
    usage: "--model FILE_OR_URL",
    texts: ["model"],
    calls: ["bench", "load"],
    prepare: (values) => {
      needModel(values);
      return bench(values);
    },
  },
  tokenize: {
    about: "Prints the tokens of a text",
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
    about: "Prints the text that a chat template makes of messages",
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
    about: "Prints what a file says before its weights, and whether it runs here",
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

/** Loads the model, and says what it has to do without; and the adapters, of which calls take so much as `wanted` says. */
async function load({ call, source, adapters }, { options }) {
  const { warnings, ...loaded } = await call("load", source, options.load);
  for (const warning of warnings) console.error(`warning: ${warning}`);
  const wanted = {};
  for (const [at, { address, scale }] of adapters.entries()) {
    await call("adapter", address, { id: String(at + 1) });
    wanted[at + 1] = scale;
  }
  return { ...loaded, wanted };
}

function generate({ options, json, ...values }, inputs) {
  return async (page) => {
    const { info, loadMs, wanted } = await load(page, { options, ...values });
    const results = [];
    for (const { name, text } of inputs) {
      if (!json && name !== undefined) out.log(`## ${name}`);
      const reply = await page.call("generate", text, { ...options.generate, adapter: wanted }, !json);
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
    const { wanted } = await load(page, values);
    const answer = await page.call("ask", { ...request, adapter: { ...request.adapter, ...wanted } });
    if (answer) out.log(JSON.stringify(answer));
  };
}

/** Each answer is a line; one that fails says why in it. */
function chats(values, batch) {
  return async (page) => {
    const { wanted } = await load(page, values);
    for (const { name, request } of batch) {
      const adapter = { ...request.adapter, ...wanted };
      const { value: response, error } = await page.attempt("ask", { ...request, stream: false, adapter });
      out.log(JSON.stringify(named(name, error ? { error } : { response })));
    }
  };
}

function score(values, inputs) {
  return async (page) => {
    const { wanted } = await load(page, values);
    const results = [];
    for (const { name, text } of inputs) {
      const { tokens, nllMean, perplexity, top } = await page.call("score", text, { adapter: wanted });
      results.push(named(name, { tokens, nll_mean: nllMean, perplexity, top }));
      if (!values.json)
        out.log(
          `${name ? `${name}: ` : ""}${tokens.length} tokens, mean NLL ${nllMean.toFixed(4)}, perplexity ${perplexity.toFixed(3)}`,
        );
    }
    if (values.json) print(inputs, results);
  };
}

function embed(values, inputs) {
  return async (page) => {
    const { wanted } = await load(page, values);
    const texts = inputs.map(({ text }) => text);
    const options = { ...values.options.embed, adapter: wanted };
    const { vectors, tokens, dimensions } = await page.call("embed", texts, options);
    const results = inputs.map(({ name }, i) => {
      const vector = vectors[i];
      const embedding = vector.length === dimensions ? vector : rows(vector, dimensions);
      if (!values.json)
        out.log(`${name ? `${name}: ` : ""}${tokens[i]} tokens, ${vector.length} numbers: ${shown(vector)} ...`);
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
      out.log(`## ${query}`);
      for (const { index, score } of ranked) out.log(`${score.toFixed(3).padStart(8)} ${documents[index]}`);
    }
    if (values.json) out.log(JSON.stringify(results));
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
  out.log(`${name ? `${name}: ` : ""}${each.join(", ")}`);
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
    if (values.json) return out.log(JSON.stringify(result));
    const { lengths = [], profile: passes = {}, tuning, ...single } = result;
    for (const [name, value] of Object.entries(single)) out.log(`${name.padEnd(22)} ${round(value)}`);
    for (const line of tuning) out.log(`${"tuned".padEnd(22)} ${line}`);
    if (lengths.length) out.table(lengths.map(rounded));
    for (const [name, { kernels, ...pass }] of Object.entries(passes)) {
      const facts = Object.entries(pass).map(([key, value]) => `${key} ${round(value)}`);
      out.log(`\n${name}: ${facts.join(", ")}`);
      out.table(kernels.map(rounded));
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
      if (name !== undefined) out.log(`## ${name}`);
      for (const [i, id] of ids.entries()) out.log(`${String(id).padStart(7)} ${JSON.stringify(pieces[i])}`);
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
      if (!json) out.log(`## ${name ?? ""}\n${error ? `${error.message} (${error.code})` : text}`);
    }
    if (json) out.log(JSON.stringify(results));
  };
}

const camel = (name) => name.replace(/_(\w)/g, (_, letter) => letter.toUpperCase());

function inspect({ json, options }) {
  return async ({ call, source }) => {
    const header = snakeCase(await call("inspect", source, options.load));
    for (const finding of header.verdict.findings) finding.sentence = inFlags(finding.sentence, COMMANDS.inspect);
    if (json) return out.log(JSON.stringify(header));
    for (const [name, value] of Object.entries(header)) {
      if (Array.isArray(value) && value.some((row) => typeof row === "object")) {
        out.log(name);
        for (const row of value) out.log(`    ${JSON.stringify(row)}`);
      } else if (value !== null && typeof value === "object" && !Array.isArray(value)) {
        out.log(name);
        for (const [key, member] of Object.entries(value)) out.log(`    ${key.padEnd(24)} ${JSON.stringify(member)}`);
      } else {
        out.log(`${name.padEnd(28)} ${JSON.stringify(value)}`);
      }
    }
  };
}
