// `node tools/peers/embed.mjs [--runs 3] [--batches 1,32,1000] [--only f16]`: a thousand sentences to vectors on the CPU, by Sotto and by
// transformers.js, on the same weights of all-MiniLM-L6-v2, with one thread and with two, in turns in one Chromium.
import { existsSync, readFileSync, renameSync, rmSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { fetchFolder } from "../fetch-models.mjs";
import { ISOLATED, serve } from "../serve.mjs";
import { ROOT, Stop, ensurePackages, run, tool } from "../setup.mjs";
import { HERE, ensurePeerPackages, packageVersion, python } from "./install.mjs";
import { median, short } from "./table.mjs";

const COUNT = 1000;
const WARMUP = 64;
const FOLDER = join(HERE, ".models", "encoder");

/** Which of Sotto's files is what transformers.js takes under this name, and how exact Sotto is. */
const PAIRS = [
  { dtype: "fp32", files: [{ file: "f32.gguf" }, { file: "f16.gguf" }] },
  { dtype: "q8", files: [{ file: "q8_0.gguf" }, { file: "q8_0.gguf", precision: "fast" }] },
];

/** A number in [0, 1) a call, always the same ones. */
function seeded(state) {
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Sentences of 3 to 38 of the vocabulary's whole words, which with their marks are 5 to 40 tokens. */
function sentences() {
  const { vocab } = JSON.parse(readFileSync(join(FOLDER, "tokenizer.json"), "utf8")).model;
  const words = Object.keys(vocab).filter((word) => /^[a-z]{2,12}$/.test(word));
  const random = seeded(1);
  const below = (n) => Math.floor(random() * n);
  const sentence = () => Array.from({ length: 3 + below(36) }, () => words[below(words.length)]).join(" ");
  return Array.from({ length: COUNT }, sentence);
}

function rows({ batches, only }) {
  const all = [];
  for (const threads of [1, 2]) {
    for (const { dtype, files } of PAIRS) {
      for (const { file, precision } of files) {
        const label = `Sotto, ${file}${precision ? `, precision "${precision}"` : ""}`;
        all.push({ call: "sotto", label, dtype, threads, options: { file, threads, precision } });
      }
      for (const batch of batches) {
        const sorted = batch.endsWith("s");
        const label = `transformers.js, ${dtype}, ${Number.parseInt(batch)} a call${sorted ? ", sorted by length" : ""}`;
        const options = { dtype, threads, batch: Number.parseInt(batch), sorted };
        all.push({ call: "transformers", label, dtype, threads, options });
      }
    }
  }
  return all.filter(({ label, threads }) => only.test(`${label}, ${threads} thread`));
}

/** The lowest cosine of a text's two vectors, which have the length 1. */
function lowest(a, b) {
  const width = a.length / COUNT;
  const cosine = (i) => Array.from({ length: width }, (_, j) => a[i * width + j] * b[i * width + j]).reduce((x, y) => x + y);
  return Math.min(...Array.from({ length: COUNT }, (_, i) => cosine(i)));
}

await tool(async () => {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "3" },
      batches: { type: "string", default: "1,32,32s,1000" },
      only: { type: "string", default: "" },
    },
  });
  ensurePackages();
  ensurePeerPackages();
  if (!existsSync(FOLDER)) {
    rmSync(`${FOLDER}.part`, { recursive: true, force: true });
    run(python(), [join(HERE, "encoder_models.py"), await fetchFolder("minilm"), `${FOLDER}.part`]);
    renameSync(`${FOLDER}.part`, FOLDER);
  }
  if (!existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) await (await import("../build.mjs")).build();
  const texts = sentences();
  // A sentence's words, and the marks around it.
  const tokens = texts.reduce((sum, text) => sum + text.split(" ").length + 2, 0);
  const routes = {
    "/dist/": join(ROOT, "dist"),
    "/peers/": HERE,
    "/encoder/": FOLDER,
    "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
  };
  const servers = [await serve(routes), await serve(routes, { headers: ISOLATED })];
  const all = rows({ batches: values.batches.split(","), only: new RegExp(values.only) });
  const { browser } = await launchBrowser(servers[0].url);
  try {
    for (let i = 0; i < Number(values.runs); i++) {
      for (const row of all) {
        const page = await browser.newPage();
        await page.goto(servers[row.threads - 1].url);
        const { ms, vectors } = await page.evaluate(
          async ({ call, options }) => (await import("/peers/embed.js"))[call](options),
          { call: row.call, options: { ...row.options, texts, warmup: WARMUP } },
        );
        await page.close();
        row.vectors = vectors;
        (row.ms ??= []).push(ms);
        console.error(`${row.label}, ${row.threads} thread: ${ms.toFixed(0)} ms`);
      }
    }
  } finally {
    await browser.close();
    for (const server of servers) server.close();
  }
  const truth = all.find(({ call, dtype }) => call === "transformers" && dtype === "fp32")?.vectors;
  console.log(`${COUNT} sentences, ${tokens} tokens, medians of ${values.runs}; transformers.js ${packageVersion("@huggingface/transformers")}\n`);
  console.log("|  | threads | sentences/s | tokens/s | spread | Sotto is | lowest cosine with fp32 |\n| --- | --- | --- | --- | --- | --- | --- |");
  for (const { label, threads, dtype, call, ms, vectors } of all) {
    const rate = (ms) => (COUNT / ms) * 1e3;
    const peers = all.filter((row) => row.call !== "sotto" && row.dtype === dtype && row.threads === threads);
    const best = Math.min(...peers.map((row) => median(row.ms)));
    const times = call === "sotto" && peers.length > 0 ? `${short(best / median(ms))}× the best of them` : "";
    const cells = [short(rate(median(ms))), short((tokens / median(ms)) * 1e3)];
    cells.push(`${short(rate(Math.max(...ms)))} to ${short(rate(Math.min(...ms)))}`, times);
    console.log(`| ${label} | ${threads} | ${cells.join(" | ")} | ${truth ? lowest(vectors, truth).toFixed(6) : ""} |`);
  }
});
