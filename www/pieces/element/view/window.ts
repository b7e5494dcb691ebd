/** The window of a chat: header and menu, messages, what is there before the first of them, and the composer. */
import type { Facts, Phase } from "../chat/loader.js";
import type { Say } from "../texts.js";
import { Composer, type ComposerHooks } from "./composer.js";
import { h, icon, iconButton } from "./dom.js";
import type { MessageHooks } from "./message.js";
import { MessageList } from "./messages.js";
import { Panel, type PanelHooks } from "./panel.js";
import { Speaker } from "./speaker.js";

export interface Look {
  say: Say;
  heading: string;
  placeholder: string;
  suggestions: readonly string[];
  files: boolean;
  /** The browser keeps the conversation, so a new one deletes it. */
  keeps: boolean;
  /** It can be closed. */
  closes: boolean;
  /** The host of a server that may be asked instead. */
  server: string | undefined;
}

export interface WindowHooks extends ComposerHooks, PanelHooks {
  messages: () => MessageHooks;
  clear(): void;
  save(): void;
  close(): void;
  /** Stops, or closes, whatever is open. */
  escape(): void;
}

export class Window {
  readonly header: HTMLElement;
  readonly parts: HTMLElement[];
  readonly messages: MessageList;
  readonly composer: Composer;
  readonly panel: Panel;
  readonly speaker: Speaker;
  #empty: HTMLElement;
  #chips: HTMLElement;
  #greeting: HTMLElement;
  #menu: HTMLDetailsElement;
  #bottom: HTMLElement;
  #privacy = new Text();
  /** Where the words go, if they leave: a page's own footer does not hide it. */
  #way = h("p", { class: "way", part: "way", role: "status", hidden: true });

  constructor(look: Look, hooks: WindowHooks) {
    const { say } = look;
    this.panel = new Panel(say, hooks, look.server);
    this.composer = new Composer(say, hooks);
    this.composer.allow(look.files, look.placeholder || say.text("write"));
    this.speaker = new Speaker(() => say);
    this.#greeting = h("slot", { name: "empty" }, h("p", { class: "greeting" }, say.text("greeting")));
    const press = (text: string) => {
      hooks.send(text, []);
      // What was pressed is gone.
      this.composer.focus();
    };
    const chips = look.suggestions.map((text) => h("button", { part: "suggestion", press: () => press(text) }, text));
    this.#chips = h("div", { class: "chips" }, ...chips);
    this.#empty = h("div", { class: "empty" }, this.#greeting, this.#chips, this.panel.element);
    this.messages = new MessageList(say, hooks.messages, this.#empty);
    this.#menu = menu(look, hooks);
    const close = look.closes && iconButton("close", say.text("close"), () => hooks.close());
    const title = h("h2", { id: "title", part: "title" }, look.heading || say.text("title"));
    this.header = h(
      "header",
      { class: "header", part: "header" },
      title,
      h("slot", { name: "header" }),
      this.#menu,
      close,
    );
    const footer = h("p", { class: "footer", part: "footer" }, h("slot", { name: "footer" }, this.#privacy));
    this.#bottom = h("div", { class: "bottom" }, this.composer.element, this.#way, footer);
    this.parts = [this.header, this.messages.element, this.#bottom, this.speaker.element];
  }

  /** What there is to see besides messages. */
  show(phase: Phase, isEmpty: boolean): void {
    const ready = phase === "ready";
    this.#greeting.hidden = !isEmpty;
    this.#chips.hidden = !isEmpty || !ready;
    this.#empty.hidden = !isEmpty;
    this.composer.element.hidden = !ready;
    // Who would answer again is not there.
    this.messages.element.classList.toggle("idle", !ready);
    this.#menu.hidden = isEmpty;
    // With messages there it comes after them, where the composer will be.
    const place = isEmpty ? this.#empty : this.#bottom;
    // What is moved loses the focus.
    if (this.panel.element.parentElement === place) return;
    if (isEmpty) place.append(this.panel.element);
    else place.prepend(this.panel.element);
  }

  /** Says where the words go: all to the server, some, or none. */
  way(say: Say, key: "private" | "leaves" | "mayLeave", host = ""): void {
    const stays = key === "private";
    this.#privacy.data = stays ? say.text(key) : "";
    this.#way.textContent = stays ? "" : say.text(key, { host });
    this.#way.hidden = stays;
  }

  facts(facts: Facts): void {
    this.panel.facts(facts);
  }

  get isMenuOpen(): boolean {
    return this.#menu.open;
  }

  closeMenu(): void {
    const root = this.#menu.getRootNode() as Document | ShadowRoot;
    const hadFocus = this.#menu.contains(root.activeElement);
    this.#menu.open = false;
    if (hadFocus) this.#menu.querySelector("summary")!.focus();
  }
}

function menu({ say, keeps }: Look, hooks: WindowHooks): HTMLDetailsElement {
  const details = h("details", { class: "menu" });
  const label = say.text(keeps ? "delete" : "newChat");
  const clear = h("button", {
    press: () => {
      // What is kept is deleted at the second press alone.
      if (keeps && clear.textContent === label) {
        clear.textContent = `${label}?`;
        return;
      }
      details.open = false;
      hooks.clear();
    },
  });
  clear.textContent = label;
  const save = h("button", {
    press: () => {
      details.open = false;
      hooks.save();
    },
  });
  save.textContent = say.text("save");
  details.append(
    h("summary", { "aria-label": say.text("menu"), title: say.text("menu") }, icon("more")),
    h("div", {}, save, clear),
  );
  // Told late: when it tells of an opening, the first press may have been.
  details.addEventListener("toggle", () => {
    if (!details.open) clear.textContent = label;
  });
  details.addEventListener("focusout", ({ relatedTarget }) => {
    if (relatedTarget instanceof Node && !details.contains(relatedTarget)) details.open = false;
  });
  return details;
}
