/** A message on the page: its text, what the model thought, its figures, and notes with buttons. */
import { $ } from "./dom.js";
import { render } from "./markdown.js";

export type Actions = Record<string, () => void>;

export class MessageView {
  readonly article = document.createElement("article");
  readonly body = document.createElement("div");
  readonly figures = document.createElement("p");
  #thoughts: HTMLElement | undefined;

  constructor(role: "user" | "assistant", name: string) {
    this.article.className = role;
    this.article.setAttribute("aria-label", name);
    this.body.className = "body";
    this.figures.className = "figures";
    this.figures.setAttribute("aria-live", "off");
    this.article.append(this.body);
    if (role === "assistant") this.article.append(this.figures);
    $("messages").append(this.article);
  }

  /** What the model thinks before it answers; it can be opened. */
  think(text: string): void {
    if (!this.#thoughts) {
      const details = document.createElement("details");
      details.className = "thoughts";
      const summary = document.createElement("summary");
      summary.textContent = "Thoughts";
      this.#thoughts = document.createElement("p");
      details.append(summary, this.#thoughts);
      this.body.before(details);
    }
    this.#thoughts.append(text);
  }

  /** Something that happened, and what can be done about it. */
  note(text: string, actions: Actions): void {
    const note = document.createElement("div");
    note.className = "note";
    const said = document.createElement("p");
    said.textContent = text;
    const buttons = Object.entries(actions).map(([label, act]) => {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = label;
      button.onclick = act;
      return button;
    });
    note.append(said, ...buttons);
    this.article.append(note);
  }

  get isForgotten(): boolean {
    return this.article.classList.contains("forgotten");
  }

  /** The model does not see it any more. */
  forget(): void {
    this.article.classList.add("forgotten");
    this.article.title = "The model does not see this message any more.";
  }
}

/** Text that grows; drawn at most once a frame. */
export class StreamedText {
  text = "";
  #into: HTMLElement;
  #drawn: () => void;
  #frame = 0;

  constructor(into: HTMLElement, drawn: () => void) {
    this.#into = into;
    this.#drawn = drawn;
  }

  add(text: string): void {
    this.text += text;
    this.#frame ||= requestAnimationFrame(() => this.flush());
  }

  flush(): void {
    cancelAnimationFrame(this.#frame);
    this.#frame = 0;
    this.#into.replaceChildren(render(this.text));
    this.#drawn();
  }
}
