/** Tasks one at a time, first come first served; one that is aborted while it waits leaves the queue. */
import { aborted } from "../wire/errors.js";

export class Queue {
  /** Resolves when all that was queued so far is over. */
  #tail: Promise<void> = Promise.resolve();

  async run<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tail;
    let release!: () => void;
    const over = new Promise<void>((resolve) => (release = resolve));
    this.#tail = before.then(() => over);
    try {
      await (signal ? unlessAborted(before, "The request", signal) : before);
      return await task();
    } finally {
      release();
    }
  }
}

/** What `promise` brings; `aborted` as soon as the signal fires, whatever it still brings then. */
export function unlessAborted<T>(promise: Promise<T>, what: string, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(what, signal));
    signal.addEventListener("abort", onAbort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", onAbort));
    if (signal.aborted) onAbort();
  });
}
