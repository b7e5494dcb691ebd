/** An engine that is lost in the midst of replies: the model is loaded anew, and they go on where they were. */
import { afterEach, beforeEach, expect, test } from "vitest";
import { connect, type Model } from "../../www/api/model.js";
import type { Chunk, Warning } from "../../www/wire/protocol.js";
import { pump } from "../../www/wire/pump.js";
import { REPLY, clearLog, log } from "./fake-engine.js";
import * as fake from "./fake-engine.js";
import { GGUF, codeOf, fakeWorker, loadFake } from "./harness.js";

let model: Model;
beforeEach(clearLog);
afterEach(() => model.dispose());

const warnings: Warning[] = [];
const load = async () => {
  warnings.length = 0;
  model = await loadFake(undefined, { onWarning: (warning) => void warnings.push(warning) });
};

async function collect(reply: AsyncIterable<Chunk>): Promise<Chunk[]> {
  const chunks: Chunk[] = [];
  for await (const chunk of reply) chunks.push(chunk);
  return chunks;
}

const textOf = (chunks: Chunk[]) => chunks.map(({ text }) => text).join("");

test("a reply goes on in mid-sentence, each word once, and the page is told", async () => {
  await load();
  const chunks = await collect(model.generate("lost every 7"));
  expect(textOf(chunks)).toBe(REPLY);
  expect(chunks.map(({ tokens }) => tokens[0])).toEqual([...chunks.slice(0, -1).map((_, i) => i + 1), undefined]);
  expect(log.lost).toBeGreaterThan(3);
  expect(log.loads).toBe(1 + log.lost);
  expect(warnings.length).toBe(log.lost);
  expect(warnings[0]).toMatchObject({ code: "device_lost" });
  expect(warnings[0]!.message).toMatch(
    /^The GPU was lost; the model was loaded anew in \d+\.\d s, on the CPU, and goes on\.$/,
  );
});

test("a streamed chat keeps its name, and has its role once", async () => {
  await load();
  const request = { messages: [{ role: "user", content: "lost every 9" }], stream: true } as const;
  const parts = [];
  for await (const part of await model.chat.completions.create(request)) parts.push(part);
  expect(log.lost).toBeGreaterThan(2);
  expect(new Set(parts.map(({ id }) => id)).size).toBe(1);
  expect(parts.filter(({ choices }) => choices[0]?.delta.role).length).toBe(1);
  expect(parts.map(({ choices }) => choices[0]?.delta.content ?? "").join("")).toBe(REPLY);
});

test("a chat that is not streamed comes whole", async () => {
  await load();
  expect((await model.chat("lost every 9")).text).toBe(REPLY);
  expect(log.past).toBeGreaterThan(9);
});

test("replies side by side all go on, with one load for all", async () => {
  await load();
  const replies = [model.generate("lost every 20"), model.generate("slow"), model.generate("slower")];
  for (const chunks of await Promise.all(replies.map(collect))) expect(textOf(chunks)).toBe(REPLY);
  expect(log.loads).toBe(1 + log.lost);
});

test("what loses the engine again and again fails, and the model goes on without it", async () => {
  await load();
  expect(await codeOf(collect(model.generate("lost")))).toBe("device_lost");
  expect(log.lost).toBe(5);
  expect(textOf(await collect(model.generate("fast")))).toBe(REPLY);
  expect(await codeOf(collect(model.generate("trap")))).toBe("internal");
  expect(await model.tokenize("x")).toEqual([120]);
});

test("a worker that ends between calls is not missed", async () => {
  const workers: ReturnType<typeof fakeWorker>[] = [];
  const start = () => {
    workers.push(fakeWorker());
    return workers.at(-1)!;
  };
  model = await connect(start, { kind: "blob", blob: GGUF }, {});
  workers[0]!.onerror!({ message: "out of memory" } as ErrorEvent);
  expect(await model.tokenize("x")).toEqual([120]);
  expect(workers.length).toBe(2);
  expect(workers[0]!.terminated).toBe(true);
});

test("weights that can be read once alone: a warning at the load, and an error when the engine is lost", async () => {
  const bytes = new Uint8Array(await GGUF.arrayBuffer());
  warnings.length = 0;
  const source = { kind: "port", port: pump(bytes), total: bytes.length } as const;
  model = await loadFake(source, { onWarning: (warning) => void warnings.push(warning) });
  expect(warnings.map(({ code }) => code)).toEqual(["read_once"]);
  expect(await codeOf(collect(model.generate("lost every 5")))).toBe("device_lost");
  expect(await codeOf(model.tokenize("x"))).toBe("device_lost");
});

test("an engine that does not start again is an error of all that wait for it", async () => {
  let starts = 0;
  const module = async () => {
    if (starts++ > 0) throw Object.assign(new Error("No memory."), { code: "out_of_memory" });
    return fake;
  };
  model = await connect(() => fakeWorker(module), { kind: "blob", blob: GGUF }, {});
  const replies = [model.generate("lost every 5"), model.generate("slow")].map((reply) => codeOf(collect(reply)));
  expect(await Promise.all(replies)).toEqual(["out_of_memory", "out_of_memory"]);
  expect(starts).toBeGreaterThan(1);
});

test("a reply that is stopped while the model is loaded anew ends as it is wanted", async () => {
  await load();
  const stop = new AbortController();
  let heard = 0;
  const parts: Chunk[] = [];
  const begun = log.loads;
  for await (const chunk of model.generate("lost every 7", { signal: stop.signal, onAbort: "result" })) {
    parts.push(chunk);
    if (++heard === 7) setTimeout(() => stop.abort());
  }
  expect(parts.at(-1)!.finishReason).toBe("abort");
  expect(log.loads).toBeGreaterThanOrEqual(begun);
  expect(await codeOf(collect(model.generate("slow", { signal: AbortSignal.timeout(50) })))).toBe("aborted");
});
