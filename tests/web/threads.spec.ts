/** The CPU backend's threads: where a page may have them, what they compute, and that nothing else is fetched. */
import type { Page } from "@playwright/test";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { ISOLATED, sendFile, serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test, tinyModel } from "./servers.js";

declare const sotto: typeof import("../../www/api/index.js");

const script = (text: string) => (_request: unknown, response: ServerResponse) =>
  response.setHeader("content-type", "text/javascript").end(text);

/** A page with the package, and what it asked its server for; `missing` is not there when it is asked for once more. */
async function open(
  page: Page,
  headers: Record<string, string>,
  missing: { file?: string; after?: number } = {},
): Promise<{ fetched: string[]; close: () => void }> {
  const fetched: string[] = [];
  const routes = {
    "/dist/": (request: import("node:http").IncomingMessage, response: ServerResponse, path: string) => {
      const file = path.slice("/dist/".length);
      const before = fetched.filter((other) => other === file).length;
      fetched.push(file);
      if (file === missing.file && before >= (missing.after ?? 0)) return void response.writeHead(404).end();
      sendFile(request, response, join(ROOT, path));
    },
    "/model.gguf": tinyModel("gemma3-mixed"),
    // Workers of a browser without relaxed SIMD.
    "/plain.js": script('import "/without.js"; import "/dist/worker.js";'),
    "/without.js": script("WebAssembly.validate = () => false;"),
    "/": (_request: unknown, response: ServerResponse) =>
      response.setHeader("content-type", "text/html").end("<!doctype html>"),
  };
  const server = await serve(routes, { headers });
  await page.goto(server.url);
  await page.evaluate(async () => {
    const url = "/dist/index.js";
    Object.assign(globalThis, { sotto: await import(url) });
  });
  return { fetched, close: server.close };
}

/** What a model with `threads` threads writes. */
function write(page: Page, threads?: number, precision?: "fast", workerUrl?: string) {
  return page.evaluate(
    async ({ threads, precision, workerUrl }) => {
      const warnings: string[] = [];
      const onWarning = ({ message }: { message: string }) => warnings.push(message);
      const model = await sotto.load("/model.gguf", {
        contextLength: 128,
        backend: "cpu",
        onWarning,
        ...(threads && { threads }),
        ...(precision && { precision }),
        ...(workerUrl && { workerUrl }),
      });
      let text = "";
      const tokens: number[] = [];
      for (let i = 0; i < 2; i++) {
        for await (const chunk of model.generate("the cat and the dog", { raw: true, maxTokens: 24, temperature: 0 })) {
          text += chunk.text;
          tokens.push(...chunk.tokens);
        }
      }
      const { info } = model;
      await model.dispose();
      return { text, tokens, threads: info.threads, backend: info.backend, warnings };
    },
    { threads, precision, workerUrl },
  );
}

test("an isolated page computes on several threads, and gets what one gives", async ({ page }) => {
  const { fetched, close } = await open(page, ISOLATED);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(true);
  const two = await write(page, 2);
  expect(two).toMatchObject({ threads: 2, backend: "cpu", warnings: [] });
  expect(two.tokens.length).toBeGreaterThan(8);
  expect(fetched).toContain("sotto_threads_bg.wasm");
  expect(fetched).not.toContain("sotto_cpu_bg.wasm");
  const cores = await page.evaluate(() => navigator.hardwareConcurrency);
  expect(await write(page)).toEqual({ ...two, threads: Math.max(1, Math.min(cores - 1, 8)) });
  expect(await write(page, 5)).toEqual({ ...two, threads: 5 });
  expect(await write(page, 1)).toEqual({ ...two, threads: 1 });
  close();
});

test("disposing a model ends its workers", async ({ page }) => {
  const { close } = await open(page, ISOLATED);
  const workers = () => page.workers().length;
  // The engine's worker holds one as long as it lives.
  const locks = () => page.evaluate(async () => (await navigator.locks.query()).held!.length);
  const model = await page.evaluateHandle(() =>
    sotto.load("/model.gguf", { contextLength: 128, backend: "cpu", threads: 3 }),
  );
  await expect.poll(workers).toBe(3);
  expect(await locks()).toBe(1);
  await model.evaluate((model) => model.dispose());
  await expect.poll(workers).toBe(0);
  await expect.poll(locks).toBe(0);
  close();
});

test("a page without the headers computes on one thread", async ({ page }) => {
  const { fetched, close } = await open(page, {});
  const warnings = [expect.stringContaining("on 1 thread, not 2")];
  expect(await write(page, 2)).toMatchObject({ threads: 1, backend: "cpu", warnings });
  expect(await write(page)).toMatchObject({ threads: 1, warnings: [] });
  expect(fetched).toContain("sotto_cpu_bg.wasm");
  expect(fetched).not.toContain("sotto_threads_bg.wasm");
  close();
});

test("such a page too gets the artifact with relaxed SIMD where products of 8 bits are wanted", async ({ page }) => {
  const { fetched, close } = await open(page, {});
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  const fast = await write(page, undefined, "fast");
  expect(fast).toMatchObject({ threads: 1, backend: "cpu", warnings: [] });
  expect(fast.tokens.length).toBeGreaterThan(8);
  expect(fetched).toContain("sotto_threads_bg.wasm");
  expect(fetched).not.toContain("sotto_cpu_bg.wasm");
  expect(fetched.filter((file) => file === "worker.js")).toHaveLength(1);
  close();
});

test("a browser without relaxed SIMD has threads too, and the same reply", async ({ page }) => {
  const { fetched, close } = await open(page, ISOLATED);
  const usual = await write(page, 2);
  expect(fetched).not.toContain("sotto_plain_bg.wasm");
  fetched.length = 0;
  for (const precision of [undefined, "fast"] as const) {
    const plain = await write(page, 2, precision, "/plain.js");
    expect(plain).toEqual({ ...usual, threads: 2, warnings: [] });
  }
  expect(fetched).toContain("sotto_plain_bg.wasm");
  expect(fetched).not.toContain("sotto_threads_bg.wasm");
  close();
});

for (const missing of [{ file: "worker.js", after: 1 }, { file: "sotto_threads_bg.wasm" }]) {
  test(`threads that do not start for lack of ${missing.file} are a warning, and the model runs on one`, async ({
    page,
  }) => {
    const { close } = await open(page, ISOLATED, missing);
    const alone = await write(page, 3);
    expect(alone).toMatchObject({ threads: 1, backend: "cpu" });
    expect(alone.warnings).toEqual([expect.stringContaining("one thread")]);
    await expect.poll(() => page.workers().length).toBe(0);
    close();
  });
}

test("a number of threads that is none is refused", async ({ page }) => {
  const { close } = await open(page, ISOLATED);
  const codes = await page.evaluate(async () => {
    const code = (threads: number) =>
      sotto.load("/model.gguf", { threads }).then(
        () => "loaded",
        ({ code }) => code as string,
      );
    return [await code(-1), await code(1.5)];
  });
  expect(codes).toEqual(["bad_option", "bad_option"]);
  close();
});
