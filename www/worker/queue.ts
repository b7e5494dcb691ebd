/** Tasks first come, first served: alone, or beside others that may share. One that is aborted while it waits leaves the queue. */
import { aborted } from "../wire/errors.js";

export class Queue {
  /** Resolves when all that was queued so far is over. */
  #tail: Promise<unknown> = Promise.resolve();
  /** The same, of tasks that run alone. */
  #alone: Promise<unknown> = Promise.resolve();

  /** When all before it is over. */
  run<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const [over, release] = gate(this.#tail);
    const done = after(this.#tail, task, release, signal);
    this.#tail = this.#alone = over;
    return done;
  }

  /** Beside all others that share: when those before it that run alone are over. */
  share<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    const [over, release] = gate(this.#alone);
    this.#tail = Promise.all([this.#tail, over]);
    return after(this.#alone, task, release, signal);
  }
}

/** What resolves once `before` is over and the function was called. */
function gate(before: Promise<unknown>): [Promise<unknown>, () => void] {
  let release!: () => void;
  const released = new Promise<void>((resolve) => (release = resolve));
  return [before.then(() => released), release];
}

async function after<T>(
  before: Promise<unknown>,
  task: () => T | Promise<T>,
  release: () => void,
  signal: AbortSignal | undefined,
): Promise<T> {
  try {
    await (signal ? unlessAborted(before, "The request", signal) : before);
    return await task();
  } finally {
    release();
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
