import { afterEach, beforeEach, expect, test } from "vitest";
import { load } from "../../www/api/index.js";
import type { Chunk, Progress } from "../../www/wire/protocol.js";
import { pump } from "../../www/wire/pump.js";
import { type Loader, REPLY, clearLog, log } from "./fake-engine.js";
import { GGUF, codeOf, fakeWorker, loadFake } from "./harness.js";
import { connect, type Model } from "../../www/api/model.js";

let model: Model | undefined;
beforeEach(clearLog);
afterEach(() => model?.dispose());

async function collect(chunks: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const all: Chunk[] = [];
  for await (const chunk of chunks) all.push(chunk);
  return all;
}

/** Weights that can be read once alone: of such a model a lost engine is the end. */
const once = (bytes = new TextEncoder().encode(`GGUF${" ".repeat(60)}`)) =>
  ({ kind: "port", port: pump(bytes), total: bytes.length }) as const;

const tick = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

test("a load reports bytes, phases and a last event", async () => {
  const events: Progress[] = [];
  model = await loadFake(undefined, { onProgress: (event) => events.push(event) });
  expect(model.info.architecture).toBe("llama");
  const facts = { file: "the file", fromCache: false };
  expect(events[0]).toEqual({ phase: "upload", loaded: 0, total: 64, ...facts });
  expect(events.map(({ phase }) => phase)).toContain("prepare");
  expect(events.at(-1)).toEqual({ phase: "ready", loaded: 64, total: 64, ...facts });
  expect(log.pushed).toBe(64);
});

test("a reply streams, and its last chunk has the figures", async () => {
  model = await loadFake();
  const chunks = await collect(model.generate("fast", { temperature: 0 }));
  expect(chunks.map(({ text }) => text).join("")).toBe(REPLY);
  expect(chunks.length).toBeGreaterThan(50);
  const last = chunks.at(-1)!;
  expect(last).toMatchObject({
    finishReason: "stop",
    usage: { promptTokens: 3, completionTokens: chunks.length - 1 },
    promptTokens: [1, 2, 3],
  });
  expect(last.timings!.decodeTps).toBeGreaterThan(0);
  expect(chunks.slice(0, -1).every((chunk) => chunk.finishReason === undefined)).toBe(true);
  expect(log.running).toBe(0);
});

test("prefill progress is told apart from text", async () => {
  model = await loadFake();
  const events: Progress[] = [];
  await collect(model.generate("fast", { maxTokens: 2, onProgress: (event) => events.push(event) }));
  expect(events).toEqual([{ phase: "prefill", loaded: 8, total: 8 }]);
});

test("break stops the engine and frees the reply", async () => {
  model = await loadFake();
  for await (const { text } of model.generate("slow")) if (text) break;
  await tick(50);
  expect(log).toMatchObject({ cancelled: 1, running: 0 });
  const [chunk] = await collect(model.generate("fast", { maxTokens: 1 }));
  expect(chunk!.text).toBe("Sure.");
});

test("an AbortSignal throws even while the engine hangs in a step", async () => {
  model = await loadFake();
  expect(await codeOf(collect(model.generate("hang", { signal: AbortSignal.timeout(50) })))).toBe("aborted");
  expect(await codeOf(collect(model.generate("fast", { signal: AbortSignal.abort() })))).toBe("aborted");
});

test("a reason given to abort() is the error's cause", async () => {
  model = await loadFake();
  const reason = new Error("changed my mind");
  await expect(collect(model.generate("x", { signal: AbortSignal.abort(reason) }))).rejects.toMatchObject({
    code: "aborted",
    cause: reason,
  });
});

test("replies asked for together are written side by side, each its own", async () => {
  model = await loadFake();
  const texts = new Map<string, string>();
  const ask = async (name: string) => {
    const chunks = await collect(model!.generate(`echo ${name}`, { maxTokens: 3 }));
    texts.set(name, chunks.map(({ text }) => text).join(""));
  };
  await Promise.all([ask("a b c"), ask("d e f"), ask("g h i")]);
  expect([...texts]).toEqual([...texts].map(([name]) => [name, name]));
  expect(log.most).toBe(3);
});

test("a score waits for the replies before it, and those after it for the score", async () => {
  model = await loadFake();
  const order: string[] = [];
  const reply = async (name: string) => {
    await collect(model!.generate(`echo ${name}`, { maxTokens: 2 }));
    order.push(name);
  };
  const score = model.score.bind(model);
  await Promise.all([reply("a"), reply("b"), score("x").then(() => order.push("score")), reply("c"), reply("d")]);
  expect(order).toEqual(["a", "b", "score", "c", "d"]);
  expect(log.most).toBe(2);
});

test("one that is stopped while it waits leaves the queue; tokenize does not wait", async () => {
  model = await loadFake();
  const first = collect(model.generate("slow", { maxTokens: 20 }));
  const waiting = codeOf(collect(model.generate("slow", { signal: AbortSignal.timeout(30) })));
  const third = collect(model.generate("fast", { maxTokens: 1 }));
  expect(await model.tokenize("ab")).toEqual([97, 98]);
  expect(await model.detokenize([97, 98])).toBe("ab");
  expect(await waiting).toBe("aborted");
  expect((await first).at(-1)!.finishReason).toBe("length");
  expect((await third).length).toBe(2);
});

test("one that runs alone and is stopped while it waits holds up none behind it", async () => {
  model = await loadFake();
  const order: string[] = [];
  const first = collect(model.generate("slow", { maxTokens: 40 })).then(() => order.push("first"));
  expect(await codeOf(model.score("x", { signal: AbortSignal.timeout(20) }))).toBe("aborted");
  await collect(model.generate("fast", { maxTokens: 1 }));
  order.push("second");
  await first;
  expect(order).toEqual(["second", "first"]);
});

test("saving and restoring wait for no reply", async () => {
  model = await loadFake();
  const session = model.session({ id: "a", messages: [{ role: "user", content: "hi" }] });
  const order: string[] = [];
  const first = collect(model.generate("slow", { maxTokens: 40 })).then(() => order.push("reply"));
  // There is no store here, which is all that they come to.
  expect([await codeOf(session.save()), await codeOf(model.restore("a"))]).toEqual(["storage", "storage"]);
  order.push("saved");
  await first;
  expect(order).toEqual(["saved", "reply"]);
});

test("of many requests at once the engine knows a few, and the others count as waiting", async () => {
  model = await loadFake();
  const all = Promise.all(Array.from({ length: 200 }, () => collect(model!.generate("fast", { maxTokens: 2 }))));
  const { requests } = await model.stats();
  expect(requests.waiting).toBeGreaterThan(100);
  expect((await all).every((reply) => reply.at(-1)!.finishReason === "length")).toBe(true);
  expect(log.most).toBe(64);
  expect((await model.stats()).requests.waiting).toBe(0);
});

test("score and bench answer", async () => {
  model = await loadFake();
  expect(await model.score("hello")).toMatchObject({ nllMean: 1, top: [[1, 2]] });
  expect(await model.bench({ runs: 1 })).toMatchObject({ prefillTps: 1 });
});

test("the engine's typed errors keep their code and the model stays usable", async () => {
  model = await loadFake();
  expect(await codeOf(collect(model.generate("x".repeat(3000))))).toBe("prompt_too_long");
  expect(await codeOf(collect(model.generate("lost")))).toBe("device_lost");
  expect((await collect(model.generate("fast", { maxTokens: 1 }))).length).toBe(2);
});

test("a wasm trap fails this call and every later one, typed, where the weights cannot be read again", async () => {
  model = await loadFake(once());
  await expect(collect(model.generate("trap"))).rejects.toMatchObject({
    code: "internal",
    message: expect.stringContaining("load the model again"),
  });
  expect(await codeOf(collect(model.generate("fast")))).toBe("internal");
});

test("so does a stack that came to its end inside of wasm", async () => {
  model = await loadFake(once());
  await expect(collect(model.generate("deep"))).rejects.toThrow(
    "The engine crashed (Maximum call stack size exceeded);",
  );
  await expect(model.tokenize("x")).rejects.toThrow("The engine crashed");
});

test("a score and a benchmark that are stopped leave the engine to the next call", async () => {
  model = await loadFake();
  expect(await codeOf(model.score("endless", { signal: AbortSignal.timeout(30) }))).toBe("aborted");
  expect(await model.tokenize("ab")).toEqual([97, 98]);
  expect(await codeOf(model.bench({ runs: 1000, signal: AbortSignal.timeout(30) }))).toBe("aborted");
  expect(await model.score("hello")).toMatchObject({ nllMean: 1 });
  expect(log.cancelled).toBe(2);
  // One that waits for another is not begun.
  const first = codeOf(model.score("endless", { signal: AbortSignal.timeout(60) }));
  expect(await codeOf(model.score("endless", { signal: AbortSignal.timeout(20) }))).toBe("aborted");
  expect(await first).toBe("aborted");
  await expect.poll(() => log.cancelled).toBe(3);
});

test("a load ends with the model's last byte, whatever else is sent, and lets go of the source", async () => {
  const whole = new TextEncoder().encode("GGUF, 64 bytes".padEnd(64));
  for (const beyond of [0, 1000]) {
    let cancelled!: () => void;
    const over = new Promise<void>((resolve) => (cancelled = resolve));
    const stream = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(whole.slice(0, 40));
        controller.enqueue(new Uint8Array([...whole.slice(40), ...new Uint8Array(beyond)]));
      },
      pull: (controller) => (beyond > 0 ? controller.enqueue(new Uint8Array(beyond)) : new Promise(() => {})),
      cancel: () => cancelled(),
    });
    const loaded = await loadFake({ kind: "port", port: pump(stream) });
    await over;
    await loaded.dispose();
  }
});

test("what a callback of the caller's throws is what its call fails with", async () => {
  const mine = new Error("mine");
  const throws = () => {
    throw mine;
  };
  model = await loadFake();
  for (const onProgress of [throws, async () => throws()]) {
    await expect(loadFake(undefined, { onProgress })).rejects.toBe(mine);
    await expect(collect(model.generate("fast", { onProgress }))).rejects.toBe(mine);
    await expect(model.chat("fast", { onProgress })).rejects.toBe(mine);
  }
  const overflow = () => {
    throw mine;
  };
  await expect(model.chat("fast ".repeat(99), { overflow })).rejects.toBe(mine);
  expect((await collect(model.generate("fast", { maxTokens: 1 }))).length).toBe(2);
});

test("a wish for threads where there are none is told of", async () => {
  const warnings: string[] = [];
  model = await loadFake(undefined, { threads: 4, onWarning: ({ message }) => warnings.push(message) });
  expect(warnings).toEqual([expect.stringMatching(/on 1 thread, not 4; threads need a cross-origin isolated page/)]);
});

test("options that cannot be sent are a bad_option", async () => {
  model = await loadFake();
  expect(await codeOf(collect(model.generate("fast", { stop: [(() => {}) as never] })))).toBe("bad_option");
});

test("a worker that fails ends what waits for it", async () => {
  const worker = fakeWorker();
  model = await connect(() => worker, once(), {});
  const waiting = codeOf(collect(model.generate("hang")));
  await tick(30);
  worker.onerror!({ message: "boom" } as ErrorEvent);
  expect(await waiting).toBe("internal");
  expect(worker.terminated).toBe(true);
  expect(await codeOf(model.tokenize("x"))).toBe("internal");
});

test("dispose ends running replies with disposed, and the worker", async () => {
  const worker = fakeWorker();
  model = await connect(() => worker, { kind: "blob", blob: GGUF }, {});
  const running = codeOf(collect(model.generate("slow")));
  await tick(40);
  await model.dispose();
  expect(await running).toBe("disposed");
  expect(log.disposed).toBe(1);
  expect(worker.terminated).toBe(true);
  expect(await codeOf(model.tokenize("x"))).toBe("disposed");
  await model.dispose();
});

test("a failed load frees the loader and ends the worker", async () => {
  const worker = fakeWorker();
  await expect(connect(() => worker, { kind: "blob", blob: new Blob(["GGML....."]) }, {})).rejects.toMatchObject({
    code: "not_gguf",
    message: 'The file is not a GGUF file: it starts with "GGML", not "GGUF"; give the .gguf file itself.',
  });
  expect(log.freed).toBe(1);
  await expect.poll(() => worker.terminated).toBe(true);
  expect(await codeOf(loadFake({ kind: "blob", blob: new Blob(["GGUF"]) }))).toBe("truncated");
});

test("a load can be stopped while it waits for the adapter", async () => {
  const stuck = { Loader: { create: () => new Promise<Loader>(() => {}) } };
  const worker = fakeWorker(async () => stuck);
  expect(
    await codeOf(connect(() => worker, { kind: "blob", blob: GGUF }, {}, { signal: AbortSignal.timeout(30) })),
  ).toBe("aborted");
  await expect.poll(() => worker.terminated).toBe(true);
});

test("a load whose engine does not start lets go of the file that it had opened", async () => {
  const worker = fakeWorker(() => Promise.reject(new Error("no engine")));
  let cancelled = false;
  const stream = new ReadableStream<Uint8Array>({
    pull: async (controller) => controller.enqueue(new Uint8Array(await GGUF.arrayBuffer())),
    cancel: () => {
      cancelled = true;
    },
  });
  expect(await codeOf(connect(() => worker, { kind: "port", port: pump(stream) }, {}))).toBe("internal");
  await expect.poll(() => cancelled).toBe(true);
});

test("a load that is stopped while it reads frees the loader, then the worker ends", async () => {
  const worker = fakeWorker();
  const gguf = new Uint8Array(await GGUF.arrayBuffer());
  const stalled = new ReadableStream<Uint8Array>({ start: (controller) => controller.enqueue(gguf) });
  const source = { kind: "port" as const, port: pump(stalled) };
  const terminate = worker.terminate;
  let freed: number | undefined;
  worker.terminate = () => {
    freed ??= log.freed;
    terminate();
  };
  expect(await codeOf(connect(() => worker, source, {}, { signal: AbortSignal.timeout(50) }))).toBe("aborted");
  await expect.poll(() => worker.terminated).toBe(true);
  expect(freed).toBe(1);
});

test("a worker that hangs is ended all the same", async () => {
  const worker = fakeWorker();
  model = await connect(() => worker, { kind: "blob", blob: GGUF }, {});
  const running = codeOf(collect(model.generate("hang")));
  await tick(30);
  const disposed = Promise.all([model.dispose(), model.dispose()]);
  await tick(30);
  expect(worker.terminated).toBe(false);
  await disposed;
  expect(await running).toBe("disposed");
  expect(worker.terminated).toBe(true);
});

test("an engine that does not start is a typed error", async () => {
  const fails = async () => {
    throw Object.assign(new Error("no WebGPU here"), { code: "no_webgpu" });
  };
  expect(await codeOf(connect(() => fakeWorker(fails), { kind: "blob", blob: GGUF }, {}))).toBe("no_webgpu");
});

test("on a server, load() says what is missing instead of crashing", async () => {
  expect(await codeOf(load("https://example.org/model.gguf"))).toBe("not_started");
});
