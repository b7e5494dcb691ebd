/** The chat itself: messages, the streamed reply, its figures, and what a full context means for them. */
import { SottoError, type Model } from "sotto";
import { type Piece, ask, room, shortened } from "./ask.js";
import { $, show } from "./dom.js";
import { rate, seconds } from "./format.js";
import { type Actions, MessageView, StreamedText } from "./message.js";
import type { Settings } from "./settings.js";

const SUGGESTIONS = [
  "Explain to a child why the sky is blue.",
  "Write a haiku about autumn rain.",
  "Give me three uses for a paperclip.",
];

interface Hooks {
  settings(): Settings;
  onError(error: SottoError): void;
}

interface Said {
  message: { role: "user" | "assistant"; content: string };
  view: MessageView;
}

/** What a reply took, as far as it is known. */
interface Count {
  started: number;
  first: number;
  tokens: number;
  limit?: Piece["limit"];
}

export class Conversation {
  #hooks: Hooks;
  #model: Model | undefined;
  /** What the model is shown; messages that it must not see any more are on the page alone. */
  #history: Said[] = [];
  #running: AbortController | undefined;
  #prompt = $<HTMLTextAreaElement>("prompt");
  #scroll = $("scroll");

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    $("composer").onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    this.#prompt.oninput = () => {
      this.#fit();
      show("too-long", false);
    };
    this.#prompt.onkeydown = (event) => {
      // On a phone the Return key writes a new line; there is a button to send.
      const sends =
        event.key === "Enter" && !event.shiftKey && !event.isComposing && matchMedia("(pointer: fine)").matches;
      if (!sends) return;
      event.preventDefault();
      this.#send();
    };
    $("stop").onclick = () => this.#running?.abort();
    $("new-chat").onclick = () => this.clear();
    $("shorten").onclick = () => void this.#shorten();
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !$<HTMLDialogElement>("settings").open) this.#running?.abort();
    });
    for (const text of SUGGESTIONS) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = text;
      chip.onclick = () => {
        this.#write(text);
        this.#send();
      };
      $("suggestions").append(chip);
    }
  }

  open(model: Model): void {
    this.#model = model;
    show("composer", true);
    this.clear();
  }

  /** Stops the reply; the model is not used after this, what was said stays. */
  close(): void {
    this.#running?.abort();
    this.#model = undefined;
    show("composer", false);
    show("too-long", false);
  }

  clear(): void {
    this.#running?.abort();
    this.#history = [];
    $("messages").replaceChildren();
    show("empty", true);
    show("too-long", false);
    this.#prompt.focus();
  }

  #write(text: string): void {
    this.#prompt.value = text;
    this.#fit();
  }

  #fit(): void {
    this.#prompt.style.height = "auto";
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }

  #send(): void {
    const content = this.#prompt.value.trim();
    if (!content || !this.#model || this.#running) return;
    this.#write("");
    show("empty", false);
    show("too-long", false);
    const view = new MessageView("user", "You");
    view.body.textContent = content;
    this.#history.push({ message: { role: "user", content }, view });
    void this.#reply(this.#model);
  }

  #system(): { role: string; content: string }[] {
    const content = this.#hooks.settings().system.trim();
    return content ? [{ role: "system", content }] : [];
  }

  /** Answers the last message. */
  async #reply(model: Model): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const history = this.#history;
    const answer = new MessageView("assistant", model.info.name);
    answer.body.setAttribute("aria-busy", "true");
    answer.figures.textContent = "Reading…";
    this.#busy(true);
    this.#toEnd();

    const reply = new StreamedText(answer.body, () => this.#follow());
    const count: Count = { started: performance.now(), first: 0, tokens: 0 };
    const options = {
      signal: running.signal,
      onProgress: ({ loaded, total }: { loaded: number; total: number | undefined }) => {
        answer.figures.textContent = `Reading ${loaded} of ${total ?? "?"} tokens…`;
      },
    };
    try {
      const system = this.#system();
      const messages = [...system, ...history.map(({ message }) => message)];
      for await (const piece of ask(model, messages, this.#hooks.settings(), options)) {
        if (piece.dropped)
          this.#forgot(
            piece.dropped.map((place) => history[place - system.length]!),
            answer,
          );
        if (piece.thought) answer.think(piece.thought);
        if (piece.text) reply.add(piece.text);
        if (piece.text || piece.thought) {
          count.first ||= performance.now();
          count.tokens++;
        }
        count.tokens = piece.usage?.completion_tokens ?? count.tokens;
        count.limit = piece.limit ?? count.limit;
        answer.figures.textContent = describe(count);
      }
      if (count.limit === "context_full") this.#isFull(model, answer);
    } catch (thrown) {
      this.#failed(model, SottoError.from(thrown), count, answer);
    } finally {
      reply.flush();
      answer.body.removeAttribute("aria-busy");
      if (reply.text) history.push({ message: { role: "assistant", content: reply.text }, view: answer });
      else history.pop();
      if (this.#running === running) {
        this.#running = undefined;
        this.#busy(false);
      }
      this.#follow();
    }
  }

  #failed(model: Model, error: SottoError, count: Count, answer: MessageView): void {
    answer.figures.textContent = describe(count);
    if (error.code === "prompt_too_long") this.#takeBack(model, answer);
    else if (error.code === "aborted") answer.figures.append(" · stopped");
    else if (error.code !== "disposed") {
      answer.figures.textContent = error.message;
      answer.figures.classList.add("bad");
      this.#hooks.onError(error);
    }
  }

  /** There was no room for these: the model does not see them any more. */
  #forgot(messages: readonly Said[], answer: MessageView): void {
    const isNews = messages.some(({ view }) => !view.isForgotten);
    for (const { view } of messages) view.forget();
    if (isNews) {
      const text = "This chat is longer than what the model can keep in mind. It no longer sees the grey messages.";
      answer.note(text, { "Start a new chat": () => this.clear() });
    }
  }

  /** The reply was cut since nothing more fits. */
  #isFull(model: Model, answer: MessageView): void {
    const seen = this.#history.slice(0, -1).filter(({ view }) => !view.isForgotten);
    const actions: Actions = { "Start a new chat": () => this.clear() };
    if (seen.length > 0) {
      actions["Answer again without the older messages"] = () => {
        if (this.#running || this.#model !== model || this.#history.at(-1)?.view !== answer) return;
        const asked = this.#history.findLastIndex(({ message }) => message.role === "user");
        for (const { view } of this.#history.slice(0, asked)) view.forget();
        this.#history = [this.#history[asked]!];
        answer.article.remove();
        void this.#reply(model);
      };
    }
    answer.note("The reply stopped here: the chat fills all that the model can keep in mind.", actions);
  }

  /** The last message alone is too long: it is in the input again. */
  #takeBack(model: Model, answer: MessageView): void {
    const { message, view } = this.#history.at(-1)!;
    answer.article.remove();
    view.article.remove();
    show("empty", this.#history.length === 1);
    const tokens = model.info.contextLength - room(model, this.#hooks.settings());
    const words = Math.max(10, Math.floor((tokens * 0.7) / 10) * 10);
    $("too-long-text").textContent =
      `Your message is too long: this model reads about ${words.toLocaleString("en")} words at once. ` +
      "It is in the box again, so that you can shorten it.";
    show("too-long", true);
    if (!this.#prompt.value) this.#write(message.content);
  }

  async #shorten(): Promise<void> {
    const model = this.#model;
    if (!model || this.#running) return;
    const text = this.#prompt.value;
    try {
      const short = await shortened(model, this.#system(), text, this.#hooks.settings());
      if (this.#prompt.value !== text) return;
      this.#write(short);
      show("too-long", false);
      this.#prompt.focus();
    } catch (thrown) {
      this.#hooks.onError(SottoError.from(thrown));
    }
  }

  #busy(busy: boolean): void {
    const hadFocus = document.activeElement === $("stop") || document.activeElement === $("send");
    show("send", !busy);
    show("stop", busy);
    if (hadFocus) $(busy ? "stop" : "prompt").focus();
  }

  /** Keeps the end in sight unless the reader has scrolled up. */
  #follow(): void {
    const { scrollHeight, scrollTop, clientHeight } = this.#scroll;
    if (scrollHeight - scrollTop - clientHeight < 160) this.#toEnd();
  }

  #toEnd(): void {
    this.#scroll.scrollTop = this.#scroll.scrollHeight;
  }
}

/** "31 tokens/s · first token after 240 ms · 128 tokens" */
function describe({ started, first, tokens, limit }: Count): string {
  const perSecond = tokens > 1 ? ((tokens - 1) / (performance.now() - first)) * 1000 : 0;
  const parts = [
    perSecond > 0 && Number.isFinite(perSecond) && rate(perSecond),
    first > 0 && `first token after ${seconds(first - started)}`,
    tokens > 0 && `${tokens} token${tokens === 1 ? "" : "s"}`,
    limit === "max_tokens" && "cut at the longest reply set",
    limit === "context_full" && "cut: no more fits",
  ];
  return parts.filter(Boolean).join(" · ");
}
