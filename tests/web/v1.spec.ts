/** A page's own `/v1`, by the guide's service worker: OpenAI's client, told of nothing, is answered by the model of its tab. */
import { mkdirSync, readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test, tinyModel } from "./servers.js";

/** The guide's two scripts: the service worker's and the page's. */
function ofTheGuide(): [string, string] {
  const guide = readFileSync(join(ROOT, "docs", "PIECES.md"), "utf8");
  const part = guide.slice(guide.indexOf("**A page's own `/v1`**"));
  const [worker, page] = Array.from(part.matchAll(/^```js\n([\s\S]*?)^```/gm), ([, code]) => code!);
  return [worker!, page!.replace('"sotto/openai"', '"/dist/pieces/openai.js"')];
}

async function clientBundle(): Promise<string> {
  const folder = join(ROOT, "test-results", "v1");
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "client.js");
  const stdin = { contents: 'export { default } from "openai";', resolveDir: ROOT };
  await build({ stdin, bundle: true, format: "esm", outfile, logLevel: "error" });
  return outfile;
}

test("OpenAI's client is answered at the page's own /v1, whole, streamed and stopped", async ({ page }) => {
  const [worker, ofPage] = ofTheGuide();
  const app = `import { load } from "/dist/index.js";
const model = await load("/model.gguf", { contextLength: 256, backend: "cpu" });
globalThis.model = model;
${ofPage}
await navigator.serviceWorker.register("/sw.js");
const { promise, resolve } = Promise.withResolvers();
navigator.serviceWorker.addEventListener("controllerchange", resolve);
if (!navigator.serviceWorker.controller) await promise;
globalThis.isReady = true;`;
  const text = (type: string, body: string) => (_request: unknown, response: ServerResponse) =>
    response.setHeader("content-type", type).end(body);
  const asked: string[] = [];
  const server = await serve({
    "/dist/": join(ROOT, "dist"),
    "/client.js": await clientBundle(),
    "/model.gguf": tinyModel("llama-f32"),
    "/sw.js": text("text/javascript", worker),
    "/app.js": text("text/javascript", app),
    "/v1/": ({ url }: { url: string }, response: ServerResponse) => {
      asked.push(url);
      response.writeHead(500).end();
    },
    "/": text(
      "text/html",
      '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/app.js"></script>',
    ),
  });
  await page.goto(`${server.url}/`);
  await page.waitForFunction(() => (globalThis as { isReady?: boolean }).isReady, null, { timeout: 120_000 });
  const said = await page.evaluate(async () => {
    const url = "/client.js";
    const { default: OpenAI } = (await import(url)) as typeof import("openai");
    const baseURL = `${location.origin}/v1`;
    const client = new OpenAI({ baseURL, apiKey: "none", dangerouslyAllowBrowser: true, maxRetries: 0 });
    const request = { model: "any", messages: [{ role: "user" as const, content: "the cat" }], temperature: 0 };
    const whole = await client.chat.completions.create({ ...request, max_tokens: 6 });
    let streamed = "";
    for await (const { choices } of await client.chat.completions.create({ ...request, max_tokens: 6, stream: true }))
      streamed += choices[0]?.delta.content ?? "";
    const names = (await client.models.list()).data.length;
    const failed = await client.chat.completions
      .create({ ...request, max_tokens: -1 })
      .catch((error: { status: number }) => error.status);
    // A stream that is left stops the model.
    const left = await client.chat.completions.create({ ...request, max_tokens: 200, stream: true });
    for await (const _ of left) break;
    const { model } = globalThis as unknown as { model: import("../../www/api/index.js").Model };
    const until = performance.now() + 20_000;
    while ((await model.stats()).requests.running > 0 && performance.now() < until)
      await new Promise((resolve) => setTimeout(resolve, 20));
    const { requests } = await model.stats();
    return { whole: whole.choices[0]?.message.content, streamed, names, failed, running: requests.running };
  });
  expect(said.whole).not.toBe("");
  expect(said).toEqual({ whole: said.whole, streamed: said.whole, names: 1, failed: 400, running: 0 });
  expect(asked).toEqual([]);
  server.close();
});
