/** A model whose engine is started anew when it is lost, with the replies that were under way on it. */
import { Caller, type CallOptions } from "./caller.js";
import { Course } from "./course.js";
import type { Loading } from "./service.js";
import { canReread } from "./source.js";
import { type ErrorCode, SottoError } from "../wire/errors.js";
import type { Calls, LoadOptions, Method, ModelInfo, Warning } from "../wire/protocol.js";

/** What another try to load it changes. */
export type Change = Pick<LoadOptions, "backend" | "maxBatchTokens">;

/** What an engine ends with that another may do without: its device is gone, it crashed, its worker ended. */
const LOST: readonly ErrorCode[] = ["device_lost", "internal"];

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

  /** The model's facts, which are kept up to date. A load whose engine is lost is begun anew. */
  async load(): Promise<ModelInfo> {
    const { connection } = this.#now;
    try {
      this.#info = await this.#now.info;
    } catch (thrown) {
      if (!this.#isLost(connection, thrown)) throw thrown;
      await this.#revive(connection, thrown, 0);
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
      if (this.#again) await this.waits(this.#again, options.signal);
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
  #isLost(connection: Caller, thrown: unknown): boolean {
    const { aborted, reason } = connection.ended;
    return !this.ended.aborted && aborted && thrown === reason && LOST.includes(SottoError.from(thrown).code);
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
    let last: unknown = why;
    for (const change of rungs) {
      for (const patience of PATIENCE) {
        await this.waits(new Promise((resolve) => setTimeout(resolve, patience)));
        this.#now = this.#begin(change);
        const { connection, info } = this.#now;
        try {
          // The caller's own object stays.
          this.#info = Object.assign(this.#info ?? {}, await info);
          for (const adapter of this.#adapters.values()) await connection.call("loadAdapter", adapter);
          if (this.ended.aborted) throw this.ended.reason;
          const seconds = ((performance.now() - begun) / 1000).toFixed(1);
          return this.#warn({ code: why.code, message: goesOn(why, seconds, NAMES[this.#info.backend]) });
        } catch (thrown) {
          last = thrown;
          const died = this.#isLost(connection, thrown);
          void connection.end(SottoError.from(thrown));
          if (this.ended.aborted) throw thrown;
          if (died || change.backend === "cpu") break;
        }
      }
    }
    throw last;
  }

  /** The same device, then with less memory, then the CPU, where the caller lets it be. */
  #rungs(): Change[] {
    const { backend: wanted, maxBatchTokens = FEW_ROWS } = this.#options;
    const backend = this.#info?.backend ?? (wanted === "auto" ? undefined : wanted);
    if (backend === "cpu") return [{ backend }];
    const same = backend ? { backend } : {};
    const less = { ...same, maxBatchTokens: Math.min(FEW_ROWS, maxBatchTokens) };
    return wanted === "webgpu" ? [same, less] : [same, less, { backend: "cpu" }];
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
