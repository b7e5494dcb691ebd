/**
 * One model for all tabs of a site. The tab that holds a lock runs it (service.ts); every tab, that one too, asks it from a seat
 * (seat.ts). All wait for the lock: when the tab that holds it is closed, the next one loads the model and serves.
 */
import { Caller, type CallOptions } from "./caller.js";
import { Connection } from "./connection.js";
import { Course } from "./course.js";
import { Seat } from "./seat.js";
import { type Loading, Service } from "./service.js";
import { Workers } from "./workers.js";
import { SottoError } from "../wire/errors.js";
import type { Calls, Method, ModelInfo, SourceData } from "../wire/protocol.js";

type LoadEvent = Calls["load"]["event"];

/** The build writes it. */
declare const SOTTO_VERSION: string | undefined;

/** What is loaded the service knows. */
const LOAD = {} as Calls["load"]["args"];

/** A call that ends the engine of each tab is not made in all of them. */
const MOST_LOSSES = 3;

/** Which model it is: tabs that give the same source and options share one. */
export function nameOf(source: SourceData, options: object, draft?: SourceData): string {
  if (source.kind !== "url" || (draft && draft.kind !== "url"))
    throw new SottoError(
      "bad_option",
      "A shared model is one that all tabs can read; give the file to store.import, and load its url.",
    );
  const { url, sha256, hub } = source;
  const sorted = Object.entries(options).sort(([a], [b]) => (a < b ? -1 : 1));
  // Pages of other versions speak otherwise.
  const version = typeof SOTTO_VERSION === "undefined" ? "" : SOTTO_VERSION;
  return `sotto-model ${JSON.stringify([version, url, sha256, hub?.endpoint, sorted, draft?.url])}`;
}

/** Whether tabs can find each other here. */
export const canShare = (): boolean => !!globalThis.navigator?.locks && globalThis.origin !== "null";

export class Shared extends Caller {
  #name: string;
  #load: (tell: (event: LoadEvent) => void) => Loading;
  #tell: (event: LoadEvent) => void;
  /** Of a model that was loaded: kept as it is where another tab has loaded it anew. */
  #info: ModelInfo | undefined;
  #seat!: Connection;
  /** While this tab serves. */
  #service: Service | undefined;
  /** Ends the wait for this tab's turn. */
  #waiting = new AbortController();
  #ended = new AbortController();
  readonly ended = this.#ended.signal;
  #gone: Promise<void> | undefined;

  /** `load` begins to load the model in this tab, should it be its turn; `tell` hears of loads, wherever they are. */
  constructor(name: string, load: (tell: (event: LoadEvent) => void) => Loading, tell: (event: LoadEvent) => void) {
    super();
    this.#name = name;
    this.#load = load;
    this.#tell = tell;
    this.#sit();
    void this.#stand();
  }

  async load(signal: AbortSignal | undefined): Promise<ModelInfo> {
    const options = { what: "Loading the model", signal, onEvent: this.#tell };
    this.#info = await this.call("load", LOAD, options);
    return this.#info;
  }

  /** Where the tab that serves is closed, the call goes on in the next. */
  async call<M extends Method>(
    method: M,
    args: Calls[M]["args"],
    options: CallOptions<M> = {},
  ): Promise<Calls[M]["result"]> {
    const course = new Course(method, args, options.onEvent);
    for (let vain = 0; vain < MOST_LOSSES; vain = course.grew ? 0 : vain + 1) {
      const seat = this.#seat;
      try {
        return await seat.call(method, course.make(), { ...options, ...course.heard });
      } catch (thrown) {
        if (this.ended.aborted || thrown !== seat.ended.reason) throw thrown;
      }
    }
    const message = "The tab that ran the shared model was closed, or its engine ended; ask again.";
    throw new SottoError("tab_closed", message);
  }

  /** Gives its seat up; the model is freed where this was the last. */
  end(error: SottoError): Promise<void> {
    this.#waiting.abort();
    this.#ended.abort(error);
    this.#gone ??= this.#seat.end(error).then(() => this.#service?.endUnused());
    return this.#gone;
  }

  #sit(): void {
    const seat = new Seat(this.#name);
    const connection = new Connection(new Workers(() => seat));
    this.#seat = connection;
    const info = this.#info;
    connection.ended.addEventListener("abort", () => {
      if (this.ended.aborted) return;
      if (seat.asleep) void this.#stand(true);
      this.#sit();
    });
    if (!info) return;
    const joined = (found: ModelInfo) => Object.assign(info, found);
    const failed = (error: SottoError) => connection.ended.aborted || void this.end(error);
    connection.call("load", LOAD, { onEvent: this.#tell }).then(joined, failed);
  }

  /** Waits for its turn, and serves; with `steal`, at once. */
  async #stand(steal = false): Promise<void> {
    this.#waiting.abort();
    this.#waiting = new AbortController();
    const { signal } = this.#waiting;
    let served: Service | undefined;
    const serve = () => {
      if (signal.aborted) return;
      try {
        served = new Service(this.#name, this.#load);
      } catch (thrown) {
        return void this.end(SottoError.from(thrown));
      }
      this.#service = served;
      return served.over;
    };
    await navigator.locks.request(this.#name, steal ? { steal } : { signal }, serve).catch(() => {});
    if (!served) return;
    // Where another has stolen the lock.
    served.end();
    this.#service = undefined;
    if (!this.ended.aborted) void this.#stand();
  }
}
