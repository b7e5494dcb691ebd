/** A thread's entry: an instance of the engine's module, on the memory of the others. */
import { fail, initSync, serve } from "../wasm-threads/sotto_threads.js";

export type ToThread =
  /** What to run. Answered when it does. */
  | { module: WebAssembly.Module; memory: WebAssembly.Memory }
  /** The engine's name for this thread's part: take it, until it ends. */
  | { worker: number };

const STACK_BYTES = 1 << 20;

self.onmessage = ({ data }: MessageEvent<ToThread>) => {
  if ("module" in data) {
    initSync({ ...data, thread_stack_size: STACK_BYTES });
    self.postMessage("ready");
    return;
  }
  try {
    serve(data.worker);
  } catch (error) {
    console.error("sotto: a thread crashed", error);
    fail(data.worker);
  }
  self.close();
};
