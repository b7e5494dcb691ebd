/** A model while it loads, and after. */
import { type LoadOptions, load, type Model, type Progress, type Source, type Warning } from "sotto";
import { Cell } from "./cell.js";

/** Where a model comes from, or a function that loads it with the options it is given. */
export type ModelSource = Source | ((options: LoadOptions) => Promise<Model>);

export interface ModelState {
  /** `idle`: not asked for yet, or disposed. */
  status: "idle" | "loading" | "ready" | "error";
  model: Model | undefined;
  progress: Progress | undefined;
  /** What it works in spite of. */
  warning: Warning | undefined;
  /** What the load failed with. */
  error: unknown;
  /** The model, once it is there; waits, but does not begin a load. */
  ready: Promise<Model>;
}

interface Promised {
  ready: Promise<Model>;
  resolve(model: Model): void;
  reject(error: unknown): void;
}

function promised(): Promised {
  let settle!: Pick<Promised, "resolve" | "reject">;
  const ready = new Promise<Model>((resolve, reject) => {
    settle = { resolve, reject };
  });
  // Whoever waits for it is told.
  ready.catch(() => {});
  return { ready, ...settle };
}

const EMPTY = { status: "idle", model: undefined, progress: undefined, warning: undefined, error: undefined } as const;

/** Loads when it is first asked to. Making one does nothing, so it may be made while a page is rendered. */
export class ModelStore extends Cell<ModelState> {
  #source: ModelSource | undefined;
  #options: LoadOptions;
  #promised: Promised;
  /** Of the load that is under way or done. */
  #stop: AbortController | undefined;

  /** Without a source there is nothing to load yet. */
  constructor(source: ModelSource | undefined, options: LoadOptions = {}) {
    const first = promised();
    super({ ...EMPTY, ready: first.ready });
    this.#promised = first;
    this.#source = source;
    this.#options = options;
  }

  /** Loads it, once; always the same promise, so that React's `use` can take it. Rejects where there is no source. */
  readonly load = (): Promise<Model> => {
    if (!this.#stop) void this.#begin();
    return this.get().ready;
  };

  /** Loads it anew, for instance after a failure. */
  readonly reload = (): Promise<Model> => {
    this.dispose();
    return this.load();
  };

  /** Frees the memory, or ends the load. */
  readonly dispose = (): void => {
    const { model } = this.get();
    const stop = this.#stop;
    if (!stop) return;
    this.#reset();
    stop.abort();
    void model?.dispose();
  };

  protected override begin(): void {
    if (this.#source !== undefined) void this.load();
  }

  protected override end(): void {
    this.dispose();
  }

  #reset(): void {
    this.#stop = undefined;
    this.#promised = promised();
    this.set({ ...EMPTY, ready: this.#promised.ready });
  }

  async #begin(): Promise<void> {
    const source = this.#source;
    const stop = new AbortController();
    const { resolve, reject } = this.#promised;
    const { signal, onProgress, onWarning } = this.#options;
    const isOver = () => this.#stop !== stop;
    this.#stop = stop;
    this.set({ status: "loading" });
    signal?.addEventListener("abort", () => stop.abort(signal.reason), { once: true });
    if (signal?.aborted) stop.abort(signal.reason);
    const options: LoadOptions = {
      ...this.#options,
      signal: stop.signal,
      onProgress: (progress) => {
        if (!isOver()) this.set({ progress });
        return onProgress?.(progress);
      },
      onWarning: (warning) => {
        if (!isOver()) this.set({ warning });
        onWarning?.(warning);
      },
    };
    try {
      const model = await (typeof source === "function" ? source(options) : load(source as Source, options));
      if (isOver()) await model.dispose();
      else this.set({ status: "ready", model });
      resolve(model);
    } catch (error) {
      if (!isOver()) this.set({ status: "error", error });
      reject(error);
    }
  }
}
