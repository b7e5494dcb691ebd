/** A reply that is drawn while it grows: at most once a frame, and for a small part of the time. */
import { Blocks } from "./blocks.js";
import { type Makers, patch } from "./dom.js";

/** Milliseconds of a frame that all texts together may be drawn in; what is left is drawn in the next one. */
const BUDGET_MS = 8;
/** After a drawing that took long there is a pause of so many times that. */
const REST = 3;

export interface Hooks extends Makers {
  /** Called after each drawing. */
  drawn(): void;
  /** Called with each block of the page that will not change any more. */
  closed(block: globalThis.Node): void;
}

/** Texts that have something to draw. */
const due = new Set<StreamedMarkdown>();
let frame = 0;

function ask(text: StreamedMarkdown): void {
  due.add(text);
  if (frame === 0) frame = requestAnimationFrame(drawDue);
}

/** One that has to rest, or is not drawn yet, asks again. */
function drawDue(now: number): void {
  frame = 0;
  const until = performance.now() + BUDGET_MS;
  for (const text of [...due]) {
    if (performance.now() >= until) break;
    due.delete(text);
    text.draw(until, now);
  }
  if (due.size > 0 && frame === 0) frame = requestAnimationFrame(drawDue);
}

export class StreamedMarkdown {
  text = "";
  #into: HTMLElement;
  #hooks: Hooks;
  #blocks = new Blocks();
  /** Blocks of the page that are closed. */
  #closed = 0;
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
    if (this.#ended && document.hidden) this.draw(Infinity, 0);
    else ask(this);
  }

  /** For the frame that began at `now`. A text that cannot be drawn is shown as it is. */
  draw(until: number, now: number): void {
    try {
      this.#draw(until, now);
    } catch (error) {
      reportError(error);
      this.#into.textContent = this.text;
      this.#settle();
    }
  }

  #settle(): void {
    for (const done of this.#whole.splice(0)) done();
  }

  #draw(until: number, now: number): void {
    if (now < this.#rested) {
      ask(this);
      return;
    }
    const started = performance.now();
    let more = true;
    while (more && performance.now() < until) {
      const step = this.#blocks.step(this.#ended);
      if (step.closed.length > 0) {
        patch(this.#into, this.#closed, [...step.closed, ...step.open], this.#hooks);
        for (const _ of step.closed) this.#hooks.closed(this.#into.childNodes[this.#closed++]!);
      } else patch(this.#into, this.#closed, step.open, this.#hooks);
      more = step.more;
    }
    const ended = performance.now();
    this.#rested = this.#ended || more ? 0 : ended + (ended - started) * REST - 16;
    this.#hooks.drawn();
    if (more) this.#ask();
    else if (this.#ended) this.#settle();
  }
}
