/** The worker's entry: starts the wasm module and connects it to the page, or serves another worker's as a thread. */
import type { EngineModule, TextModule } from "./engine.js";
import { whyNoWasm } from "./causes.js";
import { said } from "../wire/errors.js";
import { startGrammars } from "./grammar.js";
import { Host } from "./host.js";
import type { ToPage, ToWorker } from "../wire/protocol.js";
import { serveThread } from "./thread.js";
import { startThreads, usableThreads } from "./threads.js";
import init, * as wasm from "../wasm/sotto.js";

let wasmUrl: string | undefined;
let grammarUrl: string | undefined;
let starting: Promise<EngineModule> | undefined;

/** Starts the wasm module on first use; a failed start is tried again by the next load. */
function engine(threads: number | undefined): Promise<EngineModule> {
  starting ??= threads === undefined ? startAlone() : startThreads(threads, askForThreads).catch(startWithout);
  starting.catch(() => (starting = undefined));
  return starting;
}

async function startAlone(): Promise<EngineModule & TextModule> {
  try {
    await init(wasmUrl === undefined ? undefined : { module_or_path: wasmUrl });
  } catch (cause) {
    throw whyNoWasm(cause, "The engine's wasm file", "sotto_bg.wasm", "wasmUrl");
  }
  return wasm as unknown as EngineModule & TextModule;
}

/** One thread, because several did not start. */
async function startWithout(cause: unknown): Promise<EngineModule> {
  const message = `The model runs on one thread because others did not start (${said(cause)}); serve sotto_threads_bg.wasm beside worker.js.`;
  return { Loader: (await startAlone()).Loader, warning: { code: "not_started", message } };
}

const post = (message: ToPage) => self.postMessage(message);

/** What settles the request for threads. */
let asked: { resolve(ports: MessagePort[]): void; reject(error: Error): void } | undefined;

function askForThreads(count: number): Promise<MessagePort[]> {
  return new Promise((resolve, reject) => {
    asked = { resolve, reject };
    post({ type: "threads", count });
  });
}

const host = new Host(
  {
    start: engine,
    startText: startAlone,
    startGrammars: (words) => startGrammars(words, grammarUrl, wasmUrl),
    usableThreads: (wanted, fast) => (wasmUrl === undefined ? usableThreads(wanted, fast) : undefined),
  },
  post,
);

const ready = () => post({ type: "ready" });

function start(lock: string | undefined): void {
  if (lock && navigator.locks) {
    // The browser frees the lock when this worker ends for any reason: so the page learns of it.
    void navigator.locks.request(lock, () => {
      ready();
      return new Promise(() => {});
    });
  } else {
    ready();
  }
}

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      ({ wasmUrl, grammarUrl } = data);
      return start(data.lock);
    case "thread":
      serveThread(data.port);
      return ready();
    case "threads":
      return "ports" in data ? asked?.resolve(data.ports) : asked?.reject(new Error(data.error));
    default:
      void host.handle(data);
  }
};
