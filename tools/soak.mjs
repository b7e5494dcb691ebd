// `npm run soak`: what stays behind in the browser when models come and go. Each round loads a model, takes replies,
// stops one, leaves others unfinished, disposes of the model, and lets one load be stopped half-way and one fail. From
// the third round on nothing may grow: not the workers, nor the memory of the browser's processes.
//   npm run soak -- [--rounds 60] [--mode threads|one|webgpu]… [--model FILE]
// Without --mode all three; without --model a tiny one.
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { ISOLATED, sendFile, serve } from "./serve.mjs";
import { ROOT, Stop, ensurePackages, tool } from "./setup.mjs";
import { tinyModel } from "./tiny-model.mjs";

/** What `load` is asked for. */
export const MODES = {
  threads: { backend: "cpu", threads: 2 },
  one: { backend: "cpu", threads: 1 },
  webgpu: { backend: "webgpu" },
};

/** The round that later ones are compared with: caches are full by then. */
const REFERENCE = 3;

/** Memory at the end is a median over so many rounds. */
const LAST = 5;

/** What a browser's own caches and heaps may still grow by. A worker left behind takes 10 MB and more. */
const ALLOWED_MB = 24;

/** How long workers and their threads may take to end. */
const SETTLE_MS = 5000;

/**
 * A server of an isolated page with the package and a model.
 * @param {string} model
 */
export function serveModel(model) {
  return serve(
    {
      "/dist/": join(ROOT, "dist"),
      "/model.gguf": (request, response) => sendFile(request, response, model),
      "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
    },
    { headers: ISOLATED },
  );
}

/**
 * Soaks a page at `url` in one mode. Returns a row of figures for each round, and what is wrong: nothing, one hopes.
 * @param {import("@playwright/test").Browser} browser
 * @param {string} url
 * @param {{ rounds: number, mode: keyof typeof MODES, onRow?: (row: Record<string, number>) => void }} options
 */
export async function soak(browser, url, { rounds, mode, onRow = () => {} }) {
  const cdp = await browser.newBrowserCDPSession();
  const page = await openPage(cdp, url);
  const rows = [];
  const problems = [];
  for (let round = 1; round <= rounds; round++) {
    const started = performance.now();
    const outcome = JSON.stringify(await page.evaluate(inPage, MODES[mode]));
    if (outcome !== JSON.stringify(OUTCOME)) problems.push(`round ${round} went otherwise: ${outcome}`);
    const seconds = (performance.now() - started) / 1000;
    const row = { round, seconds: +seconds.toFixed(1), ...(await measure(cdp, page)) };
    rows.push(row);
    onRow(row);
  }
  await page.close();
  return { rows, problems: [...problems, ...growth(rows)] };
}

/**
 * A page that Playwright does not watch: it would keep the answers to a page's requests, a megabyte a round.
 * @param {import("@playwright/test").CDPSession} cdp
 * @param {string} url
 */
async function openPage(cdp, url) {
  const { targetId } = await cdp.send("Target.createTarget", { url });
  const { sessionId } = await cdp.send("Target.attachToTarget", { targetId });
  const waiting = new Map();
  let lastId = 0;
  cdp.on("Target.receivedMessageFromTarget", (event) => {
    const message = JSON.parse(event.message);
    if (event.sessionId !== sessionId || !waiting.has(message.id)) return;
    waiting.get(message.id)(message);
    waiting.delete(message.id);
  });
  const send = async (method, params = {}) => {
    const id = ++lastId;
    const answer = new Promise((resolve) => waiting.set(id, resolve));
    await cdp.send("Target.sendMessageToTarget", { sessionId, message: JSON.stringify({ id, method, params }) });
    const { result, error } = await answer;
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  };
  const evaluate = async (work, argument) => {
    const expression = `(${work})(${JSON.stringify(argument)})`;
    const { result, exceptionDetails } = await send("Runtime.evaluate", {
      expression,
      awaitPromise: true,
      returnByValue: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  };
  const isThere = (url) => location.href.startsWith(url) && document.readyState === "complete";
  while (!(await evaluate(isThere, url).catch(() => false))) await sleep(50);
  return { send, evaluate, close: () => cdp.send("Target.closeTarget", { targetId }) };
}

/** How a round goes. */
const OUTCOME = { replies: 3, stopped: "aborted", left: "disposed", half: "aborted", cancelled: true, bad: "not_gguf" };

/** One round; runs inside the page. */
async function inPage(wanted) {
  const { load } = await import("/dist/index.js");
  const options = { ...wanted, contextLength: 256 };
  const code = (promise) =>
    promise.then(
      () => "fine",
      (error) => error.code ?? String(error),
    );
  const model = await load("/model.gguf", options);
  const ask = (prompt, more) => model.generate(prompt, { raw: true, temperature: 0, stopTokens: [], ...more });
  const read = async (chunks, each = () => {}) => {
    for await (const chunk of chunks) each(chunk);
  };
  let replies = 0;
  for (const prompt of ["the cat", "the cat and the dog", "one two three"]) {
    await read(ask(prompt, { maxTokens: 8 }), ({ finishReason }) => finishReason && replies++);
  }
  const stop = new AbortController();
  const stopped = await code(read(ask("the dog", { maxTokens: 200, signal: stop.signal }), () => stop.abort()));
  // One that nobody reads on or ends, and one that waits behind it.
  const abandoned = ask("the bird", { maxTokens: 200 });
  await abandoned.next();
  const left = code(read(ask("the fish", { maxTokens: 8 })));
  await model.dispose();

  // A load that is stopped half-way, out of a stream that then stalls.
  const { body, headers } = await fetch("/model.gguf");
  const reader = body.getReader();
  const halfWay = new AbortController();
  let bytes = Number(headers.get("content-length")) / 2;
  let cancelled = false;
  const stream = new ReadableStream({
    async pull(controller) {
      if (bytes <= 0) {
        halfWay.abort();
        return new Promise(() => {});
      }
      const { value } = await reader.read();
      bytes -= value.length;
      controller.enqueue(bytes > 0 ? value : value.subarray(0, value.length + bytes));
    },
    cancel() {
      cancelled = true;
      return reader.cancel();
    },
  });
  const half = await code(load(stream, { ...options, signal: halfWay.signal }));
  const bad = await code(load(new Blob(["this is no model"]), options));
  return { replies, stopped, left: await left, half, cancelled, bad };
}

/** Workers as the browser counts them, their threads as the system does, and memory in MB by kind of process. */
async function measure(cdp, page) {
  const { processInfo } = await cdp.send("SystemInfo.getProcessInfo");
  const count = async () => {
    const { targetInfos } = await cdp.send("Target.getTargets");
    const threads = processInfo.reduce((sum, { id }) => sum + workerThreads(id), 0);
    return { workers: targetInfos.filter(({ type }) => type === "worker").length, threads };
  };
  let left = await count();
  for (const deadline = performance.now() + SETTLE_MS; performance.now() < deadline; left = await count()) {
    if (left.workers === 0 && left.threads === 0) break;
    await sleep(50);
  }
  await page.send("HeapProfiler.collectGarbage");
  await sleep(100);
  const { usedSize } = await page.send("Runtime.getHeapUsage");
  const memory = { browser: 0, renderer: 0, GPU: 0, other: 0 };
  for (const { id, type } of processInfo) memory[type in memory ? type : "other"] += memoryOf(id) / 1e6;
  const total = Object.values(memory).reduce((sum, part) => sum + part);
  const rounded = Object.entries({ heap: usedSize / 1e6, ...memory, total }).map(([name, mb]) => [
    name,
    +mb.toFixed(1),
  ]);
  return { ...left, ...Object.fromEntries(rounded) };
}

/** Whether the system tells of other processes' memory and threads, as Linux does in /proc. */
const KNOWS_MEMORY = process.platform === "linux";

/** Threads of a process that are web workers'. */
function workerThreads(pid) {
  if (!KNOWS_MEMORY) return 0;
  try {
    const tasks = readdirSync(`/proc/${pid}/task`);
    const names = tasks.map((task) => readFileSync(`/proc/${pid}/task/${task}/comm`, "utf8"));
    return names.filter((name) => name.startsWith("DedicatedWorker")).length;
  } catch {
    return 0; // It ended meanwhile.
  }
}

/**
 * Bytes of a process that are no file's; what it shares is divided among those that share it. (The browser's own files
 * are shared with other browsers, which come and go.)
 */
function memoryOf(pid) {
  if (!KNOWS_MEMORY) return NaN;
  try {
    const rollup = readFileSync(`/proc/${pid}/smaps_rollup`, "utf8");
    return [...rollup.matchAll(/^Pss_(?:Anon|Shmem):\s+(\d+)/gm)].reduce((sum, [, kB]) => sum + Number(kB) * 1024, 0);
  } catch {
    return 0; // It ended meanwhile.
  }
}

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** What has grown since the third round. */
function growth(rows) {
  const reference = rows[REFERENCE - 1];
  if (!reference) return [`${rows.length} rounds say nothing: there must be more than ${REFERENCE}`];
  const later = rows.slice(REFERENCE);
  const problems = [];
  for (const name of ["workers", "threads"]) {
    const most = later.find((row) => row[name] > reference[name]);
    if (reference[name] > 0) problems.push(`${reference[name]} ${name} are left after round ${REFERENCE}`);
    if (most)
      problems.push(
        `${most[name]} ${name} are left after round ${most.round}, ${reference[name]} after round ${REFERENCE}`,
      );
  }
  const end = median(later.slice(-LAST).map(({ total }) => total));
  const grown = end - reference.total;
  if (grown > ALLOWED_MB) {
    problems.push(
      `the browser takes ${grown.toFixed(0)} MB more after round ${rows.length} than after round ${REFERENCE}`,
    );
  }
  return problems;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

async function main() {
  const { values } = parseArgs({
    options: {
      rounds: { type: "string", default: "60" },
      mode: { type: "string", multiple: true, default: Object.keys(MODES) },
      model: { type: "string" },
    },
  });
  const rounds = Number(values.rounds);
  if (!(Number.isInteger(rounds) && rounds > REFERENCE)) {
    throw new Stop(`--rounds needs a whole number over ${REFERENCE}, not "${values.rounds}".`);
  }
  for (const mode of values.mode) {
    if (!MODES[mode]) throw new Stop(`--mode is one of ${Object.keys(MODES).join(", ")}, not "${mode}".`);
  }
  ensurePackages();
  const { build } = await import("./build.mjs");
  if (!existsSync(join(ROOT, "dist", "sotto_bg.wasm"))) await build();
  const model = values.model === undefined ? tinyModel("llama-f32") : resolve(values.model);
  if (!existsSync(model)) throw new Stop(`there is no file ${values.model}.`);
  if (!KNOWS_MEMORY) console.error("Only workers are counted: this system has no /proc to read memory from.");
  const failed = [];
  for (const mode of values.mode) if (!(await soakInBrowser(model, mode, rounds))) failed.push(mode);
  if (failed.length > 0) throw new Stop(`something stays behind: ${failed.join(", ")}.`);
}

/** One mode in a browser of its own; whether nothing stayed behind. */
async function soakInBrowser(model, mode, rounds) {
  const { launchBrowser } = await import("./browser.mjs");
  const server = await serveModel(model);
  const { browser } = await launchBrowser(server.url, { webgpu: mode === "webgpu" });
  console.log(`\n${mode}, ${basename(model)}, ${rounds} rounds; memory in MB, by process`);
  let header = false;
  const print = (cells) => console.log(cells.map((cell) => String(cell).padStart(9)).join(""));
  const onRow = (row) => {
    if (!header) print(Object.keys(row));
    header = true;
    print(Object.values(row));
  };
  try {
    const { problems } = await soak(browser, server.url, { rounds, mode, onRow });
    for (const problem of problems) console.log(`  ${problem}`);
    console.log(problems.length > 0 ? `${mode}: failed` : `${mode}: passed`);
    return problems.length === 0;
  } finally {
    await browser.close();
    server.close();
  }
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) await tool(main);
