// `npm run test:firefox`, `npm run test:webkit`: the built package, the chat page and the element on the CPU, in the browser that a
// distribution has. What drives it is installed on first use. Run by hand.
import { copyFileSync, existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { startSite } from "../../tests/web/element/site.mjs";
import { startChat } from "../chat-server.mjs";
import { ISOLATED, serve } from "../serve.mjs";
import { ROOT, Stop, ensureOwnPackages, ensurePackages, tool } from "../setup.mjs";
import { tinyModel } from "../tiny-model.mjs";

const RESULTS = join(ROOT, "test-results", "browsers");

/** Sites: the bare package, the same isolated for threads, the chat page, the element on a scripted model. */
async function startSites() {
  const models = join(RESULTS, "models");
  mkdirSync(models, { recursive: true });
  const model = tinyModel("llama-f32");
  copyFileSync(model, join(models, "SmolLM2-135M-Instruct.Q4_1.gguf"));
  const routes = {
    "/dist/": join(ROOT, "dist"),
    "/model.gguf": model,
    "/": (_, response) => response.setHeader("content-type", "text/html").end("<!doctype html><title>Sotto</title>"),
  };
  const sites = {
    plain: await serve(routes),
    isolated: await serve(routes, { headers: ISOLATED }),
    chat: await startChat({ port: 0, models }),
    element: await startSite(join(RESULTS, "element")),
  };
  const urls = Object.fromEntries(Object.entries(sites).map(([name, { url }]) => [name, url]));
  return { urls, close: () => Promise.all(Object.values(sites).map(({ close }) => close())) };
}

await tool(async () => {
  const { positionals } = parseArgs({ allowPositionals: true });
  ensurePackages();
  ensureOwnPackages(join(ROOT, "tools", "browsers"));
  const { BROWSERS } = await import("./drive.mjs");
  const { CHECKS } = await import("./checks.mjs");
  const unknown = positionals.find((name) => !BROWSERS[name]);
  if (unknown || positionals.length === 0) throw new Stop(`name one of ${Object.keys(BROWSERS).join(", ")}.`);
  if (!existsSync(join(ROOT, "dist", "index.js")))
    throw new Stop("the package is not built; run `npm run build` first.");
  const { urls, close } = await startSites();
  const failed = [];
  for (const name of positionals) {
    const page = await BROWSERS[name]();
    for (const [what, check] of Object.entries(CHECKS)) {
      const started = performance.now();
      const took = () => `${((performance.now() - started) / 1000).toFixed(1)} s`;
      try {
        console.log(`${page.label}: ${what}: ${await check(page, urls)} (${took()})`);
      } catch (error) {
        failed.push(what);
        console.error(`${page.label}: ${what} FAILED (${took()}): ${error.message}`);
      }
    }
    await page.close();
  }
  await close();
  if (failed.length > 0) throw new Stop(`these failed: ${failed.join(", ")}.`);
  process.exit(0);
});
