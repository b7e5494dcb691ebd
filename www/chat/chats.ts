/** The conversations of the page: the chat keeps each under its name, this is the list of them. */
import { keepConversation, keptConversation, markdownOf, type SottoChat, type Turn } from "sotto/element";
import { $, button, make, save } from "./dom.js";
import { titleOf } from "./format.js";

interface Chat {
  /** The name that the chat keeps it by. */
  id: string;
  title: string;
  /** Someone gave it this title; else it is how its first message begins. */
  isNamed?: boolean;
}

const KEY = "sotto-chats";

export class Chats {
  #chat: SottoChat;
  #current: string;
  /** The chat that the menu is open for. */
  #asked: Chat | undefined;

  constructor(chat: SottoChat) {
    this.#chat = chat;
    this.#current = read()[0]?.id ?? fresh();
    chat.setAttribute("keep", this.#current);
    chat.addEventListener("sotto-change", ({ detail }) => {
      const [first] = detail.conversation;
      this.#changed(first && (first.text || (first.role === "user" && first.files?.[0]?.name) || "Chat"));
    });
    $("new-chat").onclick = () => this.#open(fresh());
    // Another tab's chats are these, too.
    addEventListener("storage", ({ key }) => key === KEY && this.#show());
    this.#listen();
    this.#show();
  }

  #open(id: string): void {
    this.#current = id;
    this.#chat.setAttribute("keep", id);
    if ($("side").matches(":popover-open")) $("side").hidePopover();
    this.#show();
    this.#chat.focus();
  }

  /** One without messages is none. */
  #changed(first: string | undefined): void {
    const chats = read();
    const there = chats.find(({ id }) => id === this.#current);
    if (first === undefined) write(chats.filter((chat) => chat !== there));
    else if (!there) write([{ id: this.#current, title: titleOf(first) }, ...chats]);
    else if (!there.isNamed && there.title !== titleOf(first)) {
      there.title = titleOf(first);
      write(chats);
    } else return;
    this.#show();
  }

  /** What can be done with a chat, the open one or another. */
  #ask(id: string): void {
    this.#asked = read().find((chat) => chat.id === id);
    if (!this.#asked) return;
    if ($("side").matches(":popover-open")) $("side").hidePopover();
    $<HTMLInputElement>("chat-title").value = this.#asked.title;
    this.#sure(false);
    $<HTMLDialogElement>("chat-menu").showModal();
  }

  #listen(): void {
    const dialog = $<HTMLDialogElement>("chat-menu");
    dialog.querySelector("form")!.onsubmit = () => this.#rename($<HTMLInputElement>("chat-title").value.trim());
    $("chat-markdown").onclick = () =>
      void this.#save("md", "text/markdown", (turns) => markdownOf(turns, "You", "Model"));
    $("chat-json").onclick = () =>
      void this.#save("json", "application/json", (turns) => JSON.stringify(turns, null, 2));
    $("chat-delete").onclick = () => {
      // Nothing brings it back: it goes at the second press.
      if ($("chat-delete").textContent === "Delete") return this.#sure(true);
      dialog.close();
      void this.#delete();
    };
  }

  #sure(isAsked: boolean): void {
    $("chat-delete").textContent = isAsked ? "Delete for good?" : "Delete";
  }

  #rename(title: string): void {
    const chats = read();
    const chat = chats.find(({ id }) => id === this.#asked?.id);
    if (!chat || title === "" || title === chat.title) return;
    Object.assign(chat, { title, isNamed: true });
    write(chats);
    this.#show();
  }

  async #save(kind: string, type: string, asText: (turns: readonly Turn[]) => string): Promise<void> {
    const { id, title } = this.#asked!;
    const turns = id === this.#current ? this.#chat.conversation : await keptConversation(id);
    save(asText(turns), `${title.replace(/[^\p{L}\p{N}]+/gu, " ").trim() || "chat"}.${kind}`, type);
  }

  async #delete(): Promise<void> {
    const { id } = this.#asked!;
    // The open one tells of it, and so leaves the list.
    if (id === this.#current) this.#chat.clear();
    else {
      await keepConversation(id, []);
      write(read().filter((chat) => chat.id !== id));
      this.#show();
    }
    $("chat-list").querySelector("button")?.focus();
    if (!$("chat-list").childElementCount) this.#chat.focus();
  }

  #show(): void {
    const rows = read().map(({ id, title }) => {
      const open = button(title, () => this.#open(id));
      if (id === this.#current) open.setAttribute("aria-current", "true");
      open.dir = "auto";
      open.classList.add("open");
      const more = button("⋯", () => this.#ask(id), `More on ${title}`);
      return make("li", "", open, more);
    });
    $("chat-list").replaceChildren(...rows);
    $("no-chats").hidden = rows.length > 0;
  }
}

const fresh = () => `page-${Date.now().toString(36)}`;

function read(): Chat[] {
  try {
    const list: unknown = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    const isChat = (it: unknown): it is Chat =>
      typeof (it as Chat)?.id === "string" && typeof (it as Chat).title === "string";
    return Array.isArray(list) ? list.filter(isChat) : [];
  } catch {
    // Storage may be off or hold something else: there are none.
    return [];
  }
}

function write(chats: readonly Chat[]): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(chats));
  } catch {
    // Storage may be off.
  }
}
