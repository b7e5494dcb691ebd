// Every tiny model in headless Chromium against its golden, by hand: `npm run test:archs [-- --backend cpu|webgpu] [NAME…]`.
// What is computed and how far it may be off is tests/whole, compiled to wasm: architectures against llama.cpp, encoders
// against float64, tensor types against float64. A NAME leaves only the models whose names begin with it.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "./browser.mjs";
import { buildWasm } from "./build.mjs";
import { serve } from "./serve.mjs";
import { ROOT, Stop, TARGET, ensurePackages, ensureWasmTarget, tool } from "./setup.mjs";
import { QUICK_COMPILE } from "./soft-gpu/setup.mjs";

/** The sets of models, and where their goldens are. */
const SETS = {
  archs: () => "archs.json",
  encoders: () => "encoders.json",
  described: (name) => `tiny_${name}.json`,
};

const BACKENDS = ["webgpu", "cpu"];

await tool(async () => {
  ensurePackages();
  const { values, positionals: wanted } = parseArgs({
    options: { backend: { type: "string" } },
    allowPositionals: true,
  });
  const backends = values.backend === undefined ? BACKENDS : [values.backend];
  if (!BACKENDS.includes(backends[0])) throw new Stop(`--backend is ${BACKENDS.join(" or ")}.`);
  ensureWasmTarget();
  const whole = join(TARGET, "whole-web");
  await buildWasm({ name: "whole_models", crate: "whole-models", out: whole }, "release");
  // Kernels of software adapters compile sooner, and run slower.
  Object.assign(process.env, QUICK_COMPILE);
  const script = await pageScript();
  const server = await serve({
    "/whole/": whole,
    "/golden/": join(ROOT, "tests", "golden"),
    "/page.js": (_request, response) => response.setHeader("content-type", "text/javascript").end(script),
    "/": (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>"),
  });
  const { browser, page, label } = await launchBrowser(server.url, { webgpu: backends.includes("webgpu") });
  let failed = 0;
  try {
    for (const backend of backends)
      for (const set of Object.keys(SETS)) failed += await checkAll(page, set, backend, label, wanted);
  } finally {
    await browser.close();
    server.close();
  }
  if (failed > 0) throw new Stop(`${failed} models are not what their goldens say.`);
});

/** tests/web/archs-page.ts, for the page. */
async function pageScript() {
  const { rolldown } = await import("rolldown");
  const input = join(ROOT, "tests", "web", "archs-page.ts");
  const bundle = await rolldown({ input, platform: "browser", external: [/^\/whole\//] });
  const { output } = await bundle.generate({ format: "esm" });
  await bundle.close();
  return output[0].code;
}

/** Checks a set's models on a backend, and prints a line for each; says how many failed. */
async function checkAll(page, set, backend, label, wanted) {
  const all = await page.evaluate(async (set) => (await import("/page.js")).names(set), set);
  const names = all.filter((name) => wanted.length === 0 || wanted.some((start) => name.startsWith(start)));
  if (names.length === 0) return 0;
  const begun = performance.now();
  const worst = {};
  let failed = 0;
  for (const name of names) {
    const measures = await page.evaluate(
      async (args) => (await import("/page.js")).check(...args).catch((error) => String(error?.stack ?? error)),
      [set, name, SETS[set](name), backend],
    );
    // What is no number comes as null.
    const isBad = typeof measures === "string" || measures.some(({ found, most }) => found === null || found > most);
    failed += isBad;
    console.log(`${isBad ? "FAILED" : "ok    "} ${backend.padEnd(6)} ${name.padEnd(22)} ${shown(measures)}`);
    if (isBad) continue;
    for (const { what, found } of measures) worst[what] = Math.max(worst[what] ?? 0, found);
  }
  const each = Object.entries(worst).map(([what, found]) => `${what} ${found.toExponential(1)}`);
  const where = backend === "webgpu" ? label : "the CPU";
  const seconds = ((performance.now() - begun) / 1000).toFixed(0);
  console.log(
    `== ${set} on ${where}: ${names.length - failed} of ${names.length} models, worst ${each.join(", ")}; ${seconds} s`,
  );
  return failed;
}

function shown(measures) {
  if (typeof measures === "string") return measures;
  return measures.map(({ what, found }) => `${what} ${found?.toExponential(1) ?? "no number"}`).join(", ");
}
