/** A page's connection to a host in the same process, over a message channel, with the fake engine. */
import { readOptions } from "../../www/api/arguments.js";
import type { Endpoint } from "../../www/api/workers.js";
import type { EngineModule } from "../../www/worker/engine.js";
import { Host } from "../../www/worker/host.js";
import { connect, type Model } from "../../www/api/model.js";
import type { LoadOptions, SourceData, ToPage, ToWorker } from "../../www/wire/protocol.js";
import * as fake from "./fake-engine.js";

export function fakeWorker(module: () => Promise<EngineModule> = async () => fake): Endpoint & { terminated: boolean } {
  const { port1, port2 } = new MessageChannel();
  const host = new Host(
    {
      start: module,
      startText: async () => fake,
      startRepositories: () => Promise.reject(new Error("there are none")),
      startRequantizers: () => Promise.reject(new Error("there are none")),
      startGrammars: async () => ({
        compile: () => Promise.reject(new Error("there are none")) as never,
        fits: () => true,
        free() {},
      }),
      usableThreads: () => undefined,
    },
    (message: ToPage) => port2.postMessage(message),
  );
  port2.onmessage = ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === "start") port2.postMessage({ type: "ready" } satisfies ToPage);
    else void host.handle(data);
  };
  const endpoint = {
    terminated: false,
    onmessage: null as Endpoint["onmessage"],
    onerror: null,
    postMessage: (message: ToWorker, transfer: Transferable[]) => port1.postMessage(message, transfer as never),
    terminate() {
      endpoint.terminated = true;
      port1.close();
    },
  };
  port1.onmessage = (event: MessageEvent<ToPage>) => endpoint.onmessage?.(event);
  return endpoint;
}

/** A worker that ends behind the n-th message that passes between it and the page, and says so, or is silent. */
export function mortalWorker(last: number, ends: "told" | "silent" = "told"): Endpoint & { passed: number } {
  const worker = fakeWorker();
  const passes = () => {
    if (endpoint.passed >= last) return false;
    const tell = () => worker.terminated || endpoint.onerror?.({ message: "killed" } as ErrorEvent);
    if (++endpoint.passed === last && ends === "told") setTimeout(tell);
    return true;
  };
  const endpoint = {
    passed: 0,
    onmessage: null as Endpoint["onmessage"],
    onerror: null as Endpoint["onerror"],
    postMessage: (message: ToWorker, transfer: Transferable[]) => {
      if (passes()) worker.postMessage(message, transfer);
    },
    terminate: () => worker.terminate(),
  };
  worker.onmessage = (event) => {
    if (passes()) endpoint.onmessage?.(event);
  };
  return endpoint;
}

export const GGUF = new Blob(["GGUF", new Uint8Array(60)]);

export function loadFake(source: SourceData = { kind: "blob", blob: GGUF }, options: LoadOptions = {}): Promise<Model> {
  const { wire, page } = readOptions("load", options);
  const { draft, ...place } = page;
  return connect(() => fakeWorker(), source, wire, { ...place, ...(draft ? { draft: source } : {}) });
}

/** The code of what a promise rejects with. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
  return "nothing was thrown";
}
