/** The worker's entry: starts the wasm module and connects it to the page. */
import type { EngineModule } from "./engine.js";
import { SottoError } from "../wire/errors.js";
import { Host } from "./host.js";
import type { ToPage, ToWorker } from "../wire/protocol.js";
import { startThreads, usableThreads } from "./threads.js";
import init, * as wasm from "../wasm/sotto.js";

let wasmUrl: string | undefined;
let starting: Promise<EngineModule> | undefined;

/** Starts the wasm module on first use; a failed start is tried again by the next load. */
function engine(threads: number | undefined): Promise<EngineModule> {
  starting ??= threads === undefined ? start() : startThreads(threads).catch(startWithout);
  starting.catch(() => (starting = undefined));
  return starting;
}

async function start(): Promise<EngineModule> {
  try {
    await init(wasmUrl === undefined ? undefined : { module_or_path: wasmUrl });
  } catch (cause) {
    const advice =
      "serve sotto_bg.wasm beside worker.js or pass wasmUrl, and allow 'wasm-unsafe-eval' in the page's policy";
    throw new SottoError("internal", `The engine's wasm file did not start (${what(cause)}); ${advice}.`, { cause });
  }
  return wasm as unknown as EngineModule;
}

/** One thread, because several did not start. */
async function startWithout(cause: unknown): Promise<EngineModule> {
  const message = `The model runs on one thread because others did not start (${what(cause)}); serve thread.js and sotto_threads_bg.wasm beside worker.js.`;
  return { Loader: (await start()).Loader, warning: { code: "internal", message } };
}

const what = (cause: unknown) => (cause instanceof Error ? cause.message : String(cause));

const host = new Host(
  { start: engine, usableThreads: (wanted, fast) => (wasmUrl === undefined ? usableThreads(wanted, fast) : undefined) },
  (message: ToPage) => self.postMessage(message),
);

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  if (data.type !== "start") return void host.handle(data);
  wasmUrl = data.wasmUrl;
  const ready = () => self.postMessage({ type: "ready" } satisfies ToPage);
  // The browser frees the lock when this worker ends for any reason: so the page learns of it.
  if (data.lock && navigator.locks) {
    void navigator.locks.request(data.lock, () => {
      ready();
      return new Promise(() => {});
    });
  } else {
    ready();
  }
};
