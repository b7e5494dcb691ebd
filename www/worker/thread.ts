/** A thread of another worker's engine: an instance of the engine's module, on the same memory. */
import { fail, initSync, serve } from "../wasm-threads/sotto_threads.js";

export type ToThread =
  /** What to run. Answered by `FromThread`. */
  | { module: WebAssembly.Module; memory: WebAssembly.Memory }
  /** The engine's name for this thread's part: take it, until the pool ends. */
  | { worker: number };

/** Whether the thread has its instance, or why not. */
export interface FromThread {
  error?: string;
}

const STACK_BYTES = 1 << 20;

/** Serves as a thread for the engine behind `port`. The page ends this worker. */
export function serveThread(port: MessagePort): void {
  port.onmessage = ({ data }: MessageEvent<ToThread>) => {
    if ("module" in data) port.postMessage(start(data));
    else work(data.worker);
  };
}

function start(instance: { module: WebAssembly.Module; memory: WebAssembly.Memory }): FromThread {
  try {
    initSync({ ...instance, thread_stack_size: STACK_BYTES });
    return {};
  } catch (error) {
    return { error: String(error) };
  }
}

function work(worker: number): void {
  try {
    serve(worker);
  } catch (error) {
    console.error("sotto: a thread crashed", error);
    fail(worker);
  }
}
