/** The loader of a model, by the engine for what it is to run on; where WebGPU gives up, that of the CPU takes over. */
import type { EngineModule, Kind, Loader, Place } from "./engine.js";
import { type ErrorCode, SottoError } from "../wire/errors.js";
import type { LoadOptions, Warning } from "../wire/protocol.js";
import type { Described } from "./adapter.js";
import { pause } from "./pause.js";
import { unlessAborted } from "./queue.js";

/** What is wrong with WebGPU, and not with the model. */
const GIVES_UP: ErrorCode[] = ["no_webgpu", "adapter_too_small"];

const WHAT = "Loading the model";

export interface Wanted {
  options: LoadOptions;
  described: Described;
  tuning: string[];
  /** That the CPU can have. */
  threads: number | undefined;
  start(kind: Kind): Promise<EngineModule>;
  warn(warning: Warning): void;
  signal: AbortSignal;
}

export class Loading {
  #wanted: Wanted;
  #loader: Loader;
  /** What was done to the loader so far; `undefined` where no other can take its place any more. */
  #done: ((loader: Loader) => unknown)[] | undefined;

  private constructor(wanted: Wanted, loader: Loader, gaveUp: boolean) {
    this.#wanted = wanted;
    this.#loader = loader;
    this.#done = gaveUp ? undefined : [];
  }

  static async begin(kind: Kind, wanted: Wanted): Promise<Loading> {
    const { backend = "auto" } = wanted.options;
    const bound = backend !== "auto" || kind === "cpu";
    try {
      return new Loading(wanted, await create(kind, wanted), bound);
    } catch (thrown) {
      const refused = bound ? undefined : whyGivenUp(thrown);
      if (!refused) throw thrown;
      return new Loading(wanted, await create("cpu", wanted, refused), true);
    }
  }

  get loader(): Loader {
    return this.#loader;
  }

  /** The header's bytes are in, or these: `chunk` may be written over afterwards. */
  async push<T>(chunk: Uint8Array, push: (loader: Loader, chunk: Uint8Array) => T): Promise<T> {
    if (!this.#done) return push(this.#loader, chunk);
    const kept = chunk.slice();
    this.#done.push((loader) => push(loader, kept));
    try {
      return push(this.#loader, chunk);
    } catch (thrown) {
      const refused = whyGivenUp(thrown);
      if (!refused) throw thrown;
      this.#loader.free();
      this.#loader = await create("cpu", this.#wanted, refused);
      return this.#done.map((again) => again(this.#loader) as T).at(-1)!;
    } finally {
      // The header has come, and has decided.
      if (this.#loader.total_bytes() !== undefined) this.#done = undefined;
    }
  }
}

function whyGivenUp(thrown: unknown): Place["refused"] {
  const { code, message } = SottoError.read(thrown) ?? {};
  return code && message !== undefined && GIVES_UP.includes(code) ? [code, message] : undefined;
}

async function create(kind: Kind, wanted: Wanted, refused?: Place["refused"]): Promise<Loader> {
  const { options, described, tuning, start, warn, signal } = wanted;
  const { Loader, threads, warning } = await unlessAborted(start(kind), WHAT, signal);
  const most = wanted.threads ?? 1;
  if (warning) warn(warning);
  else if (kind === "cpu" && options.threads! > most) warn(fewThreads(options.threads!, most));
  const subgroups = options.subgroups !== false && described.subgroups;
  const dot = options.dot !== false && described.dot;
  const created = Loader.create(
    { ...options, subgroups, dot, threads: threads?.count ?? 1, ...(threads?.slowBytes && { precision: "high" }) },
    { adapter: described.adapter, tuning, ...(refused && { refused }) },
    pause,
    threads?.spawn,
  );
  return unlessAborted(created, WHAT, signal);
}

function fewThreads(wanted: number, used: number): Warning {
  const message = `The CPU computes on ${used} thread, not ${wanted}; threads need a cross-origin isolated page.`;
  return { code: "not_started", message };
}
