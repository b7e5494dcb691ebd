/** The worker's entry: starts the wasm module and connects it to the page, or serves another worker's as a thread. */
import type { EngineModule, Kind, TextModule } from "./engine.js";
import { whyNoWasm } from "./causes.js";
import { said } from "../wire/errors.js";
import { startGrammars } from "./grammar.js";
import { Host } from "./host.js";
import type { ToPage, ToWorker } from "../wire/protocol.js";
import type { Requantizers } from "./quantize.js";
import { type Repositories, startRepositories } from "./repository.js";
import { serveThread } from "./thread.js";
import { startThreads, usableThreads } from "./threads.js";
import startCpu, * as cpu from "../wasm-cpu/sotto_cpu.js";
import startWebgpu, * as webgpu from "../wasm/sotto.js";

let wasmUrl: string | undefined;
let grammarUrl: string | undefined;

const starting: { [K in Kind]?: Promise<EngineModule & TextModule> } = {};

const ENGINES = {
  webgpu: { init: startWebgpu, module: webgpu, file: "sotto_bg.wasm" },
  cpu: { init: startCpu, module: cpu, file: "sotto_cpu_bg.wasm" },
};

/** Where a wasm file lies, if not beside this script: beside the engine's. */
const beside = (file: string) => wasmUrl && new URL(file, new URL(wasmUrl, self.location.href));

/** An engine is fetched when it is first needed; if that failed, again by the next load. */
function startAlone(kind: Kind): Promise<EngineModule & TextModule> {
  starting[kind] ??= fetchEngine(kind);
  starting[kind].catch(() => delete starting[kind]);
  return starting[kind];
}

async function fetchEngine(kind: Kind): Promise<EngineModule & TextModule> {
  const { init, module, file } = ENGINES[kind];
  const place = kind === "webgpu" ? wasmUrl : beside(file);
  try {
    await init(place ? { module_or_path: place } : undefined);
  } catch (cause) {
    throw whyNoWasm(cause, "The engine's wasm file", file, "wasmUrl");
  }
  return module as unknown as EngineModule & TextModule;
}

let threaded: Promise<EngineModule> | undefined;

/** Once, however often it is asked for: each start has the page start workers. */
function startThreaded(count: number): Promise<EngineModule> {
  threaded ??= startThreads(count, askForThreads, beside).catch(startWithout);
  threaded.catch(() => (threaded = undefined));
  return threaded;
}

/** One thread, because several did not start. */
async function startWithout(cause: unknown): Promise<EngineModule> {
  const message = `The model runs on one thread because others did not start (${said(cause)}); serve sotto_threads_bg.wasm beside worker.js.`;
  return { Loader: (await startAlone("cpu")).Loader, warning: { code: "not_started", message } };
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
    start: (kind, threads) => (threads === undefined ? startAlone(kind) : startThreaded(threads)),
    startText: startAlone,
    startRepositories: async () => (await startRepositories(wasmUrl)).Repository as unknown as Repositories,
    startRequantizers: async () => (await startRepositories(wasmUrl)).Requantizer as unknown as Requantizers,
    startGrammars: (words) => startGrammars(words, grammarUrl, wasmUrl),
    usableThreads,
  },
  post,
);

const ready = () => post({ type: "ready" });

/** Says that it runs, before anything else: from then on the page learns by the lock where this worker ends. */
function start(lock: string | undefined): Promise<void> {
  return new Promise((resolve) => {
    const begin = () => {
      ready();
      resolve();
    };
    // The browser frees it whatever ends this worker.
    const hold = () => {
      begin();
      return new Promise(() => {});
    };
    if (lock && navigator.locks) void navigator.locks.request(lock, hold);
    else begin();
  });
}

let started: Promise<void> | undefined;

self.onmessage = ({ data }: MessageEvent<ToWorker>) => {
  switch (data.type) {
    case "start":
      ({ wasmUrl, grammarUrl } = data);
      started = start(data.lock);
      return;
    case "thread":
      serveThread(data.port);
      return ready();
    case "threads":
      return "ports" in data ? asked?.resolve(data.ports) : asked?.reject(new Error(data.error));
    default:
      void started?.then(() => host.handle(data));
  }
};
