/** A model on its way into the page: what it is, whether it is here already, its download, paused and resumed. */
import type { LoadControl, LoadOptions, Model, Progress, Source } from "sotto";

export type Phase = "none" | "asking" | "loading" | "paused" | "ready" | "failed";

/** What is known of a model before it is loaded. */
export interface Facts {
  name: string;
  /** Of the file. */
  bytes?: number;
  /** The browser has all of it. */
  stored?: boolean;
  /** Bytes that the browser has, where that is not all. */
  part?: number;
  /** Whether it runs on this device, as far as can be told, and why: one sentence each. */
  runs?: boolean;
  findings?: string[];
}

export interface LoaderListener {
  phase(phase: Phase, error?: unknown): void;
  facts(facts: Facts): void;
  progress(progress: Progress): void;
  loaded(model: Model): void;
}

const sotto = () => import("sotto");

export class Loader {
  phase: Phase = "none";
  facts: Facts = { name: "" };
  source: Source | undefined;
  #listener: LoaderListener;
  #options: () => LoadOptions;
  #running: AbortController | undefined;
  /** Of the load that is under way: holds its download up. */
  #control: LoadControl | undefined;

  constructor(listener: LoaderListener, options: () => LoadOptions) {
    this.#listener = listener;
    this.#options = options;
  }

  /** Another model; nothing is fetched of it yet. */
  choose(source: Source | undefined): void {
    this.#running?.abort();
    this.#running = this.#control = undefined;
    this.source = source;
    this.facts = { name: source === undefined ? "" : nameOf(source) };
    if (source instanceof Blob) Object.assign(this.facts, { bytes: source.size, stored: true });
    this.#set(source === undefined ? "none" : "asking");
  }

  /** How large the page says that the file is. */
  told(bytes: number | undefined): void {
    if (bytes !== undefined) this.facts.bytes ??= bytes;
  }

  /**
   * Asks the browser's store whether the model is there. The network is not asked, unless the page wants a `verdict`: that
   * reads the header of the file.
   */
  async look(verdict: boolean): Promise<void> {
    await this.#find();
    if (verdict && !this.facts.findings) await this.#inspect();
  }

  async #inspect(): Promise<void> {
    const { source } = this;
    if (source === undefined) return;
    try {
      const { inspect } = await sotto();
      const { signal: _, onProgress: __, onWarning: ___, sha256: ____, control: _____, ...options } = this.#options();
      const { fileBytes, verdict } = await inspect(source, options);
      if (this.source !== source || this.phase !== "asking") return;
      const findings = verdict.findings.map(({ sentence }) => sentence);
      this.facts = { ...this.facts, bytes: fileBytes, runs: verdict.runs, findings };
      this.#listener.facts(this.facts);
    } catch {
      // What keeps a model from being read is told when it is loaded.
    }
  }

  async #find(): Promise<void> {
    const { source } = this;
    if (typeof source !== "string" && !(source instanceof URL)) return;
    try {
      const { store } = await sotto();
      const address = String(source);
      const whole = URL.canParse(address, document.baseURI) ? new URL(address, document.baseURI).href : address;
      const found = (await store.list()).find(({ url, alias }) =>
        [url, alias].some((at) => at === address || at === whole),
      );
      if (!found || this.source !== source) return;
      const { size, whole: stored, loaded: part } = found;
      this.facts = { ...this.facts, stored, ...(size !== undefined && { bytes: size }), ...(!stored && { part }) };
      this.#listener.facts(this.facts);
    } catch {
      // What cannot be known before is known by loading.
    }
  }

  /**
   * Begins once `after` is over, or goes on where a pause or a failure left it; done when the model is there or has failed.
   */
  async start(after?: Promise<void>): Promise<void> {
    const { source } = this;
    if (this.phase === "paused") return this.#resume();
    if (source === undefined || this.phase === "loading" || this.phase === "ready") return;
    const running = new AbortController();
    this.#running = running;
    this.#set("loading");
    try {
      const [{ load, LoadControl }] = await Promise.all([sotto(), after]);
      if (this.#running !== running) return;
      const { onProgress, signal, control: own, ...options } = this.#options();
      const control = own instanceof LoadControl ? own : new LoadControl();
      this.#control = control;
      if (this.#isPaused()) control.pause();
      const model = await load(source, {
        ...options,
        control,
        signal: signal ? AbortSignal.any([signal, running.signal]) : running.signal,
        onProgress: (progress) => {
          onProgress?.(progress);
          if (this.#running === running) this.#progress(progress);
        },
      });
      if (this.#running !== running) return void model.dispose();
      this.#listener.loaded(model);
      this.#set("ready");
    } catch (thrown) {
      if (this.#running === running) {
        this.#set("failed", thrown);
        // How much of it is here now.
        await this.#find();
      }
    }
    if (this.#running === running) this.#control = undefined;
  }

  #isPaused = () => this.phase === "paused";

  #progress(progress: Progress): void {
    // A download alone can be held up: what comes after it goes on, and says so.
    const isHeld = progress.phase === "connect" || progress.phase === "download";
    if (this.#isPaused() && (!isHeld || progress.fromCache)) this.#set("loading");
    this.#listener.progress(progress);
  }

  /** Holds the download up; it is the same load that goes on. */
  pause(): void {
    if (this.phase !== "loading") return;
    this.#control?.pause();
    this.#set("paused");
  }

  #resume(): void {
    this.#control?.resume();
    this.#set("loading");
  }

  #set(phase: Phase, error?: unknown): void {
    this.phase = phase;
    this.#listener.phase(phase, error);
  }
}

/** The name of a model as its address tells it: `hf:owner/name:Q4` is "name". */
export function nameOf(source: Source): string {
  if (source instanceof File) return bare(source.name);
  if (typeof source !== "string" && !(source instanceof URL)) return "";
  const address = String(source);
  const hub = /^hf:(?:\/\/)?[^/]+\/([^:/@]+)/.exec(address);
  if (hub) return bare(hub[1]!);
  const last = address.split(/[?#]/)[0]!.split("/").at(-1) || address;
  try {
    return bare(decodeURIComponent(last));
  } catch {
    // Not every % begins a code.
    return bare(last);
  }
}

const bare = (name: string) => name.replace(/\.gguf$/i, "").replace(/-GGUF$/i, "");
