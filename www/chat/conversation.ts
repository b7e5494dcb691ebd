/** The chat itself: messages, the streamed reply, its figures. */
import { SottoError, type Chunk, type Message, type Model } from "sotto";
import { $, show } from "./dom.js";
import { rate, seconds } from "./format.js";
import { render } from "./markdown.js";
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

export class Conversation {
  #hooks: Hooks;
  #model: Model | undefined;
  #history: Message[] = [];
  #running: AbortController | undefined;
  #prompt = $<HTMLTextAreaElement>("prompt");
  #scroll = $("scroll");

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    $("composer").onsubmit = (event) => {
      event.preventDefault();
      this.#send();
    };
    this.#prompt.oninput = () => this.#fit();
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
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !$<HTMLDialogElement>("settings").open) this.#running?.abort();
    });
    for (const text of SUGGESTIONS) {
      const chip = document.createElement("button");
      chip.type = "button";
      chip.textContent = text;
      chip.onclick = () => {
        this.#prompt.value = text;
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
  }

  clear(): void {
    this.#running?.abort();
    this.#history = [];
    $("messages").replaceChildren();
    show("empty", true);
    this.#prompt.focus();
  }

  #fit(): void {
    this.#prompt.style.height = "auto";
    this.#prompt.style.height = `${this.#prompt.scrollHeight}px`;
  }

  #send(): void {
    const text = this.#prompt.value.trim();
    if (!text || !this.#model || this.#running) return;
    this.#prompt.value = "";
    this.#fit();
    show("empty", false);
    const question = addMessage("user", "You");
    question.body.textContent = text;
    void this.#reply(this.#model, text);
  }

  async #reply(model: Model, text: string): Promise<void> {
    const running = new AbortController();
    this.#running = running;
    const history = this.#history;
    const answer = addMessage("assistant", model.info.name);
    answer.body.setAttribute("aria-busy", "true");
    answer.figures.textContent = "Reading…";
    this.#busy(true);
    this.#toEnd();

    const { system, temperature, maxTokens } = this.#hooks.settings();
    history.push({ role: "user", content: text });
    const messages = system.trim() ? [{ role: "system", content: system.trim() }, ...history] : history;
    // A base model has no chat template: it goes on writing the text.
    const prompt = model.info.chatTemplate ? messages : text;

    const reply = new StreamedText(answer.body, () => this.#follow());
    const started = performance.now();
    const count = { tokens: 0, first: 0 };
    const figures = (last?: Chunk) => {
      answer.figures.textContent = describe(count, started, last);
    };
    try {
      const options = {
        signal: running.signal,
        temperature,
        maxTokens,
        onProgress: ({ loaded, total }: { loaded: number; total: number | undefined }) => {
          answer.figures.textContent = `Reading ${loaded} of ${total ?? "?"} tokens…`;
        },
      };
      for await (const chunk of model.generate(prompt, options)) {
        if (chunk.tokens.length > 0) count.first ||= performance.now();
        count.tokens += chunk.tokens.length;
        reply.add(chunk.text);
        figures(chunk);
      }
    } catch (thrown) {
      const error = SottoError.from(thrown);
      figures();
      if (error.code === "aborted") answer.figures.append(" · stopped");
      else if (error.code !== "disposed") {
        answer.figures.textContent = error.message;
        answer.figures.classList.add("bad");
        this.#hooks.onError(error);
      }
    } finally {
      reply.flush();
      answer.body.removeAttribute("aria-busy");
      if (reply.text) history.push({ role: "assistant", content: reply.text });
      else history.pop();
      if (this.#running === running) {
        this.#running = undefined;
        this.#busy(false);
      }
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

/** Text that grows; drawn at most once a frame. */
class StreamedText {
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

function addMessage(role: "user" | "assistant", name: string): { body: HTMLElement; figures: HTMLElement } {
  const article = document.createElement("article");
  article.className = role;
  article.setAttribute("aria-label", name);
  const body = document.createElement("div");
  body.className = "body";
  const figures = document.createElement("p");
  figures.className = "figures";
  figures.setAttribute("aria-live", "off");
  article.append(body);
  if (role === "assistant") article.append(figures);
  $("messages").append(article);
  return { body, figures };
}

/** "31 tokens/s · first token after 240 ms · 128 tokens" */
function describe(count: { tokens: number; first: number }, started: number, last?: Chunk): string {
  const now = performance.now();
  const measured = count.tokens > 1 ? ((count.tokens - 1) / (now - count.first)) * 1000 : 0;
  const perSecond = last?.timings?.decodeTps || measured;
  const ttft = last?.timings?.ttftMs || (count.first ? count.first - started : 0);
  const parts = [
    perSecond > 0 && Number.isFinite(perSecond) && rate(perSecond),
    ttft > 0 && `first token after ${seconds(ttft)}`,
    count.tokens > 0 && `${count.tokens} token${count.tokens === 1 ? "" : "s"}`,
    last?.finishReason === "length" && "cut at the longest reply set",
  ];
  return parts.filter(Boolean).join(" · ");
}
