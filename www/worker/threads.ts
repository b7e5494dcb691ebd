/** Threads for the CPU backend: the artifact with shared memory, with relaxed SIMD or without, and what it asks of other workers. */
import type { EngineModule } from "./engine.js";
import type { FromThread, ToThread } from "./thread.js";
import init, * as wasm from "../wasm-threads/sotto_threads.js";

/** More threads than this wait for memory, and for each other. */
const MOST_THREADS = 8;

/** A function that returns `i16x8.relaxed_dot_i8x16_i7x16_s`, in a module of its own. */
const RELAXED_SIMD = Uint8Array.of(
  0,
  97,
  115,
  109,
  1,
  0,
  0,
  0,
  1,
  5,
  1,
  96,
  0,
  1,
  123,
  3,
  2,
  1,
  0,
  10,
  15,
  1,
  13,
  0,
  65,
  1,
  253,
  15,
  65,
  2,
  253,
  15,
  253,
  146,
  2,
  11,
);

/**
 * How many threads of the artifact to compute with where `wanted` are; none where it would not run, or not help. A page
 * that cannot share its memory has one, which helps where products of 8 bits are wanted: they are relaxed SIMD.
 */
export function usableThreads(wanted: number | undefined, fast: boolean): number | undefined {
  if (!("waitAsync" in Atomics)) return undefined;
  if (globalThis.crossOriginIsolated) return wanted ?? Math.max(1, Math.min(cores() - 1, MOST_THREADS));
  return fast && hasRelaxed() ? 1 : undefined;
}

const hasRelaxed = () => WebAssembly.validate(RELAXED_SIMD);

/** The page keeps one of them: it would wait for its turn as long as a reply is computed. */
const cores = () => navigator.hardwareConcurrency || 1;

/**
 * Starts the artifact with `count` threads, this one among them; `ask` has the page start the others, and `beside` says where
 * files were moved to.
 */
export async function startThreads(
  count: number,
  ask: (count: number) => Promise<MessagePort[]>,
  beside: (file: string) => URL | "" | undefined,
): Promise<EngineModule> {
  const relaxed = hasRelaxed();
  const moved = beside(relaxed ? "sotto_threads_bg.wasm" : "sotto_plain_bg.wasm");
  const place = moved || (relaxed ? undefined : new URL("sotto_plain_bg.wasm", import.meta.url));
  const [ports] = await Promise.all([count > 1 ? ask(count - 1) : [], init(place && { module_or_path: place })]);
  const [module, memory] = wasm.shared() as [WebAssembly.Module, WebAssembly.Memory];
  await Promise.all(ports.map((port) => started(port, { module, memory })));
  let used = 0;
  const spawn = (worker: number) => ports[used++]?.postMessage({ worker } satisfies ToThread);
  return { Loader: wasm.Loader as unknown as EngineModule["Loader"], threads: { count, spawn, slowBytes: !relaxed } };
}

/** Resolves when the thread has its instance. */
function started(port: MessagePort, instance: ToThread): Promise<void> {
  return new Promise((resolve, reject) => {
    port.onmessage = ({ data: { error } }: MessageEvent<FromThread>) => {
      if (error === undefined) resolve();
      else reject(new Error(error));
    };
    port.postMessage(instance);
  });
}
