/** Tasks one at a time, first come first served; one that is aborted while it waits leaves the queue. */
import { aborted } from "../wire/errors.js";

export class Queue {
  /** Resolves when all that was queued so far is over. */
  #tail: Promise<unknown> = Promise.resolve();

  async run<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const before = this.#tail;
    let release!: () => void;
    this.#tail = Promise.all([before, new Promise<void>((resolve) => (release = resolve))]);
    try {
      await new Promise<void>((resolve, reject) => {
        signal?.addEventListener("abort", () => reject(aborted("The request", signal)), { once: true });
        void before.then(() => resolve());
      });
      return await task();
    } finally {
      release();
    }
  }
}
