/** What the model does now: figures, and a plot of the last minute. */
import type { Model, ModelStats } from "sotto";
import { $, facts, show } from "./dom.js";
import { bytes, rate } from "./format.js";

const EVERY_MS = 500;
/** As many as the plot is wide: a minute. */
const POINTS = 120;
/** The plot's height, in its own units. */
const HEIGHT = 32;

export class Live {
  #rates: number[] = [];
  #stop = () => {};

  /** Follows this model, or none. */
  follow(model: Model | undefined): void {
    this.#stop();
    this.#rates = [];
    show("live", model !== undefined);
    if (model) this.#stop = model.onStats((stats) => this.#tell(stats), { every: EVERY_MS });
  }

  #tell({ tokens, cache, requests, memory }: ModelStats): void {
    this.#rates = [...this.#rates, tokens.completionTps].slice(-POINTS);
    const list = {
      Reads: rate(tokens.promptTps),
      Writes: rate(tokens.completionTps),
      "Tokens in mind": `${cache.used} of ${cache.cells}`,
      Replies: String(requests.total),
      Memory: bytes(memory.gpuBytes + memory.wasmBytes),
    };
    $("live-facts").replaceChildren(...facts(list));
    const most = Math.max(...this.#rates);
    $("plot").querySelector("polyline")!.setAttribute("points", pointsOf(this.#rates, most));
    $("plot").setAttribute("aria-label", `Tokens a second in the last minute, at most ${Math.round(most)}`);
  }
}

/** The newest at the right end. */
export function pointsOf(rates: readonly number[], most: number): string {
  const first = POINTS - rates.length;
  const y = (value: number) => HEIGHT - 1 - (HEIGHT - 2) * (most > 0 ? value / most : 0);
  return rates.map((value, i) => `${first + i},${y(value).toFixed(1)}`).join(" ");
}
