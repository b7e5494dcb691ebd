/** `sotto/compress` in Chromium: the bytes are those that the command writes, and the result loads. */
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ROOT } from "../../tools/setup.mjs";
import { tinyRepository } from "../../tools/tiny-model.mjs";
import type * as Compress from "../../www/pieces/compress/index.js";
import { type Package, expect, test } from "./blank.js";
import { tinyModel } from "./servers.js";

declare const sotto: Package;

const SOTTO = process.env.SOTTO_BINARY ?? join(ROOT, "target", "release", "sotto");

/** The SHA-256 and the bytes of what the command makes. */
function natively(model: string, to: string): { sha256: string; written: number } {
  const out = join(mkdtempSync(join(tmpdir(), "sotto-")), "made.gguf");
  execFileSync(SOTTO, ["quantize", "--model", model, "--to", to, "--out", out]);
  const bytes = readFileSync(out);
  return { sha256: createHash("sha256").update(bytes).digest("hex"), written: bytes.length };
}

const CASES = [
  { source: "/tiny/llama-f32.gguf", native: () => tinyModel("llama-f32"), type: "q4_0" },
  { source: "/tiny/gemma3-f16.gguf", native: () => tinyModel("gemma3-f16"), type: "q4_k" },
  { source: "/repositories/llama-f32/", native: () => tinyRepository("llama-f32"), type: "q4_0" },
] as const;

for (const { source, native, type } of CASES)
  test(`${source} becomes ${type} in the store as it does natively, and loads from there`, async ({ blank }) => {
    const found = await blank.evaluate(
      async ({ source, type }) => {
        const { quantize } = (await import(`${location.origin}/dist/pieces/compress.js`)) as typeof Compress;
        const phases: string[] = [];
        const report = await quantize(source, {
          type,
          to: "store",
          name: "small.gguf",
          onProgress: ({ phase }) => phases.push(phase),
        });
        const model = await sotto.load(report.url, { backend: "cpu", contextLength: 64, cache: "only" });
        const { text } = await model.chat("Hello", { temperature: 0, max_tokens: 4 });
        const { quantization } = model.info;
        await model.dispose();
        const kept = (await sotto.store.list()).find(({ url }) => url === report.url);
        const verified = await sotto.store.verify(report.url);
        return { report, phases, text, quantization, kept, ok: verified.ok };
      },
      { source, type },
    );
    expect(found.report).toMatchObject({ ...natively(native(), type), url: "store:small.gguf" });
    expect(found.kept).toMatchObject({ whole: true, sha256: found.report.sha256, size: found.report.written });
    expect(found.ok).toBe(true);
    expect(found.phases).toContain("write");
    expect(found.phases.at(-1)).toBe("ready");
    expect(found.quantization).toContain(type === "q4_k" ? "Q5_0" : "Q4_0");
    expect(found.text.length).toBeGreaterThan(0);
  });

test("a stream of the page gets the file; one that was stopped leaves nothing, and is aborted", async ({ blank }) => {
  const found = await blank.evaluate(async () => {
    const { quantize } = (await import(`${location.origin}/dist/pieces/compress.js`)) as typeof Compress;
    const pieces: Uint8Array<ArrayBuffer>[] = [];
    let closed = false;
    const stream = new WritableStream<Uint8Array<ArrayBuffer>>({
      write: (piece) => void pieces.push(piece),
      close: () => {
        closed = true;
      },
    });
    const source = await (await fetch("/tiny/llama-f32.gguf")).blob();
    const report = await quantize(source, { type: "q8_0", to: stream as WritableStream<Uint8Array> });
    const bytes = await new Blob(pieces).arrayBuffer();
    const hash = new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));
    const sha256 = Array.from(hash, (byte) => byte.toString(16).padStart(2, "0")).join("");

    // It never ends: until it is stopped.
    const stop = new AbortController();
    const endless = new ReadableStream<Uint8Array>({
      start: async (controller) => controller.enqueue(new Uint8Array(await source.slice(0, 20_000).arrayBuffer())),
    });
    let reason: unknown;
    const aborted = new WritableStream<Uint8Array>({
      abort: (given) => {
        reason = given?.code;
      },
    });
    const onProgress = () => setTimeout(() => stop.abort(), 50);
    const options = { type: "q8_0", signal: stop.signal, onProgress } as const;
    const code = await quantize(endless, { ...options, to: aborted }).catch((error) => error.code);
    const taken = await quantize(source, { type: "q8_0", to: stream as WritableStream<Uint8Array> }).catch(
      (error) => error.code,
    );
    const type = await quantize(source, { type: "iq3_s" as never, to: "store" }).catch((error) => error.message);
    return { report, sha256, closed, code, reason, taken, type, kept: await sotto.store.list() };
  });
  const { report, sha256, closed, code, reason, taken, type, kept } = found;
  expect(report).toMatchObject(natively(tinyModel("llama-f32"), "q8_0"));
  expect([report.sha256, closed, code, reason, kept]).toEqual([sha256, true, "aborted", "aborted", []]);
  expect(taken).toBe("bad_option");
  expect(type).toContain("take one of f32, f16");
});

/** It becomes 100 MB and more. */
test("the module's memory stays small whatever the model's size", async ({ blank }) => {
  const found = await blank.evaluate(async () => {
    const { quantize } = (await import(`${location.origin}/dist/pieces/compress.js`)) as typeof Compress;
    const channel = new BroadcastChannel("memory");
    const sizes: number[] = [];
    channel.onmessage = ({ data }) => typeof data === "number" && sizes.push(data);
    let written = 0;
    const stream = new WritableStream<Uint8Array>({
      write: (piece) => {
        written += piece.length;
        channel.postMessage("?");
      },
    });
    await quantize("/models/SmolLM2-135M-Instruct.Q4_1.gguf", {
      type: "q8_0",
      to: stream,
      cache: "none",
      workerUrl: "/workers/weighed.js",
    });
    return { written, most: Math.max(...sizes) };
  });
  expect(found.written).toBeGreaterThan(100e6);
  expect(found.most).toBeGreaterThan(0);
  expect(found.most).toBeLessThan(64 << 20);
});
