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
function seeded(seed) {
  let state = seed;
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
        const size = Number.parseInt(batch, 10);
        const label = `transformers.js, ${dtype}, ${size} a call${sorted ? ", sorted by length" : ""}`;
        const options = { dtype, threads, batch: size, sorted };
        all.push({ call: "transformers", label, dtype, threads, options });
      }
    }
  }
  const wanted = all.filter(({ label, threads }) => only.test(`${label}, ${threads} threads`));
  if (wanted.length === 0) throw new Stop("--only leaves nothing to measure.");
  return wanted.map((row) => ({ ...row, ms: [], cpu: [] }));
}

/** The lowest cosine of a text's two vectors, which have the length 1. */
function lowest(a, b) {
  const width = a.length / COUNT;
  const cosine = (i) =>
    Array.from({ length: width }, (_, j) => a[i * width + j] * b[i * width + j]).reduce((x, y) => x + y);
  return Math.min(...Array.from({ length: COUNT }, (_, i) => cosine(i)));
}

/** Runs inside the page. */
async function load({ call, options, texts }) {
  globalThis.embed = await (await import("/peers/embed.js"))[call](options);
  await globalThis.embed(texts);
}

/** The same. */
async function embed(texts) {
  const started = performance.now();
  const vectors = await globalThis.embed(texts);
  return { ms: performance.now() - started, vectors };
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
  const system = await browser.newBrowserCDPSession();
  // Of the pages' processes, which are all that compute.
  const cpuSeconds = async () => {
    const { processInfo } = await system.send("SystemInfo.getProcessInfo");
    return processInfo.filter(({ type }) => type === "renderer").reduce((sum, { cpuTime }) => sum + cpuTime, 0);
  };
  try {
    for (let i = 0; i < Number(values.runs); i++) {
      for (const row of all) {
        const page = await browser.newPage();
        await page.goto(servers[row.threads - 1].url);
        await page.evaluate(load, { call: row.call, options: row.options, texts: texts.slice(0, WARMUP) });
        const before = await cpuSeconds();
        const { ms, vectors } = await page.evaluate(embed, texts);
        const cpu = (await cpuSeconds()) - before;
        await page.close();
        row.vectors = vectors;
        row.ms.push(ms);
        row.cpu.push(cpu);
        console.error(`${row.label}, ${row.threads} threads: ${ms.toFixed(0)} ms, ${cpu.toFixed(1)} CPU seconds`);
      }
    }
  } finally {
    await browser.close();
    for (const server of servers) server.close();
  }
  const truth = all.find(({ call, dtype }) => call === "transformers" && dtype === "fp32")?.vectors;
  const { length } = all[0].ms;
  console.log(
    `${COUNT} sentences, ${tokens} tokens, medians of ${length}; transformers.js ${packageVersion("@huggingface/transformers")}\n`,
  );
  const columns = [
    "",
    "threads",
    "sentences/s",
    "lie in",
    "tokens/s",
    "CPU seconds",
    "lowest cosine with fp32",
    "Sotto / the best peer",
    "by CPU seconds",
  ];
  console.log(`| ${columns.join(" | ")} |\n|${" --- |".repeat(columns.length)}`);
  for (const row of all) {
    const rate = (ms) => short((COUNT / ms) * 1e3);
    const peers = all.filter(
      ({ call, dtype, threads }) => call !== "sotto" && dtype === row.dtype && threads === row.threads,
    );
    const ratio = (of) => `${short(Math.min(...peers.map((peer) => median(of(peer)))) / median(of(row)))}×`;
    const ratios =
      row.call === "sotto" && peers.length > 0 ? [ratio(({ ms }) => ms), ratio(({ cpu }) => cpu)] : ["", ""];
    const cells = [
      row.label,
      row.threads,
      rate(median(row.ms)),
      `${rate(Math.max(...row.ms))}–${rate(Math.min(...row.ms))}`,
    ];
    cells.push(
      short((tokens / median(row.ms)) * 1e3),
      short(median(row.cpu)),
      truth ? lowest(row.vectors, truth).toFixed(6) : "",
    );
    console.log(`| ${[...cells, ...ratios].join(" | ")} |`);
  }
});
