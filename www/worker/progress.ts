/** What a load tells of how far it is: at most 20 times a second, with the speed of late, and always the last. */
import type { Progress } from "../wire/protocol.js";

const EVERY_MS = 50;
/** Speed is that of the last seconds. */
const WINDOW_MS = 3000;

export class Reporter {
  #emit: (progress: Progress) => void;
  #latest: Progress | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** When so much was there, since the phase began. */
  #past: { at: number; loaded: number }[] = [];
  /** Members of all that it tells. */
  facts: Pick<Progress, "file" | "fromCache"> = {};

  constructor(emit: (progress: Progress) => void) {
    this.#emit = emit;
  }

  /** A phase that has changed is told at once. */
  tell(phase: Progress["phase"], loaded: number, total: number | undefined): void {
    const isNew = this.#latest?.phase !== phase;
    if (isNew) this.#past = [];
    this.#latest = { phase, loaded, total, ...this.facts };
    if (isNew) this.flush();
    else this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
  }

  /** Tells what was not told yet. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#latest) this.#emit({ ...this.#latest, ...this.#speed(this.#latest) });
  }

  stop(): void {
    clearTimeout(this.#timer);
  }

  #speed({ loaded, total }: Progress): Pick<Progress, "bytesPerSecond" | "secondsLeft"> {
    const now = performance.now();
    this.#past.push({ at: now, loaded });
    while (this.#past.length > 2 && now - this.#past[0]!.at > WINDOW_MS) this.#past.shift();
    const first = this.#past[0]!;
    const bytesPerSecond = (1000 * (loaded - first.loaded)) / (now - first.at);
    if (!(bytesPerSecond > 0 && bytesPerSecond < Infinity)) return {};
    const left = total === undefined ? {} : { secondsLeft: Math.max(0, total - loaded) / bytesPerSecond };
    return { bytesPerSecond, ...left };
  }
}
