/** A reply that is drawn while it grows: at most once a frame, and for a small part of the time. */
import { Blocks } from "./blocks.js";
import { type Makers, patch } from "./dom.js";

/** Milliseconds that one drawing may go on closing blocks; what is left is drawn in the next frame. */
const BUDGET_MS = 8;
/** After a drawing that took long there is a pause of so many times that. */
const REST = 3;

export interface Hooks extends Makers {
  /** Called after each drawing. */
  drawn(): void;
  /** Called with each block of the page that will not change any more. */
  closed(block: globalThis.Node): void;
}

export class StreamedMarkdown {
  text = "";
  #into: HTMLElement;
  #hooks: Hooks;
  #blocks = new Blocks();
  /** Blocks of the page that are closed. */
  #closed = 0;
  #frame = 0;
  #rested = 0;
  #ended = false;
  #whole: (() => void)[] = [];

  constructor(into: HTMLElement, hooks: Hooks) {
    this.#into = into;
    this.#hooks = hooks;
  }

  add(text: string): void {
    this.text += text;
    this.#blocks.add(text);
    this.#ask();
  }

  /** No text follows; done when all of it is drawn. */
  end(): Promise<void> {
    this.#ended = true;
    this.#rested = 0;
    this.#ask();
    return new Promise((resolve) => this.#whole.push(resolve));
  }

  #ask(): void {
    // Pages that are not seen have no frames; their texts are drawn when they are, or at the end.
    if (this.#ended && document.hidden) this.#draw(Infinity);
    else this.#frame ||= requestAnimationFrame((now) => this.#due(now));
  }

  #due(now: number): void {
    this.#frame = 0;
    if (now < this.#rested) this.#ask();
    else this.#draw(BUDGET_MS);
  }

  #draw(budget: number): void {
    const started = performance.now();
    let more = true;
    while (more && performance.now() - started < budget) {
      const step = this.#blocks.step(this.#ended);
      if (step.closed.length > 0) {
        patch(this.#into, this.#closed, [...step.closed, ...step.open], this.#hooks);
        for (const _ of step.closed) this.#hooks.closed(this.#into.childNodes[this.#closed++]!);
      } else patch(this.#into, this.#closed, step.open, this.#hooks);
      more = step.more;
    }
    const ended = performance.now();
    this.#rested = this.#ended ? 0 : ended + (ended - started) * REST - 16;
    this.#hooks.drawn();
    if (more) this.#ask();
    else if (this.#ended) for (const done of this.#whole.splice(0)) done();
  }
}
