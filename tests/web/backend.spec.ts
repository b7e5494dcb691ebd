/** Which backend a model comes to run on in a browser, what is said of it, and that long work on the CPU can be stopped. */
import type { Page } from "@playwright/test";
import { type Package, expect, test } from "./blank.js";
import { DEFAULT_MODEL } from "./servers.js";

declare const sotto: Package;

type Backend = "auto" | "webgpu" | "cpu";

interface Loaded {
  code: string;
  message: string;
  backend?: string;
  reason?: string;
  adapter?: string | null;
  warnings: { code: string; message: string }[];
  tokens: number[];
}

/** Loads a tiny model, perhaps in an odd worker, and lets it speak. */
function load(page: Page, backend: Backend, worker?: string): Promise<Loaded> {
  return page.evaluate(
    async ([backend, worker]) => {
      const warnings: { code: string; message: string }[] = [];
      const tokens: number[] = [];
      try {
        const workerUrl = worker && new URL(`/workers/${worker}.js`, location.href);
        const model = await sotto.load("/tiny/llama-f32.gguf", {
          backend,
          contextLength: 64,
          onWarning: (warning) => warnings.push(warning),
          ...(workerUrl && { workerUrl }),
        });
        for await (const chunk of model.generate("the cat", { raw: true, maxTokens: 4, temperature: 0 }))
          tokens.push(...chunk.tokens);
        const { backend: taken, backendReason: reason, adapter } = model.info;
        await model.dispose();
        return {
          code: "fine",
          message: "",
          backend: taken,
          reason,
          adapter: adapter?.description ?? null,
          warnings,
          tokens,
        };
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        return { code, message, warnings, tokens };
      }
    },
    [backend, worker] as const,
  );
}

test("auto does not take a software adapter, and says why", { tag: "@swiftshader" }, async ({ blank }) => {
  const auto = await load(blank, "auto");
  expect(auto).toMatchObject({ code: "fine", backend: "cpu", adapter: null, warnings: [] });
  expect(auto.reason).toMatch(/^The WebGPU adapter '.*(swiftshader|llvmpipe).*' is software.*\.$/i);
  const webgpu = await load(blank, "webgpu");
  expect(webgpu).toMatchObject({ code: "fine", backend: "webgpu", reason: "WebGPU was asked for.", warnings: [] });
  expect(webgpu.tokens).toEqual(auto.tokens);
});

for (const [worker, code] of [
  ["without-gpu", "no_webgpu"],
  ["without-adapter", "no_webgpu"],
  ["without-device", "no_webgpu"],
  ["small-card", "adapter_too_small"],
] as const) {
  test(`a worker ${worker}: auto warns and takes the CPU, webgpu is refused, cpu does not care`, async ({ blank }) => {
    const auto = await load(blank, "auto", worker);
    expect(auto).toMatchObject({ code: "fine", backend: "cpu", adapter: null, warnings: [{ code }] });
    expect(auto.warnings[0]!.message).toMatch(/^The model runs on the CPU because WebGPU did not start\. .*\.$/);
    expect(auto.reason).toMatch(/^WebGPU did not start\. /);
    const webgpu = await load(blank, "webgpu", worker);
    expect(webgpu, webgpu.message).toMatchObject({ code, warnings: [] });
    const cpu = await load(blank, "cpu", worker);
    expect(cpu).toMatchObject({ code: "fine", backend: "cpu", reason: "The CPU was asked for.", warnings: [] });
    expect(cpu.tokens).toEqual(auto.tokens);
  });
}

test("a page fetches the engine for what it computes on, and the CPU's where WebGPU gives up", async ({ blank }) => {
  const fetched = async (backend: Backend, worker?: string) => {
    const files: string[] = [];
    const note = (request: { url(): string }) => {
      const file = /[^/]*_bg[.]wasm$/.exec(request.url())?.[0];
      if (file) files.push(file);
    };
    blank.context().on("request", note);
    expect(await load(blank, backend, worker)).toMatchObject({ code: "fine" });
    blank.context().off("request", note);
    return files;
  };
  expect(await fetched("auto")).toEqual(["sotto_cpu_bg.wasm"]);
  expect(await fetched("webgpu")).toEqual(["sotto_bg.wasm"]);
  expect(await fetched("auto", "small-card")).toEqual(["sotto_bg.wasm", "sotto_cpu_bg.wasm"]);
});

test("bytes that come once are kept until it is known what takes them", async ({ blank }) => {
  const loaded = await blank.evaluate(async () => {
    const bytes = new Uint8Array(await (await fetch("/tiny/gemma3-mixed.gguf")).arrayBuffer());
    let at = 0;
    const source = new ReadableStream<Uint8Array>({
      pull: (controller) => {
        controller.enqueue(bytes.slice(at, at + 700));
        at += 700;
        if (at >= bytes.length) controller.close();
      },
    });
    const workerUrl = new URL("/workers/small-card.js", location.href);
    const write = async (source: string | ReadableStream<Uint8Array>, options: object) => {
      const model = await sotto.load(source, { contextLength: 64, ...options });
      let text = "";
      for await (const chunk of model.generate("the cat", { raw: true, maxTokens: 4, temperature: 0 }))
        text += chunk.text;
      await model.dispose();
      return [model.info.backend, text];
    };
    return [await write(source, { workerUrl }), await write("/tiny/gemma3-mixed.gguf", { backend: "cpu" })];
  });
  expect(loaded[0]).toEqual(loaded[1]);
});

test("names that are no backend or precision are refused", async ({ blank }) => {
  const codes = await blank.evaluate(async () => {
    const code = (options: object) =>
      sotto.load("/tiny/llama-f32.gguf", options).then(
        () => "fine",
        (error: { code: string }) => error.code,
      );
    return [
      await code({ backend: "gpu" }),
      await code({ precision: "low" }),
      await code({ backend: "cpu", precision: "high" }),
    ];
  });
  expect(codes).toEqual(["bad_option", "bad_option", "fine"]);
});

test("an abort ends a long prefill on the CPU in the middle, and the next reply works", async ({ blank }) => {
  const r = await blank.evaluate(async (file) => {
    // One chunk: were it not stopped inside, its keys and values would be there for the next prompt.
    const model = await sotto.load(`/models/${file}`, { backend: "cpu", contextLength: 2048, maxBatchTokens: 2048 });
    const prompt = "All work and no play makes Jack a dull boy. ".repeat(150);
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 150);
    let code = "";
    try {
      for await (const _ of model.generate(prompt, { raw: true, maxTokens: 4, signal: abort.signal }));
    } catch (error) {
      code = (error as { code: string }).code;
    }
    let last: import("../../www/api/index.js").Chunk | undefined;
    for await (const chunk of model.generate(prompt.slice(0, 200), { raw: true, maxTokens: 4, temperature: 0 }))
      last = chunk;
    await model.dispose();
    return { code, last };
  }, DEFAULT_MODEL);
  expect(r.code).toBe("aborted");
  expect(r.last!.finishReason).toBe("length");
  expect(r.last!.timings!.cachedTokens).toBe(0);
});

test("an abort ends a score and a benchmark on the CPU in the middle, and the next call waits for nothing", async ({
  blank,
}) => {
  const codes = await blank.evaluate(async () => {
    const model = await sotto.load("/tiny/llama-f32.gguf", { backend: "cpu", contextLength: 512 });
    const codes: string[] = [];
    const stopped = (call: (signal: AbortSignal) => Promise<unknown>) =>
      call(AbortSignal.timeout(150)).then(
        () => "fine",
        (error: { code: string }) => error.code,
      );
    // A day's work.
    const runs = 1_000_000;
    codes.push(await stopped((signal) => model.bench({ promptTokens: 400, genTokens: 100, runs, signal })));
    codes.push(await stopped((signal) => model.score("the cat and the dog", { signal })));
    const { nllMean } = await model.score("the cat and the dog");
    codes.push(String(nllMean > 0));
    await model.dispose();
    return codes;
  });
  expect(codes[0]).toBe("aborted");
  expect(codes.at(-1)).toBe("true");
});

test("a load ends with the model's last byte, whatever the source still has", async ({ blank }) => {
  const loaded = await blank.evaluate(async () => {
    const bytes = new Uint8Array(await (await fetch("/tiny/llama-f32.gguf")).arrayBuffer());
    const cancelled: string[] = [];
    for (const more of [undefined, new Uint8Array(1 << 16)]) {
      const source = new ReadableStream<Uint8Array>({
        start: (controller) => controller.enqueue(bytes),
        // One never closes, the other never ends.
        pull: (controller) => more && controller.enqueue(more),
        cancel: () => void cancelled.push("cancelled"),
      });
      const model = await sotto.load(source, { backend: "cpu", contextLength: 64 });
      await model.dispose();
    }
    return cancelled;
  });
  expect(loaded).toEqual(["cancelled", "cancelled"]);
});
