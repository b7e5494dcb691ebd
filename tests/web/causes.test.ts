/** What keeps a model from loading is named for what it is; and progress is told seldom, but to its end. */
import { afterEach, expect, test, vi } from "vitest";
import { load } from "../../www/api/index.js";
import { whyNotStarted } from "../../www/api/causes.js";
import type { Progress } from "../../www/wire/protocol.js";
import { insecurePage } from "../../www/worker/adapter.js";
import { whyNoWasm } from "../../www/worker/causes.js";
import { Reporter } from "../../www/worker/progress.js";
import { open } from "../../www/worker/fetch.js";
import { codeOf } from "./harness.js";

afterEach(() => {
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

const SCRIPT = "http://site.example/sotto/worker.js";
const answers = (response: Response) => vi.stubGlobal("fetch", async () => response);

test("in a service worker, load says where models can be", async () => {
  vi.stubGlobal("ServiceWorkerGlobalScope", class {});
  expect(await codeOf(load("https://site.example/model.gguf"))).toBe("service_worker");
});

test("a worker that did not start: offline, not there, without the isolated page's header, or nobody knows", async () => {
  answers(new Response("", { status: 404 }));
  expect(await whyNotStarted(SCRIPT)).toMatchObject({
    code: "not_started",
    message: expect.stringContaining("there is no http://site.example/sotto/worker.js (HTTP 404)"),
  });
  answers(new Response("ok"));
  expect(await whyNotStarted(SCRIPT)).toBeUndefined();
  expect(await whyNotStarted(undefined)).toBeUndefined();
  vi.stubGlobal("crossOriginIsolated", true);
  vi.stubGlobal("location", new URL(SCRIPT));
  expect(await whyNotStarted(SCRIPT)).toMatchObject({
    code: "blocked",
    message: expect.stringContaining("not served with Cross-Origin-Embedder-Policy: require-corp"),
  });
  answers(new Response("ok", { headers: { "cross-origin-embedder-policy": "require-corp" } }));
  expect(await whyNotStarted(SCRIPT)).toBeUndefined();
  vi.stubGlobal("navigator", { onLine: false });
  expect(await whyNotStarted(SCRIPT)).toMatchObject({ code: "offline" });
});

test("a model's server without a network is not the server's fault", async () => {
  vi.stubGlobal("navigator", { onLine: false });
  vi.stubGlobal("fetch", async () => Promise.reject(new TypeError("Failed to fetch")));
  const source = { kind: "url" as const, url: "https://site.example/model.gguf" };
  expect(await codeOf(open(source, new AbortController().signal))).toBe("offline");
  const own = { kind: "url" as const, url: "http://localhost:1/model.gguf" };
  expect(await codeOf(open(own, new AbortController().signal))).toBe("network");
});

test("a page that is not secure is why there is no WebGPU", () => {
  vi.stubGlobal("navigator", {});
  vi.stubGlobal("isSecureContext", false);
  expect(insecurePage()).toContain("open it over https or on localhost");
  vi.stubGlobal("isSecureContext", true);
  expect(insecurePage()).toBeUndefined();
});

test("progress comes twenty times a second at most, each phase at once, and the last always", () => {
  vi.useFakeTimers();
  const told: Progress[] = [];
  const reporter = new Reporter((progress) => told.push(progress));
  reporter.tell("connect", 0, undefined);
  for (let bytes = 0; bytes <= 1000; bytes++) {
    reporter.tell("download", bytes * 1000, 1_000_000);
    vi.advanceTimersByTime(1);
  }
  expect(told.length).toBeGreaterThan(15);
  expect(told.length).toBeLessThanOrEqual(23);
  const { bytesPerSecond, secondsLeft } = told.at(-1)!;
  expect(bytesPerSecond! / 1e6).toBeCloseTo(1, 1);
  expect(secondsLeft).toBeLessThan(0.1);
  reporter.flush();
  expect(told.at(-1)).toMatchObject({ phase: "download", loaded: 1_000_000, total: 1_000_000, secondsLeft: 0 });
  reporter.tell("ready", 1_000_000, 1_000_000);
  expect(told.at(-1)).toMatchObject({ phase: "ready" });
  reporter.stop();
  vi.advanceTimersByTime(1000);
  expect(told.at(-1)).toMatchObject({ phase: "ready" });
});

test("a wasm file that did not start: by policy, offline, not there, a page in its place, or for another reason", () => {
  const why = (cause: unknown) => {
    const { code, message } = whyNoWasm(cause, "The engine's wasm file", "sotto_bg.wasm", "wasmUrl");
    return `${code}: ${message}`;
  };
  // As Chromium, Firefox and Safari say it.
  for (const refused of [
    new WebAssembly.CompileError("Compiling or instantiating WebAssembly module violates the Content Security policy"),
    new WebAssembly.CompileError("call to WebAssembly.instantiateStreaming() blocked by CSP: unsafe-eval"),
  ])
    expect(why(refused)).toMatch(/^blocked: .*'wasm-unsafe-eval'/);
  const missing = new Error("failed to fetch Wasm: 404 Not Found fetching 'https://site.example/sotto_bg.wasm'");
  expect(why(missing)).toMatch(/^not_started: .* there is no https:\/\/site.example\/sotto_bg.wasm \(HTTP 404\)/);
  const page = new WebAssembly.CompileError("expected magic word 00 61 73 6d, found 3c 21 64 6f @+0");
  expect(why(page)).toMatch(/^not_started: .* is no wasm; .* pass wasmUrl/);
  expect(why(new TypeError("Failed to fetch"))).toMatch(/^not_started: .*Failed to fetch.*connect-src.*CORS/);
  vi.stubGlobal("navigator", { onLine: false });
  expect(why(new TypeError("Failed to fetch"))).toMatch(/^offline: .* sotto_bg.wasm is not kept here/);
});
