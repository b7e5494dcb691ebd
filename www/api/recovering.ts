/** A model whose engine is started anew when it is lost, with the replies that were under way on it. */
import { Caller, type CallOptions } from "./caller.js";
import { Course } from "./course.js";
import type { Loading } from "./service.js";
import { canReread } from "./source.js";
import { type ErrorCode, SottoError, aborted } from "../wire/errors.js";
import type { Calls, LoadOptions, Method, ModelInfo, Warning } from "../wire/protocol.js";

/** What another try to load it changes. */
export type Change = Pick<LoadOptions, "backend" | "maxBatchTokens">;

/** What an engine ends with that another may do without: its device is gone, it crashed, its worker ended. */
const LOST: readonly ErrorCode[] = ["device_lost", "internal"];

/** The same of one that is started anew, of which others have started: its worker ended before it said a word. */
const DIED: readonly ErrorCode[] = [...LOST, "not_started"];

/** A browser takes a moment to have its GPU again: milliseconds before each try to have it. */
const PATIENCE = [0, 300, 1000];

/** Rows of a pass in a try with less memory. */
const FEW_ROWS = 64;

export class Recovering extends Caller {
  #begin: (change: Change) => Loading;
  #options: Change;
  #warn: (warning: Warning) => void;
  #now: Loading;
  /** While it is loaded anew. */
  #again: Promise<void> | undefined;
  /** Why there is no engine; the next call has it tried again where it could not be loaded. */
  #down: SottoError | undefined;
  #info: ModelInfo | undefined;
  /** Adapters that a new engine is given, by their names. */
  #adapters = new Map<string, Calls["loadAdapter"]["args"]>();
  #ended = new AbortController();
  readonly ended = this.#ended.signal;

  /** `begin` begins to load the model; `options` are those that it was first loaded with. */
  constructor(begin: (change: Change) => Loading, options: Change, warn: (warning: Warning) => void) {
    super();
    this.#begin = begin;
    this.#options = options;
    this.#warn = warn;
    this.#now = begin({});
    this.#now.info.catch(() => {});
  }

  /** The model's facts, which are kept up to date. A load whose engine is lost is begun anew; `signal` ends that one too. */
  async load(signal?: AbortSignal): Promise<ModelInfo> {
    const { connection } = this.#now;
    try {
      this.#info = await this.#now.info;
    } catch (thrown) {
      if (!this.#isLost(connection, thrown)) throw thrown;
      await this.waits(this.#revive(connection, thrown, 0), signal);
      if (signal?.aborted) throw aborted("Loading the model", signal);
    }
    return this.#info!;
  }

  async call<M extends Method>(
    method: M,
    args: Calls[M]["args"],
    options: CallOptions<M> = {},
  ): Promise<Calls[M]["result"]> {
    const course = new Course(method, args, options.onEvent);
    for (let vain = 0; ; ) {
      if (this.ended.aborted) throw this.ended.reason;
      if (this.#down) await this.waits(this.#revive(this.#now.connection, this.#down, 0), options.signal);
      const { connection } = this.#now;
      try {
        const made = { ...options, ...stopsLate(options.stop, course.begun), ...course.heard };
        const result = await connection.call(method, course.make(), made);
        this.#note(method, args);
        return result;
      } catch (thrown) {
        vain = course.grew ? 0 : vain + 1;
        // What ends engine after engine without going on in between is tried with less, then given up.
        const rung = Math.max(vain - 1, 0);
        if (!this.#isLost(connection, thrown) || rung >= this.#rungs().length) throw thrown;
        this.#revive(connection, thrown, rung).catch(() => {});
        // What was given away with it cannot be given again.
        if (options.transfer?.length) throw thrown;
      }
    }
  }

  end(error: SottoError): Promise<void> {
    this.#ended.abort(error);
    return this.#now.connection.end(error);
  }

  #note(method: Method, args: Calls[Method]["args"]): void {
    if (method === "loadAdapter") {
      const adapter = args as Calls["loadAdapter"]["args"];
      const { id, source, config } = adapter;
      if (canReread(source) && (!config || canReread(config))) this.#adapters.set(id, adapter);
    } else if (method === "unloadAdapter") this.#adapters.delete((args as Calls["unloadAdapter"]["args"]).id);
  }

  /** Whether this is why a call failed. */
  #isLost(connection: Caller, thrown: unknown, by = LOST): boolean {
    const { aborted, reason } = connection.ended;
    return !this.ended.aborted && aborted && thrown === reason && by.includes(SottoError.from(thrown).code);
  }

  /** Loads the model anew, once for all that were on what is lost. */
  #revive(lost: Caller, why: unknown, rung: number): Promise<void> {
    if (lost !== this.#now.connection) return this.#again ?? Promise.resolve();
    this.#again ??= this.#load(SottoError.from(why), this.#rungs().slice(rung)).finally(
      () => (this.#again = undefined),
    );
    return this.#again;
  }

  async #load(why: SottoError, rungs: Change[]): Promise<void> {
    const begun = performance.now();
    this.#down = why;
    let last: unknown = why;
    for (const change of rungs) {
      for (const patience of PATIENCE) {
        await this.waits(new Promise((resolve) => setTimeout(resolve, patience)));
        try {
          await this.#start(change);
        } catch (thrown) {
          last = thrown;
          const { connection } = this.#now;
          const died = this.#isLost(connection, thrown, DIED);
          void connection.end(SottoError.from(thrown));
          if (this.ended.aborted) throw thrown;
          if (died) break;
          if (change.backend === "cpu") throw thrown;
          continue;
        }
        this.#down = undefined;
        const seconds = ((performance.now() - begun) / 1000).toFixed(1);
        return this.#warn({ code: why.code, message: goesOn(why, seconds, NAMES[this.#info!.backend]) });
      }
    }
    throw last;
  }

  async #start(change: Change): Promise<void> {
    this.#now = this.#begin(change);
    const { connection, info } = this.#now;
    // The caller's own object stays.
    this.#info = Object.assign(this.#info ?? {}, await info);
    for (const adapter of this.#adapters.values()) await connection.call("loadAdapter", adapter);
    if (this.ended.aborted) throw this.ended.reason;
  }

  /**
   * The same device, once more, as two losses may have nothing to do with each other; then with less memory, then the CPU, where
   * the caller lets it be.
   */
  #rungs(): Change[] {
    const { backend: wanted, maxBatchTokens = FEW_ROWS } = this.#options;
    const backend = this.#info?.backend ?? (wanted === "auto" ? undefined : wanted);
    const same = backend ? { backend } : {};
    if (backend === "cpu") return [same, same, same];
    const less = { ...same, maxBatchTokens: Math.min(FEW_ROWS, maxBatchTokens) };
    return [same, same, less, ...(wanted === "webgpu" ? [] : [{ backend: "cpu" } as const])];
  }
}

const NAMES = { webgpu: "WebGPU", cpu: "the CPU" };

const goesOn = (why: SottoError, seconds: string, on: string) =>
  `${why.message.split(/[.;]/)[0]}; the model was loaded anew in ${seconds} s, on ${on}, and goes on.`;

/** A reply that has begun ends by its `stop` with what there is of it, even where that fired before it is made again. */
function stopsLate(stop: AbortSignal | undefined, begun: boolean): { stop?: AbortSignal } {
  if (!stop?.aborted || !begun) return {};
  const late = new AbortController();
  setTimeout(() => late.abort(stop.reason));
  return { stop: late.signal };
}
