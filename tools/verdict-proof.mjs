// How close verdicts come, by hand: `npm run verdict:proof [-- FILE…]`. For each model and backend, in headless Chromium: what
// `inspect` says of memory and speed, how long it took and how much of the file it read, beside what loading it then takes and
// `bench` measures. Without files: the models that are there, and two tiny ones.
import { existsSync, statSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { launchBrowser } from "./browser.mjs";
import { sendFile, serve } from "./serve.mjs";
import { ROOT, Stop, ensurePackages, tool } from "./setup.mjs";
import { tinyModel } from "./tiny-model.mjs";

const REAL = ["SmolLM2-135M-Instruct.Q4_1.gguf", "gemma-3-270m-q4_k_m.gguf"].map((name) => join(ROOT, "models", name));

await tool(async () => {
  ensurePackages();
  const given = process.argv.slice(2).map((path) => resolve(path));
  const missing = given.find((path) => !existsSync(path));
  if (missing) throw new Stop(`there is no file ${missing}.`);
  const usual = [...REAL.filter(existsSync), ...["llama-f32", "gemma3-mixed", "qwen2-mixed"].map(tinyModel)];
  const models = given.length > 0 ? given : usual;
  let read = 0;
  const routes = models.map((path) => [
    `/${basename(path)}`,
    (request, response) => {
      const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
      if (first !== undefined) read += Math.min(Number(last) + 1, statSync(path).size) - Number(first);
      sendFile(request, response, path);
    },
  ]);
  const server = await serve({
    "/dist/": join(ROOT, "dist"),
    ...Object.fromEntries(routes),
    "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
  });
  const { browser, page, label } = await launchBrowser(server.url, { webgpu: true });
  console.log(`On ${label}.\n`);
  console.log("| model | backend | inspect: MB | load: MB | apart | inspect: tokens/s | bench | bytes read | ms |");
  console.log("|---|---|---|---|---|---|---|---|---|");
  for (const path of models)
    for (const backend of ["cpu", "webgpu"]) {
      read = 0;
      const { verdict, ms } = await page.evaluate(look, { name: basename(path), backend });
      const bytes = read;
      const { memory, tps } = await page.evaluate(take, { name: basename(path), backend });
      const [said, takes] = [verdict.memory.total, memory.gpuBytes + memory.wasmBytes];
      const apart = `${(100 * (said / takes - 1)).toFixed(2)} %`;
      const row = [basename(path), backend, mB(said), mB(takes), apart, verdict.tokensPerSecond, tps.toFixed(1), bytes];
      console.log(`| ${row.join(" | ")} | ${ms.toFixed(0)} |`);
    }
  await browser.close();
  server.close();
});

function mB(bytes) {
  return (bytes / 1e6).toFixed(2);
}

/** Runs in the page, as the next does. */
async function look({ name, backend }) {
  const { inspect } = await import("/dist/index.js");
  await inspect(`/${name}`, { backend, cache: "none" }); // The first measures the device.
  const started = performance.now();
  const { verdict } = await inspect(`/${name}`, { backend, cache: "none" });
  return { verdict, ms: performance.now() - started };
}

async function take({ name, backend }) {
  const { load } = await import("/dist/index.js");
  const model = await load(`/${name}`, { backend, cache: "none" });
  const { memory } = model.info;
  const { decodeTps } = await model.bench({ promptTokens: 16, genTokens: 16, runs: 1 });
  await model.dispose();
  return { memory, tps: decodeTps };
}
