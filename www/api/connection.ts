/** The page's side of the protocol: calls to the worker, their answers, and the worker's death. */
import { SottoError, aborted } from "../wire/errors.js";
import type { Calls, Method, ToPage, ToWorker } from "../wire/protocol.js";

/** What a connection needs of a `Worker`. */
export interface Endpoint {
  onmessage: ((event: MessageEvent<ToPage>) => void) | null;
  onerror: ((event: ErrorEvent) => void) | null;
  postMessage(message: ToWorker, transfer: Transferable[]): void;
  terminate(): void;
}

interface Pending {
  onEvent: (event: never) => void;
  resolve: (result: never) => void;
  reject: (error: SottoError) => void;
}

interface CallOptions<M extends Method> {
  /** Names the call in the error when `signal` fires. */
  what?: string;
  signal?: AbortSignal | undefined;
  onEvent?: (event: Calls[M]["event"]) => void;
  transfer?: Transferable[];
}

export class Connection {
  #worker: Endpoint;
  #pending = new Map<number, Pending>();
  #lastId = 0;
  /** Why no call can succeed any more. */
  #end: SottoError | undefined;
  #watch = new AbortController();

  constructor(worker: Endpoint, wasmUrl?: string) {
    this.#worker = worker;
    const locks = globalThis.navigator?.locks;
    const lock = locks ? `sotto-worker-${crypto.randomUUID()}` : undefined;
    worker.onmessage = ({ data }) => {
      if (data.type === "ready" && lock) void this.#watchLock(locks, lock);
      else this.#receive(data);
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      const why = event.message
        ? `The worker stopped (${event.message}); load the model again.`
        : "The worker did not start; serve worker.js beside index.js or pass workerUrl.";
      this.close(new SottoError("internal", why));
    };
    this.#send({ type: "start", ...(wasmUrl && { wasmUrl }), ...(lock && { lock }) });
  }

  /** The worker holds the lock as long as it lives. */
  async #watchLock(locks: LockManager, lock: string): Promise<void> {
    const gone = () =>
      this.close(
        new SottoError("internal", "The worker ended unexpectedly, perhaps out of memory; load the model again."),
      );
    await locks.request(lock, { signal: this.#watch.signal }, gone).catch(() => {});
  }

  call<M extends Method>(method: M, args: Calls[M]["args"], options: CallOptions<M> = {}): Promise<Calls[M]["result"]> {
    const { what = `The call of ${method}`, signal, onEvent = () => {}, transfer = [] } = options;
    if (signal?.aborted) return Promise.reject(aborted(what, signal));
    if (this.#end) return Promise.reject(this.#end);
    const id = ++this.#lastId;
    return new Promise<Calls[M]["result"]>((resolve, reject) => {
      const onAbort = () => {
        // Not the worker's answer is waited for: it may be in the middle of a long step.
        this.#send({ type: "abort", id });
        settle.reject(aborted(what, signal));
      };
      const settled =
        <T>(pass: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener("abort", onAbort);
          this.#pending.delete(id);
          pass(value);
        };
      const settle: Pending = { onEvent, resolve: settled(resolve), reject: settled(reject) };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#pending.set(id, settle);
      try {
        this.#send({ type: "call", id, method, args }, transfer);
      } catch (cause) {
        settle.reject(
          new SottoError("bad_option", `The arguments of ${method} cannot be sent to the worker: pass plain data.`, {
            cause,
          }),
        );
      }
    });
  }

  /** The call's events one by one; leaving the loop early stops the call. Returns the call's result. */
  async *stream<M extends Method>(
    method: M,
    args: Calls[M]["args"],
    options: Omit<CallOptions<M>, "onEvent"> = {},
  ): AsyncGenerator<Calls[M]["event"], Calls[M]["result"], undefined> {
    const left = new AbortController();
    const signal = options.signal ? AbortSignal.any([options.signal, left.signal]) : left.signal;
    const events: Calls[M]["event"][] = [];
    let wake = () => {};
    let over = false;
    const onEvent = (event: Calls[M]["event"]) => {
      events.push(event);
      wake();
    };
    const end = () => {
      over = true;
      wake();
    };
    const result = this.call(method, args, { ...options, signal, onEvent });
    result.then(end, end);
    try {
      for (;;) {
        while (events.length > 0 && !options.signal?.aborted) yield events.shift()!;
        if (over || options.signal?.aborted) return await result;
        await new Promise<void>((resolve) => (wake = resolve));
      }
    } finally {
      left.abort();
    }
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #receive(message: ToPage): void {
    if (message.type === "ready") return;
    // A late answer to a call that was stopped finds nobody waiting.
    const pending = this.#pending.get(message.id);
    if (message.type === "event") pending?.onEvent(message.event as never);
    else if (message.type === "done") pending?.resolve(message.result as never);
    else pending?.reject(SottoError.from(message.error));
  }

  get closed(): boolean {
    return this.#end !== undefined;
  }

  /** Ends the worker; what was and will be asked fails with `error`. */
  close(error: SottoError): void {
    if (this.#end) return;
    this.#end = error;
    this.#watch.abort();
    this.#worker.terminate();
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }
}
