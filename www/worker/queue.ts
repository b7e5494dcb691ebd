/** Tasks first come, first served: alone, or beside others that may share. One that is aborted while it waits leaves the queue. */
import { aborted } from "../wire/errors.js";

interface Waiting {
  alone: boolean;
  /** Of those that share: lower ones start earlier. */
  priority: number;
  start: () => void;
}

export class Queue {
  #waiting = new Set<Waiting>();
  #running = 0;
  /** The one that runs is to be alone. */
  #alone = false;
  /** How many that share run at a time. */
  #most: number;

  constructor(most = Infinity) {
    this.#most = most;
  }

  /** Those that wait and share. */
  get waiting(): number {
    return [...this.#waiting].filter(({ alone }) => !alone).length;
  }

  /** When all before it is over. */
  run<T>(task: () => T | Promise<T>, signal?: AbortSignal): Promise<T> {
    return this.#add(true, 0, task, signal);
  }

  /** Beside all others that share: when those before it that run alone are over. The lower the priority, the earlier. */
  share<T>(task: () => T | Promise<T>, signal?: AbortSignal, priority = 0): Promise<T> {
    return this.#add(false, priority, task, signal);
  }

  async #add<T>(
    alone: boolean,
    priority: number,
    task: () => T | Promise<T>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const waiting: Waiting = { alone, priority, start: () => {} };
    const turn = new Promise<void>((resolve) => (waiting.start = resolve));
    this.#waiting.add(waiting);
    this.#next();
    try {
      await (signal ? unlessAborted(turn, "The request", signal) : turn);
      return await task();
    } finally {
      // One that began is none of those that wait.
      if (!this.#waiting.delete(waiting)) {
        this.#running--;
        if (alone) this.#alone = false;
      }
      this.#next();
    }
  }

  #next(): void {
    for (let waiting = this.#first(); waiting; waiting = this.#first()) {
      const most = waiting.alone ? 1 : this.#most;
      if (this.#alone || this.#running >= most) return;
      this.#waiting.delete(waiting);
      this.#running++;
      this.#alone = waiting.alone;
      waiting.start();
    }
  }

  /** Who comes next. Nobody overtakes one that is to be alone. */
  #first(): Waiting | undefined {
    let first: Waiting | undefined;
    for (const waiting of this.#waiting) {
      if (waiting.alone) return first ?? waiting;
      if (!first || waiting.priority < first.priority) first = waiting;
    }
    return first;
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
