/** The workers of one model: the engine's, and those that it computes on as threads. */
import type { SottoError } from "../wire/errors.js";
import type { ToPage, ToWorker } from "../wire/protocol.js";

/** What is needed of a `Worker`. */
export interface Endpoint {
  onmessage: ((event: MessageEvent<ToPage>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: ToWorker, transfer: Transferable[]): void;
  terminate(): void;
}

/** How long a worker's script may take to arrive and say that it runs. */
export const START_MS = 30_000;

export class Workers {
  readonly engine: Endpoint;
  readonly startMs: number;
  /** Finds out why the engine's worker did not start. */
  readonly explain: (() => Promise<SottoError | undefined>) | undefined;
  #start: () => Endpoint;
  #threads: Endpoint[] = [];

  /** `start` starts a worker that runs worker.js; what it throws is passed on. */
  constructor(start: () => Endpoint, startMs = START_MS, explain?: () => Promise<SottoError | undefined>) {
    this.#start = start;
    this.startMs = startMs;
    this.explain = explain;
    this.engine = start();
  }

  /**
   * Starts `count` threads, and gives a port to each. It is the page that starts them: if the engine's worker did, they
   * would have to end before it. Chromium loses count of a worker that ends while the worker that started it does, and
   * keeps both, with their memory, until the page is closed.
   */
  async startThreads(count: number): Promise<MessagePort[]> {
    try {
      return await Promise.all(Array.from({ length: count }, () => this.#startThread()));
    } catch (error) {
      this.#endThreads();
      throw error;
    }
  }

  #startThread(): Promise<MessagePort> {
    const thread = this.#start();
    this.#threads.push(thread);
    return new Promise((resolve, reject) => {
      const { port1, port2 } = new MessageChannel();
      const late = setTimeout(() => reject(new Error("a worker says nothing")), this.startMs);
      thread.onmessage = () => {
        clearTimeout(late);
        resolve(port2);
      };
      thread.onerror = (event) => {
        event.preventDefault?.();
        clearTimeout(late);
        reject(new Error(event.message || "worker.js did not start again"));
      };
      thread.postMessage({ type: "thread", port: port1 }, [port1]);
    });
  }

  #endThreads(): void {
    for (const thread of this.#threads) thread.terminate();
    this.#threads = [];
  }

  terminate(): void {
    this.engine.terminate();
    this.#endThreads();
  }
}
