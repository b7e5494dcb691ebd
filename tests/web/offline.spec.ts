/** A page without a network: a service worker keeps its files and the package's, the store its model. */
import { readFileSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test, tinyModel } from "./servers.js";

const APP = `import { load } from "/dist/index.js";
const model = await load("/model.gguf", { contextLength: 64 });
const { text } = await model.chat("the cat", { max_tokens: 4 });
await model.dispose();
document.title = "said " + text.length;`;

const worker = (version: string) => `import { keep, packageFiles } from "/dist/service-worker.js";
keep({ files: ["./", "/app.js", ...packageFiles("/dist")], version: "${version}" });`;

test("the network goes, the page is loaded anew and chats", async ({ context }) => {
  let page = await context.newPage();
  let version = "1";
  const text = (type: string, body: () => string) => (_request: unknown, response: ServerResponse) =>
    response.setHeader("content-type", `text/${type}`).end(body());
  const server = await serve({
    "/dist/": join(ROOT, "dist"),
    "/model.gguf": (_request: unknown, response: ServerResponse) => response.end(readFileSync(tinyModel("llama-f32"))),
    "/app.js": text("javascript", () => APP),
    "/sw.js": text("javascript", () => worker(version)),
    "/": text(
      "html",
      () => '<!doctype html><link rel="icon" href="data:,"><script type="module" src="/app.js"></script>',
    ),
  });
  const chats = () => expect.poll(() => page.title(), { timeout: 60_000 }).toMatch(/^said \d/);
  await page.goto(`${server.url}/`);
  await chats();
  await page.evaluate(async () => {
    await caches.open("another's");
    await navigator.serviceWorker.register("/sw.js", { type: "module" });
    await navigator.serviceWorker.ready;
  });
  // Another version takes the place of the first when no page uses that.
  version = "2";
  await page.evaluate(async () => void (await (await navigator.serviceWorker.ready).update()));
  await page.waitForFunction(async () => (await navigator.serviceWorker.ready).waiting);
  await page.close();
  page = await context.newPage();
  await expect(async () => {
    await page.goto("about:blank");
    await page.waitForTimeout(300);
    await page.goto(`${server.url}/?again`);
    expect(await page.evaluate(() => caches.keys())).toHaveLength(2);
  }).toPass();
  await chats();

  server.close();
  await context.setOffline(true);
  await page.reload();
  expect(await page.evaluate(() => navigator.onLine)).toBe(false);
  await chats();
  // What is not kept says so.
  const codes = await page.evaluate(async () => {
    const url = "/dist/index.js";
    const { load } = (await import(url)) as typeof import("../../www/api/index.js");
    const code = (url: string, cache: "auto" | "only") =>
      load(url, { cache }).then(
        () => "loaded",
        (error: { code: string }) => error.code,
      );
    return [await code("http://models.example/other.gguf", "auto"), await code("/other.gguf", "only")];
  });
  expect(codes).toEqual(["offline", "not_stored"]);
});
