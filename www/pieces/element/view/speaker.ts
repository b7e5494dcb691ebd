/** The place that screen readers listen to: whole sentences of a reply, and what has happened. */
import { Sentences } from "../chat/sentences.js";
import type { Say } from "../texts.js";
import { h } from "./dom.js";

/** Sentences that stay: older ones have been read. */
const KEPT = 6;

export class Speaker {
  readonly element = h("div", { class: "unseen", role: "status", "aria-live": "polite", "aria-atomic": "false" });
  #sentences: Sentences | undefined;
  #say: () => Say;

  constructor(say: () => Say) {
    this.#say = say;
  }

  tell(text: string): void {
    this.element.append(h("p", {}, text));
    while (this.element.childElementCount > KEPT) this.element.firstChild!.remove();
  }

  add(text: string): void {
    this.#sentences ??= new Sentences(this.#say().lang, `${this.#say().text("code")}.`);
    for (const sentence of this.#sentences.add(text).slice(-KEPT)) this.tell(sentence);
  }

  end(): void {
    for (const sentence of this.#sentences?.end() ?? []) this.tell(sentence);
    this.#sentences = undefined;
  }
}
