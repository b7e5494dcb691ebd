/** Where a message is written: its text, its files, and the button that sends it or stops the reply. */
import { LARGEST_FILE, readText } from "../chat/attach.js";
import type { Attachment } from "../chat/turns.js";
import type { Say } from "../texts.js";
import { h, icon, iconButton } from "./dom.js";

export interface ComposerHooks {
  send(text: string, files: Attachment[]): void;
  stop(): void;
  /** The edit of a message was given up. */
  cancel(): void;
  /** The arrow up in an empty composer. */
  last(): void;
}

export class Composer {
  readonly element: HTMLFormElement;
  #say: Say;
  #hooks: ComposerHooks;
  #input: HTMLTextAreaElement;
  #send: HTMLButtonElement;
  #stop: HTMLButtonElement;
  #files: Attachment[] = [];
  #fileList = h("div", { class: "files", hidden: true });
  #note = h("p", { class: "note", part: "note", role: "alert", hidden: true });
  #editing: HTMLElement;
  #picker = h("input", { type: "file", multiple: true, hidden: true });
  #attach: HTMLButtonElement;
  #isDisabled = false;
  /** What is written is being made another; whether it is to be sent then. */
  #works = false;
  #isDue = false;

  constructor(say: Say, hooks: ComposerHooks) {
    this.#say = say;
    this.#hooks = hooks;
    const label = say.text("write");
    this.#input = h("textarea", {
      rows: "1",
      part: "input",
      dir: "auto",
      enterkeyhint: "send",
      "aria-label": label,
      placeholder: label,
    });
    this.#send = iconButton("send", say.text("send"), undefined, { type: "submit", class: "icon send", part: "send" });
    this.#stop = iconButton("stop", say.text("stop"), () => hooks.stop(), {
      class: "icon stop",
      part: "stop",
      hidden: true,
    });
    this.#attach = iconButton("attach", say.text("attach"), () => this.#picker.click());
    this.#editing = h("div", { class: "editing", hidden: true }, h("span", {}, say.text("editing")));
    this.#editing.append(h("button", { class: "plain", press: () => hooks.cancel() }, say.text("cancel")));
    const row = h("div", { class: "row" }, this.#attach, this.#input, this.#send, this.#stop);
    this.element = h(
      "form",
      { class: "composer", part: "composer" },
      this.#note,
      this.#editing,
      this.#fileList,
      row,
      this.#picker,
    );
    this.#listen();
    this.#changed();
  }

  #listen(): void {
    this.element.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#submit();
    });
    this.#input.addEventListener("input", () => {
      // What could be done about it is for the text as it was.
      if (this.#note.childElementCount > 0) this.tell();
      this.#changed();
    });
    this.#input.addEventListener("keydown", (event) => this.#key(event));
    this.#picker.addEventListener("change", () => {
      void this.attach(Array.from(this.#picker.files ?? []));
      this.#picker.value = "";
    });
    this.#input.addEventListener("paste", (event) => {
      const files = Array.from(event.clipboardData?.files ?? []);
      if (files.length === 0 || this.#attach.hidden) return;
      event.preventDefault();
      void this.attach(files);
    });
    this.element.addEventListener("dragover", (event) => event.preventDefault());
    this.element.addEventListener("drop", (event) => {
      event.preventDefault();
      if (!this.#attach.hidden) void this.attach(Array.from(event.dataTransfer?.files ?? []));
    });
  }

  #key(event: KeyboardEvent): void {
    // The key that ends a word in an input method is no wish to send (229: Safari tells so alone).
    const composes = event.isComposing || event.keyCode === 229;
    if (event.key === "ArrowUp" && this.#input.value === "" && this.#files.length === 0 && !composes) {
      event.preventDefault();
      this.#hooks.last();
    }
    // On a phone the Return key writes a new line; there is a button to send.
    if (event.key !== "Enter" || event.shiftKey || composes || !matchMedia("(any-pointer: fine)").matches) return;
    event.preventDefault();
    if (!event.repeat) this.#submit();
  }

  #submit(): void {
    const text = this.#input.value.trim();
    if (this.#isDisabled || !this.#stop.hidden || (text === "" && this.#files.length === 0)) return;
    if (this.#works) {
      this.#isDue = true;
      return;
    }
    const files = this.#files;
    this.set("", []);
    this.#hooks.send(text, files);
  }

  async attach(files: readonly File[]): Promise<void> {
    this.tell();
    for (const file of files) {
      const read = await readText(file);
      if (read) this.#files.push(read);
      else this.tell(this.#say.text("notText", { name: file.name, size: this.#say.bytes(LARGEST_FILE) }));
    }
    this.#showFiles();
    this.focus();
  }

  #showFiles(): void {
    const chips = this.#files.map((file) => {
      const label = this.#say.text("remove", { name: file.name });
      const remove = () => {
        this.#files = this.#files.filter((other) => other !== file);
        this.#showFiles();
        this.focus();
      };
      return h("span", { class: "file" }, icon("file"), file.name, iconButton("close", label, remove));
    });
    this.#fileList.replaceChildren(...chips);
    this.#fileList.hidden = chips.length === 0;
    this.#changed();
  }

  /** The text and files that are there to be sent. */
  set(text: string, files: readonly Attachment[]): void {
    this.#input.value = text;
    this.#files = [...files];
    this.tell();
    this.#showFiles();
  }

  /** Goes on where another is left. */
  takeOver(before: Composer): void {
    this.set(before.draft.text, before.#files);
    const { selectionStart, selectionEnd } = before.#input;
    this.#input.setSelectionRange(selectionStart, selectionEnd);
  }

  /** What is written and not sent yet. */
  get draft(): { text: string; files: readonly Attachment[] } {
    return { text: this.#input.value, files: this.#files };
  }

  /** Something about the message, and what can be done about it; nothing takes it away. `isBad`: it could not be sent so. */
  tell(note = "", act?: { label: string; press: () => void }, isBad = true): void {
    this.#note.classList.toggle("bad", isBad);
    this.#note.replaceChildren(note);
    if (act) this.#note.append(" ", h("button", { press: act.press }, act.label));
    this.#note.hidden = note === "";
  }

  /** While what is written is made another it says so; who sends it meanwhile has sent it afterwards. */
  async during(work: Promise<void>): Promise<void> {
    this.tell(this.#say.text("reading"), undefined, false);
    this.#works = true;
    await work;
    this.#works = false;
    this.tell();
    if (this.#isDue) this.#submit();
    this.#isDue = false;
  }

  edits(yes: boolean): void {
    this.#editing.hidden = !yes;
  }

  allow(files: boolean, placeholder: string): void {
    this.#attach.hidden = !files;
    this.#input.placeholder = placeholder;
  }

  /** While a reply grows it can be stopped; the next message can be written. */
  busy(yes: boolean): void {
    const root = this.element.getRootNode() as Document | ShadowRoot;
    const hadFocus = root.activeElement === this.#send || root.activeElement === this.#stop;
    this.#stop.hidden = !yes;
    this.#send.hidden = yes;
    if (hadFocus) (yes ? this.#stop : this.#input).focus();
  }

  disable(yes: boolean): void {
    this.#isDisabled = yes;
    this.#input.disabled = yes;
    this.#attach.disabled = yes;
    this.#changed();
  }

  focus(): void {
    this.#input.focus();
  }

  #changed(): void {
    this.#send.disabled = this.#isDisabled || (this.#input.value.trim() === "" && this.#files.length === 0);
    if (CSS.supports("field-sizing", "content")) return;
    this.#input.style.height = "auto";
    this.#input.style.height = `${this.#input.scrollHeight}px`;
  }
}
