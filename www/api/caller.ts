/** How a page asks a worker, whichever way its messages go. */
import type { SottoError } from "../wire/errors.js";
import type { Calls, Method } from "../wire/protocol.js";

export interface CallOptions<M extends Method> {
  /** Names the call in the error when `signal` fires. */
  what?: string;
  signal?: AbortSignal | undefined;
  /** When this fires, the call ends by itself with what there is of its work; before that begins, as by `signal`. */
  stop?: AbortSignal | undefined;
  onEvent?: (event: Calls[M]["event"]) => void;
  /** Hears what was sampled for the call: reply and token, in turn. */
  onSampled?: (sampled: readonly number[]) => void;
  transfer?: Transferable[];
}

export abstract class Caller {
  /** Fires when no call can succeed any more; its reason is the error that calls fail with. */
  abstract readonly ended: AbortSignal;

  abstract call<M extends Method>(
    method: M,
    args: Calls[M]["args"],
    options?: CallOptions<M>,
  ): Promise<Calls[M]["result"]>;

  /** What was and will be asked fails with `error`; resolves when what it used is free. */
  abstract end(error: SottoError): Promise<void>;

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

  /**
   * What the caller's own function gives; nothing once the signal fires, an error once all has ended: a function that never
   * settles holds neither up.
   */
  async waits<T>(given: T, signal?: AbortSignal): Promise<Awaited<T> | undefined> {
    const { ended } = this;
    const ends = signal ? AbortSignal.any([ended, signal]) : ended;
    const over = new AbortController();
    const left = new Promise<undefined>((resolve) => {
      const leave = () => resolve(undefined);
      if (ends.aborted) leave();
      else ends.addEventListener("abort", leave, { once: true, signal: over.signal });
    });
    try {
      const value = await Promise.race([given, left]);
      if (ended.aborted) throw ended.reason as SottoError;
      return value;
    } finally {
      over.abort();
    }
  }
}
