/** The list of messages. It stays at its end while a reply grows, unless the reader has scrolled up. */
import type { AssistantTurn, Turn } from "../chat/turns.js";
import type { Say } from "../texts.js";
import { h, iconButton } from "./dom.js";
import { type MessageHooks, MessageView } from "./message.js";

/** Pixels from the end that count as the end. */
const NEAR = 64;

export class MessageList {
  readonly element: HTMLElement;
  #scroll: HTMLElement;
  #list: HTMLElement;
  #latest: HTMLButtonElement;
  #views = new Map<Turn, MessageView>();
  #hooks: () => MessageHooks;
  #last: MessageView | undefined;
  #follows = true;
  #top = 0;

  constructor(say: Say, hooks: () => MessageHooks, empty: HTMLElement) {
    this.#hooks = hooks;
    this.#list = h("div", { class: "list" });
    // Sentences are read elsewhere, when they are whole.
    this.#scroll = h("div", {
      class: "scroll",
      part: "list",
      tabindex: "0",
      role: "log",
      "aria-live": "off",
      "aria-label": say.text("conversation"),
    });
    this.#scroll.append(empty, this.#list);
    this.#latest = iconButton("down", say.text("latest"), () => this.toEnd(), { class: "icon latest", hidden: true });
    this.element = h("div", { class: "messages" }, this.#scroll, this.#latest);
    this.#scroll.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // After a frame is laid out: to ask earlier where the end is would lay it out once more.
    const grown = new ResizeObserver(() => this.#follow());
    grown.observe(this.#list);
    grown.observe(this.#scroll);
  }

  add(turn: Turn): MessageView {
    const view = new MessageView(turn, this.#hooks());
    this.#views.set(turn, view);
    this.#list.append(view.element);
    if (turn.role === "user") this.#follows = true;
    return view;
  }

  view(turn: Turn): MessageView | undefined {
    return this.#views.get(turn);
  }

  remove(turns: readonly Turn[]): void {
    for (const turn of turns) {
      this.#views.get(turn)?.element.remove();
      this.#views.delete(turn);
    }
  }

  /** Which reply is the last: it alone can be answered again or continued. */
  setLast(turn: AssistantTurn | undefined): void {
    this.#last?.element.classList.remove("last");
    this.#last = turn && this.#views.get(turn);
    this.#last?.element.classList.add("last");
  }

  toEnd(): void {
    this.#follows = true;
    this.#follow();
  }

  focus(): void {
    this.#scroll.focus();
  }

  #follow(): void {
    if (!this.#follows) {
      this.#latest.hidden = false;
      return;
    }
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
    // What has become shorter takes the end up: that is not the reader, when the event of it comes.
    this.#top = this.#scroll.scrollTop;
  }

  #scrolled(): void {
    const { scrollTop, scrollHeight, clientHeight } = this.#scroll;
    const isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR;
    // What grows moves the end away; only a reader moves up.
    if (isAtEnd) this.#follows = true;
    else if (scrollTop < this.#top - 1) this.#follows = false;
    this.#top = scrollTop;
    this.#latest.hidden = this.#follows || isAtEnd;
  }
}
