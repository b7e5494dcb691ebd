// What the store gains, on a real model: `npm run store:proof [-- --model FILE --rounds 3 --kills 5 --large --requests]`. In one run, in
// turns: a first load, a load from the store, and a plain fetch of the same bytes from this machine; then a browser that is killed.
// `--large`: memory while a file of 3 GB goes through. `--requests`: how many requests at a time help.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  createReadStream,
  existsSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, join, resolve } from "node:path";
import { Transform } from "node:stream";
import { parseArgs } from "node:util";
import { ISOLATED, sendFile, serve } from "./serve.mjs";
import { ROOT, Stop, chromiumArgs, ensureChromium, ensurePackages, tool } from "./setup.mjs";
import { tinyModel } from "./tiny-model.mjs";

const MODEL = join(ROOT, "models", "gemma-3-270m-q4_k_m.gguf");
const BLOCK = 4 << 20;
/** Where `LANES` (www/worker/download.ts) is in the built worker. */
const REQUESTS = /(Math\.min\()4(,\w+\.length\))/;

const mB = (bytes) => (bytes / 1e6).toFixed(1);

/**
 * Serves the page, the package and the model; `sent` counts the model's bytes, `waitMs` slows each 64 kB of it. `firstMs`
 * passes before an answer begins. `requests`: at a time, instead of what the package has.
 */
async function serveModel(model) {
  const counter = { sent: 0, waitMs: 0, firstMs: 0, requests: 0 };
  const server = await serve(
    {
      "/dist/worker.js": (request, response) => {
        const path = join(ROOT, "dist", "worker.js");
        if (!counter.requests) return sendFile(request, response, path);
        const script = readFileSync(path, "utf8");
        if (!REQUESTS.test(script)) throw new Stop("dist/worker.js no longer says how many requests there are.");
        response.setHeader("content-type", "text/javascript");
        response.end(script.replace(REQUESTS, `$1${counter.requests}$2`));
      },
      "/dist/": join(ROOT, "dist"),
      "/model.gguf": (request, response) => {
        const slow = new Transform({
          transform(chunk, _encoding, done) {
            counter.sent += chunk.length;
            if (counter.waitMs) setTimeout(done, counter.waitMs, null, chunk);
            else done(null, chunk);
          },
        });
        setTimeout(() => sendFile(request, response, model, slow), counter.firstMs);
      },
      "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
    },
    { headers: ISOLATED },
  );
  return { ...server, counter };
}

/** Runs in the page: how long a load takes, of which until the weights are on the device. */
async function timeLoad(cache) {
  const { load } = await import("/dist/index.js");
  const started = performance.now();
  let uploaded;
  const onProgress = ({ phase }) => {
    if (phase === "prepare") uploaded ??= performance.now() - started;
  };
  const model = await load("/model.gguf", { backend: "cpu", contextLength: 256, cache, onProgress });
  const total = performance.now() - started;
  const { wasmBytes } = model.info.memory;
  await model.dispose();
  return { total, uploaded, wasmBytes };
}

async function timeFetch() {
  const started = performance.now();
  const reader = (await fetch("/model.gguf", { cache: "no-store" })).body.getReader();
  let bytes = 0;
  for (let part = await reader.read(); !part.done; part = await reader.read()) bytes += part.value.length;
  return { total: performance.now() - started, bytes };
}

async function clear() {
  const { store } = await import("/dist/index.js");
  for (const file of await store.list()) await store.delete(file);
}

async function hashStored() {
  const { store } = await import("/dist/index.js");
  const [file] = await store.list();
  const { ok } = await store.verify(file);
  return { whole: file.whole, sha256: file.sha256, ok };
}

async function times(model, rounds) {
  const server = await serveModel(model);
  const folder = mkdtempSync(join(tmpdir(), "sotto-"));
  const { context, page } = await visit(folder, server.url);
  const rows = [];
  for (let round = 0; round < rounds; round++) {
    await page.evaluate(clear);
    const plain = await page.evaluate(timeFetch);
    const none = await page.evaluate(timeLoad, "none");
    server.counter.sent = 0;
    const first = await page.evaluate(timeLoad, "auto");
    const fetched = server.counter.sent;
    const again = await page.evaluate(timeLoad, "auto");
    rows.push({
      "plain fetch, ms": Math.round(plain.total),
      "load, cache none, ms": Math.round(none.total),
      "first load, ms": Math.round(first.total),
      "from the store, ms": Math.round(again.total),
      "of which upload, ms": Math.round(again.uploaded),
      "MB fetched first": mB(fetched),
      "MB fetched again": mB(server.counter.sent - fetched),
      "wasm MB": mB(again.wasmBytes),
    });
  }
  console.table(rows);
  await context.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}

/** A browser with files of its own, which outlive it. */
async function visit(folder, url) {
  const { chromium } = await import("@playwright/test");
  const context = await chromium.launchPersistentContext(folder, {
    executablePath: ensureChromium(),
    args: chromiumArgs("swiftshader"),
  });
  const page = await context.newPage();
  await page.goto(url);
  return { context, page };
}

/** Memory while a file of 3 GB goes through the store: a tiny model, and nothing behind it. */
async function large() {
  const folder = mkdtempSync(join(tmpdir(), "sotto-"));
  const model = join(folder, "large.gguf");
  copyFileSync(tinyModel("llama-f32"), model);
  truncateSync(model, 3e9);
  const server = await serveModel(model);
  const { context, page } = await visit(join(folder, "profile"), server.url);
  for (const when of ["first", "again"]) {
    const { total, wasmBytes } = await page.evaluate(timeLoad, "auto");
    const cdp = await context.browser()?.newBrowserCDPSession();
    const { processInfo = [] } = (await cdp?.send("SystemInfo.getProcessInfo")) ?? {};
    const peak = processInfo.map(({ type, id }) => `${type} ${mB(peakOf(id))}`).join(", ");
    console.log(`3 GB, ${when}: ${(total / 1000).toFixed(1)} s, wasm ${mB(wasmBytes)} MB; peaks in MB: ${peak}`);
  }
  await context.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
}

/**
 * First loads of a model with so many requests at a time: from this machine as fast as it can, and from a server that answers
 * after 60 ms and gives each request 4 MB a second.
 */
async function requests(model) {
  const server = await serveModel(model);
  const rows = [];
  for (const count of [1, 2, 4, 6, 8]) {
    const folder = mkdtempSync(join(tmpdir(), "sotto-"));
    server.counter.requests = count;
    const { context, page } = await visit(folder, server.url);
    const row = { requests: count };
    for (const [name, firstMs, waitMs] of [
      ["from this machine, s", 0, 0],
      ["4 MB/s a request, s", 60, 16],
    ]) {
      Object.assign(server.counter, { firstMs, waitMs });
      await page.evaluate(clear);
      row[name] = ((await page.evaluate(timeLoad, "auto")).total / 1000).toFixed(1);
    }
    rows.push(row);
    await context.close();
    rmSync(folder, { recursive: true, force: true });
  }
  console.table(rows);
  server.close();
}

/** The most that a process took, where the system tells. */
function peakOf(pid) {
  try {
    return 1024 * Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1]);
  } catch {
    return Number.NaN;
  }
}

async function kills(model, count) {
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(model)) hash.update(chunk);
  const sha256 = hash.digest("hex");
  const size = statSync(model).size;
  const server = await serveModel(model);
  const folder = mkdtempSync(join(tmpdir(), "sotto-"));
  const load = (page) =>
    page.evaluate(async (sha256) => {
      const { load } = await import("/dist/index.js");
      await (await load("/model.gguf", { backend: "cpu", contextLength: 256, sha256 })).dispose();
    }, sha256);
  // 8 MB a second in all: what is on its way when the browser ends is lost, and that is more on a quicker network.
  server.counter.waitMs = 32;
  for (let kill = 0; kill < count; kill++) {
    const { context, page } = await visit(folder, server.url);
    const until = server.counter.sent + (Math.random() * size) / (count + 1);
    load(page).catch(() => {});
    while (server.counter.sent < until) await new Promise((resolve) => setTimeout(resolve, 5));
    const cdp = await context.newCDPSession(page);
    cdp.send("Browser.crash").catch(() => {});
    await context.close().catch(() => {});
    console.log(`killed after ${mB(server.counter.sent)} MB`);
  }
  server.counter.waitMs = 0;
  const { context, page } = await visit(folder, server.url);
  await load(page);
  const found = await page.evaluate(hashStored);
  await context.close();
  server.close();
  rmSync(folder, { recursive: true, force: true });
  const most = size + count * BLOCK;
  console.log(
    `${count} kills: ${mB(server.counter.sent)} MB on the wire, of at most ${mB(most)}; SHA-256 ${found.sha256}`,
  );
  if (found.sha256 !== sha256 || !found.ok) throw new Stop("the file in the store is not the one that was served.");
  if (server.counter.sent > most) throw new Stop("more was fetched twice than a block a kill.");
}

await tool(async () => {
  const { values } = parseArgs({
    options: {
      model: { type: "string", default: MODEL },
      rounds: { type: "string", default: "3" },
      kills: { type: "string", default: "5" },
      large: { type: "boolean", default: false },
      requests: { type: "boolean", default: false },
    },
  });
  const model = resolve(values.model);
  if (!existsSync(model)) throw new Stop(`there is no ${model}; npm test -- models fetches it, or pass --model.`);
  ensurePackages();
  console.log(`${basename(model)}, ${mB(statSync(model).size)} MB`);
  await times(model, Number(values.rounds));
  await kills(model, Number(values.kills));
  if (values.large) await large();
  if (values.requests) await requests(model);
});
