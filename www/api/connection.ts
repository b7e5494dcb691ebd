/** The page's side of the protocol: calls to the worker, their answers, and how both ends part. */
import { Caller, type CallOptions } from "./caller.js";
import { advice } from "./start.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import type { Calls, Method, ToPage, ToWorker } from "../wire/protocol.js";
import type { Workers } from "./workers.js";

/** How long a worker may take to free its memory before it is ended anyway. */
const FREE_MS = 2000;

interface Pending {
  onEvent: (event: never) => void;
  onSampled: ((sampled: readonly number[]) => void) | undefined;
  resolve: (result: never) => void;
  reject: (error: SottoError) => void;
}

export class Connection extends Caller {
  #workers: Workers;
  #pending = new Map<number, Pending>();
  #lastId = 0;
  /** Resolves when the workers are gone. */
  #gone: Promise<void> | undefined;
  #ended = new AbortController();
  readonly ended = this.#ended.signal;
  #watch = new AbortController();
  /** Ends what waits for a worker that never says that it runs; none once it has. */
  #late: ReturnType<typeof setTimeout> | undefined;

  constructor(workers: Workers, wasmUrl?: string, grammarUrl?: string) {
    super();
    this.#workers = workers;
    const worker = workers.engine;
    const locks = globalThis.navigator?.locks;
    const lock = locks ? `sotto-worker-${crypto.randomUUID()}` : undefined;
    const notStarted = (why: string) => new SottoError("not_started", `The worker ${why}; ${advice()}.`);
    const silent = notStarted(`said nothing for ${workers.startMs / 1000} seconds`);
    this.#late = setTimeout(() => this.#close(silent), workers.startMs);
    worker.onmessage = ({ data }) => {
      clearTimeout(this.#late);
      this.#late = undefined;
      if (data.type === "ready" && lock) void this.#watchLock(locks, lock);
      else this.#receive(data);
    };
    worker.onerror = (event) => {
      event.preventDefault?.();
      const words = event.message ? ` (${event.message})` : "";
      if (this.#late === undefined)
        return this.#close(new SottoError("internal", `The worker stopped${words}; load the model again.`));
      const said = () => notStarted(`did not start${words}`);
      if (workers.explain) void workers.explain().then((found) => this.#close(found ?? said()));
      else this.#close(said());
    };
    this.#send({
      type: "start",
      ...(wasmUrl && { wasmUrl }),
      ...(grammarUrl && { grammarUrl }),
      ...(lock && { lock }),
    });
  }

  /** The worker holds the lock as long as it lives. */
  async #watchLock(locks: LockManager, lock: string): Promise<void> {
    const gone = () =>
      this.#close(
        new SottoError("internal", "The worker ended unexpectedly, perhaps out of memory; load the model again."),
      );
    await locks.request(lock, { signal: this.#watch.signal }, gone).catch(() => {});
  }

  call<M extends Method>(method: M, args: Calls[M]["args"], options: CallOptions<M> = {}): Promise<Calls[M]["result"]> {
    const { what = `The call of ${method}`, signal, stop, onEvent = () => {}, onSampled, transfer = [] } = options;
    if (signal?.aborted) return Promise.reject(aborted(what, signal));
    if (stop?.aborted) return Promise.reject(aborted(what, stop));
    if (this.ended.aborted) return Promise.reject(this.ended.reason);
    const id = ++this.#lastId;
    return new Promise<Calls[M]["result"]>((resolve, reject) => {
      const onAbort = () => {
        // Not the worker's answer is waited for: it may be in the middle of a long step.
        this.#send({ type: "abort", id });
        settle.reject(aborted(what, signal));
      };
      const onStop = () => this.#send({ type: "abort", id, keep: true });
      const settled =
        <T>(pass: (value: T) => void) =>
        (value: T) => {
          signal?.removeEventListener("abort", onAbort);
          stop?.removeEventListener("abort", onStop);
          this.#pending.delete(id);
          pass(value);
        };
      // What the caller's own function throws is what the call fails with.
      const fail = (thrown: unknown) => {
        this.#send({ type: "abort", id });
        settle.reject(thrown as SottoError);
      };
      const onEach = (event: Calls[M]["event"]) => {
        try {
          const told: unknown = onEvent(event);
          if (told instanceof Promise) told.catch(fail);
        } catch (thrown) {
          fail(thrown);
        }
      };
      const settle: Pending = { onEvent: onEach, onSampled, resolve: settled(resolve), reject: settled(reject) };
      signal?.addEventListener("abort", onAbort, { once: true });
      stop?.addEventListener("abort", onStop, { once: true });
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

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#workers.engine.postMessage(message, transfer);
  }

  #receive(message: ToPage): void {
    if (message.type === "ready") return;
    if (message.type === "threads") return void this.#startThreads(message.count);
    // A late answer to a call that was stopped finds nobody waiting.
    const pending = this.#pending.get(message.id);
    if (message.type === "event") {
      if (message.sampled) pending?.onSampled?.(message.sampled);
      if (message.event) pending?.onEvent(message.event as never);
    } else if (message.type === "done") pending?.resolve(message.result as never);
    else {
      const error = SottoError.read(message.error) ?? SottoError.from(message.error);
      if (message.over) this.#close(error);
      else pending?.reject(error);
    }
  }

  async #startThreads(count: number): Promise<void> {
    if (this.ended.aborted) return;
    try {
      const ports = await this.#workers.startThreads(count);
      this.#send({ type: "threads", ports }, ports);
    } catch (error) {
      this.#send({ type: "threads", error: said(error) });
    }
  }

  /**
   * Has the worker stop its work and free its memory, then ends it and its threads; resolves when that is done. What was
   * and will be asked fails with `error` at once.
   *
   * A worker that is ended in the midst of things is gone only two seconds later if it waits inside wasm, as threads
   * without work do, and does not cancel the stream that it reads.
   */
  end(error: SottoError): Promise<void> {
    this.#gone ??= this.#free(error);
    return this.#gone;
  }

  async #free(error: SottoError): Promise<void> {
    const asked = [...this.#pending.values()];
    const freed = this.call("dispose", {}).catch(() => {});
    this.#ended.abort(error);
    for (const pending of asked) pending.reject(error);
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => (timer = setTimeout(resolve, FREE_MS)));
    await Promise.race([freed, late]);
    clearTimeout(timer);
    this.#close(error);
  }

  /** Ends the workers, whatever they do. */
  #close(error: SottoError): void {
    this.#ended.abort(error);
    clearTimeout(this.#late);
    this.#watch.abort();
    this.#workers.terminate();
    for (const pending of [...this.#pending.values()]) pending.reject(error);
  }
}
