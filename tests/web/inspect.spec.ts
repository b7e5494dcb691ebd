/** Verdicts beside what loading then takes, and models in several files, by the built package in Chromium. */
import type { Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { test as blank } from "./blank.js";
import { type FileServer, answer } from "./file-server.js";
import { test as base, expect, tinyModel } from "./servers.js";

type Package = typeof import("../../www/api/index.js");
declare const sotto: Package;

interface Site {
  page: Page;
  /** By path; `sent` counts the bytes that went out. */
  files: Record<string, FileServer>;
}

/** A file of 8 GB whose header is a model's. */
const HUGE = "/huge.gguf";
const HUGE_BYTES = 8e9;
const PART = (no: number) => `/tiny-0000${no}-of-00003.gguf`;

const test = base.extend<{ site: Site }>({
  site: async ({ page }, use) => {
    const header = readFileSync(tinyModel("llama-f32"));
    const asked = { huge: 0 };
    const huge = (request: IncomingMessage, response: ServerResponse) => {
      const [, first = "0", last = ""] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") ?? [];
      const [start, end] = [Number(first), last ? Number(last) + 1 : HUGE_BYTES];
      asked.huge += end - start;
      response.writeHead(206, {
        "content-range": `bytes ${start}-${end - 1}/${HUGE_BYTES}`,
        "content-length": end - start,
      });
      const bytes = Buffer.alloc(end - start);
      header.copy(bytes, 0, start);
      response.end(bytes);
    };
    const files: Site["files"] = {};
    const route = (path: string, file: Uint8Array) => {
      const answers = (request: IncomingMessage, response: ServerResponse) =>
        void answer(files[path]!, request, response);
      files[path] = { url: path, origin: "", file, manners: { etag: '"1"' }, sent: 0, asked: [], close() {} };
      return [path, answers] as const;
    };
    const parts = [1, 2, 3].map((no) => route(PART(no), readFileSync(tinyModel(`llama-mixed@${no}of3`))));
    // Another model's second part, and one whose third is not there.
    const wrong = [
      route("/wrong-00001-of-00002.gguf", readFileSync(tinyModel("llama-mixed@1of2"))),
      route("/wrong-00002-of-00002.gguf", readFileSync(tinyModel("llama-mixed@1of2"))),
      route("/short-00001-of-00003.gguf", readFileSync(tinyModel("llama-mixed@1of3"))),
      route("/short-00002-of-00003.gguf", readFileSync(tinyModel("llama-mixed@2of3"))),
    ];
    const names = ["llama-f32", "llama-mixed", "gemma3-mixed"];
    const whole = names.map((name) => route(`/${name}.gguf`, readFileSync(tinyModel(name))));
    const http = await serve({
      "/dist/": join(ROOT, "dist"),
      [HUGE]: huge,
      "/short-00003-of-00003.gguf": (_request: unknown, response: ServerResponse) => response.writeHead(404).end(),
      "/huge-asked": (_request: unknown, response: ServerResponse) => response.end(String(asked.huge)),
      ...Object.fromEntries([...parts, ...wrong, ...whole]),
      "/": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end("<!doctype html>"),
    });
    await page.goto(http.url);
    await page.evaluate(async () => {
      const url = "/dist/index.js";
      Object.assign(globalThis, { sotto: await import(url) });
    });
    await use({ page, files });
    http.close();
  },
});

for (const backend of ["cpu", "webgpu"] as const)
  test(`what a verdict says of memory is what loading takes, on ${backend}`, async ({ site }) => {
    for (const name of ["llama-f32", "gemma3-mixed"]) {
      const { verdict, memory } = await site.page.evaluate(
        async ({ name, backend }) => {
          const { verdict } = await sotto.inspect(`/${name}.gguf`, { backend });
          const model = await sotto.load(`/${name}.gguf`, { backend, cache: "none" });
          const { memory } = model.info;
          await model.dispose();
          return { verdict, memory };
        },
        { name, backend },
      );
      expect(verdict).toMatchObject({ runs: true, backend });
      expect(verdict.tokensPerSecond! > 0 || backend === "webgpu").toBe(true);
      const { weights, cache, activations, program, total } = verdict.memory!;
      expect(total).toBe(weights + cache + activations + program);
      if (backend === "webgpu") expect(memory.gpuBytes).toBe(total - program);
      const takes = memory.gpuBytes + memory.wasmBytes;
      // What passes through the program's memory while a model loads is as much as a tiny model itself.
      const apart = Math.abs(total - takes);
      expect(apart, `${name}: ${total} beside ${takes}`).toBeLessThan(Math.max(0.03 * takes, 3e6));
    }
  });

blank("where an adapter binds too little the verdict is the CPU's, as the load is", async ({ blank: page }) => {
  const { verdict, again, backend } = await page.evaluate(async () => {
    const options = { workerUrl: "/workers/small-card.js", contextLength: 64 };
    const { verdict } = await sotto.inspect("/tiny/llama-f32.gguf", options);
    const { verdict: again } = await sotto.inspect("/tiny/llama-f32.gguf", options);
    const model = await sotto.load("/tiny/llama-f32.gguf", options);
    const { backend } = model.info;
    await model.dispose();
    return { verdict, again, backend };
  });
  expect(verdict).toMatchObject({ runs: true, backend: "cpu" });
  expect(backend).toBe("cpu");
  expect(verdict.findings.map(({ code }) => code)).toContain("adapter_too_small");
  // What was measured is kept.
  expect(again.tokensPerSecond).toBe(verdict.tokensPerSecond);
  expect(verdict.tokensPerSecond).toBeGreaterThan(0);
});

test("of a file of 8 GB the header alone is fetched", async ({ site }) => {
  const found = await site.page.evaluate(async (url) => {
    const { architecture, fileBytes, verdict } = await sotto.inspect(url, { backend: "cpu", contextLength: 64 });
    return { architecture, fileBytes, context: verdict.contextLength, code: verdict.findings[0]!.code };
  }, HUGE);
  expect(found).toMatchObject({ architecture: "llama", context: 64, code: "fits" });
  const asked = await site.page.evaluate(async () => Number(await (await fetch("/huge-asked")).text()));
  expect(asked).toBeLessThanOrEqual(1 << 18);
});

test("a file that ends before its tensors do is told of", async ({ site: { page, files } }) => {
  const found = () =>
    page.evaluate(async (first) => {
      const body = await (await fetch("/llama-f32.gguf")).blob();
      const sources = [
        "/llama-f32.gguf",
        new File([body], "model.gguf"),
        new File([body.slice(0, -1)], "cut.gguf"),
        first,
      ];
      const verdicts = await Promise.all(sources.map((source) => sotto.inspect(source, { backend: "cpu" })));
      return verdicts.map(({ verdict: { runs, findings } }) => [runs, findings[0]!.code, findings[0]!.sentence]);
    }, PART(1));
  expect((await found()).map(([runs, code]) => [runs, code])).toEqual([
    [true, "fits"],
    [true, "fits"],
    [false, "truncated"],
    [true, "fits"],
  ]);
  const last = files[PART(3)]!;
  last.file = last.file.subarray(0, -1000);
  const whole = files["/llama-f32.gguf"]!;
  const { length } = whole.file;
  whole.file = whole.file.subarray(0, length - 8);
  const [cut, , , part] = await found();
  expect(cut![2]).toBe(
    `The file has ${length - 8} of ${length} bytes: it ends before its tensors do; download it again.`,
  );
  expect(part!.slice(0, 2)).toEqual([false, "truncated"]);
});

test("a model in several files loads from the first one's address, then from the store, and from files", async ({
  site: { page, files },
}) => {
  const run = (source: "url" | "files" | "swapped") =>
    page.evaluate(
      async ({ source, names }) => {
        const bring = async (name: string) => new File([await (await fetch(name)).arrayBuffer()], name.slice(1));
        const all = source === "url" ? [] : await Promise.all(names.map(bring));
        if (source === "swapped") all[1] = new File([all[2]!], all[1]!.name);
        const phases: string[] = [];
        let last = { loaded: 0, total: 0 as number | undefined };
        try {
          const model = await sotto.load(source === "url" ? names[0]! : all.reverse(), {
            backend: "cpu",
            contextLength: 64,
            onProgress: ({ phase, loaded, total }) => {
              phases.push(phase);
              last = { loaded, total };
            },
          });
          const { top } = await model.score("the cat sat");
          await model.dispose();
          return { top, phases, last };
        } catch (error) {
          const { code, message } = error as { code: string; message: string };
          return { code, message };
        }
      },
      { source, names: [1, 2, 3].map(PART) },
    );
  const sent = () => [1, 2, 3].reduce((sum, no) => sum + files[PART(no)]!.sent, 0);
  const bytes = [1, 2, 3].reduce((sum, no) => sum + files[PART(no)]!.file.length, 0);
  const whole = await page.evaluate(async () => {
    const model = await sotto.load("/llama-mixed.gguf", { backend: "cpu", contextLength: 64 });
    const { top } = await model.score("the cat sat");
    await model.dispose();
    return top;
  });
  const first = await run("url");
  expect(first.top).toEqual(whole);
  expect(first.phases!.at(-1)).toBe("ready");
  expect(first.last!.loaded).toBe(first.last!.total);
  // The headers of the second and third are read before.
  expect(sent()).toBeLessThan(bytes + (3 << 18));
  const before = sent();
  const second = await run("url");
  expect(second.top).toEqual(whole);
  expect(sent()).toBe(before);
  expect((await run("files")).top).toEqual(whole);
  const swapped = await run("swapped");
  expect(swapped.code).toBe("missing_part");
  expect(swapped.message).toContain("Part 2 of the model");
});

test("a part that is missing is named", async ({ site: { page } }) => {
  const failure = (source: string) =>
    page.evaluate(async (source) => {
      const fails = async (call: () => Promise<unknown>) =>
        call().then(
          () => ({ code: "fine", message: "" }),
          ({ code, message }) => ({ code: code as string, message: message as string }),
        );
      return [
        await fails(() => sotto.load(source, { backend: "cpu" })),
        await fails(() => sotto.inspect(source, { backend: "cpu" })),
      ];
    }, source);
  for (const { code, message } of await failure("/wrong-00001-of-00002.gguf")) {
    expect(code).toBe("missing_part");
    expect(message).toContain("Part 2 of the model");
  }
  for (const { code, message } of await failure("/short-00001-of-00003.gguf")) {
    expect(code).toBe("http");
    expect(message).toContain("/short-00003-of-00003.gguf");
  }
  for (const { code, message } of await failure(PART(2))) {
    expect(code).toBe("missing_part");
    expect(message).toContain("is part 2 of 3; load the first");
  }
});
