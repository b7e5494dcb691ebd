/** One message: its text, and of a reply its thoughts, the functions that it called, how it ended, what can be done. */
import type { AssistantTurn, Call, Took, Turn } from "../chat/turns.js";
import { StreamedMarkdown } from "../markdown/stream.js";
import type { Say } from "../texts.js";
import { codeBlock, colour } from "./code.js";
import { copyButton } from "./copy.js";
import { h, icon, iconButton } from "./dom.js";

/** Renders mathematics: `temml.render` and the like, given by the page. */
export type RenderMath = (source: string, display: boolean) => Node;

export interface MessageHooks {
  say: Say;
  math: RenderMath | undefined;
  /** Whether replies can be judged. */
  feedback: boolean;
  /** Whether replies say what they took. */
  figures: boolean;
  /** Whether the model sees anything of before the last message. */
  hasOlder(): boolean;
  edit(turn: Turn): void;
  /** `alone`: without what was said before. */
  again(turn: Turn, alone?: boolean): void;
  goOn(turn: Turn): void;
  judged(turn: AssistantTurn): void;
  drawn(): void;
}

export class MessageView {
  readonly element: HTMLElement;
  readonly turn: Turn;
  #hooks: MessageHooks;
  #body: HTMLElement;
  #markdown: StreamedMarkdown | undefined;
  #waiting: HTMLElement | undefined;
  #thoughts: { details: HTMLDetailsElement; title: Text; text: Text } | undefined;
  #calls = new Map<string, HTMLDetailsElement>();
  #foot: HTMLElement | undefined;
  #figures = h("p", { class: "figures", part: "figures", hidden: true });

  constructor(turn: Turn, hooks: MessageHooks) {
    this.turn = turn;
    this.#hooks = hooks;
    const { say } = hooks;
    this.#body = h("div", { class: "body", part: "body", dir: "auto" });
    const label = say.text(turn.role === "user" ? "you" : "assistant");
    this.element = h("article", { class: turn.role, part: turn.role, "aria-label": label }, this.#body, this.#figures);
    if (turn.role === "user") this.#showUser();
    else this.#showReply(turn);
  }

  #showUser(): void {
    const { turn } = this;
    if (turn.role !== "user") return;
    const files = (turn.files ?? []).map(({ name }) => h("span", { class: "file" }, icon("file"), name));
    if (files.length > 0) this.#body.before(h("div", { class: "files" }, ...files));
    this.#body.textContent = turn.text;
    this.#body.hidden = turn.text === "";
    this.#showFoot();
  }

  /** What there is of it already. */
  #showReply(turn: AssistantTurn): void {
    if (turn.thoughts) this.thought(turn.thoughts);
    for (const call of turn.calls ?? []) this.called(call);
    if (turn.text) this.text(turn.text);
    if (turn.end) void this.ended();
  }

  /** The reply has begun, or goes on. */
  begun(): void {
    this.#foot?.remove();
    this.#foot = undefined;
    this.element.setAttribute("aria-busy", "true");
    if (this.#markdown) {
      // What goes on may go on in the middle of a word.
      this.#markdown = undefined;
      this.#body.replaceChildren();
      this.text(this.turn.text);
    }
    this.#waiting = h("div", { class: "waiting", "aria-hidden": "true" }, h("i"), h("i"), h("i"));
    this.#figures.before(this.#waiting);
    this.#figure(this.#hooks.say.text("reading"));
  }

  /** So many tokens of what it answers are read. */
  read(loaded: number, total: number | undefined): void {
    const { say } = this.#hooks;
    const far = total === undefined ? "" : say.text("progress", { loaded, total });
    if (this.#waiting) this.#figure(`${say.text("reading")} ${far}`);
  }

  #figure(text: string): void {
    this.#figures.hidden = text === "" || !this.#hooks.figures;
    this.#figures.textContent = text;
  }

  /** What it has taken so far. */
  #tally(): void {
    if (!this.#hooks.figures) return;
    const { took } = this.turn as AssistantTurn;
    this.#figure(took ? tallyOf(took, this.#hooks.say) : "");
  }

  #came(): void {
    this.#waiting?.remove();
    this.#waiting = undefined;
  }

  text(more: string): void {
    this.#came();
    this.#markdown ??= this.#newMarkdown();
    this.#markdown.add(more);
    this.#thoughtsEnd();
  }

  /** What is thought has been thought. */
  #thoughtsEnd(): void {
    if (this.#thoughts) this.#thoughts.title.data = this.#hooks.say.text("thoughts");
  }

  #newMarkdown(): StreamedMarkdown {
    const { say, math, drawn } = this.#hooks;
    return new StreamedMarkdown(this.#body, {
      code: (language) => codeBlock(language, say),
      formula: (source, display) => {
        try {
          return math?.(source, display);
        } catch {
          // A formula that is not whole, or not right, is shown as it was written.
          return undefined;
        }
      },
      drawn: () => {
        this.#tally();
        drawn();
      },
      closed: colour,
    });
  }

  thought(more: string): void {
    this.#came();
    if (!this.#thoughts) {
      const title = new Text(
        this.#hooks.say.text(this.turn.role === "assistant" && this.turn.end ? "thoughts" : "thinking"),
      );
      const text = new Text();
      const details = h("details", { class: "thoughts", part: "thoughts" });
      details.append(h("summary", {}, title), h("p", { dir: "auto" }, text));
      this.#body.before(details);
      this.#thoughts = { details, title, text };
    }
    this.#thoughts.text.appendData(more);
    this.#tally();
    this.#hooks.drawn();
  }

  called(call: Call): void {
    this.#came();
    const { say } = this.#hooks;
    const title = say.text(call.result === undefined ? "toolRuns" : "toolRan", { name: call.name });
    const rows = [h("p", {}, say.text("arguments")), h("pre", { tabindex: "0", dir: "ltr" }, call.arguments)];
    if (call.result !== undefined)
      rows.push(h("p", {}, say.text("result")), h("pre", { tabindex: "0", dir: "auto" }, call.result));
    const there = this.#calls.get(call.id);
    const details = h("details", { class: "call", part: "call", open: there?.open ?? false });
    details.append(h("summary", {}, icon("tool"), title), ...rows);
    if (there) there.replaceWith(details);
    else this.#body.before(details);
    this.#calls.set(call.id, details);
    this.#hooks.drawn();
  }

  /** The model does not see it any more, or does again. */
  forget(yes = true): void {
    this.element.classList.toggle("forgotten", yes);
  }

  async ended(): Promise<void> {
    this.#came();
    this.element.removeAttribute("aria-busy");
    this.#thoughtsEnd();
    this.#tally();
    const markdown = this.#markdown;
    this.#showFoot();
    await markdown?.end();
    this.#hooks.drawn();
  }

  /** How it ended, and what can be done. */
  #showFoot(): void {
    this.#foot?.remove();
    const { turn } = this;
    const { say } = this.#hooks;
    const foot = h("div", { class: "foot" });
    if (turn.role === "user") {
      foot.append(copyButton(say, () => turn.text));
      foot.append(iconButton("edit", say.text("edit"), () => this.#hooks.edit(turn), { class: "icon edit" }));
    } else {
      if (turn.from) foot.append(h("p", { class: "note", part: "from" }, say.text("from", { host: turn.from })));
      const note = noteOf(turn, say);
      if (note) foot.append(h("p", { class: turn.end === "failed" ? "note bad" : "note", part: "note" }, note));
      if (turn.end === "full" && this.#hooks.hasOlder())
        foot.append(h("button", { class: "again", press: () => this.#hooks.again(turn, true) }, say.text("alone")));
      if (turn.text) foot.append(copyButton(say, () => turn.text));
      foot.append(iconButton("again", say.text("regenerate"), () => this.#hooks.again(turn), { class: "icon again" }));
      if (turn.end === "stopped" || turn.end === "cut")
        foot.append(iconButton("go", say.text("continue"), () => this.#hooks.goOn(turn), { class: "icon go" }));
      if (this.#hooks.feedback && turn.text) foot.append(this.#judge(turn, "good"), this.#judge(turn, "bad"));
    }
    this.element.append(foot);
    this.#foot = foot;
  }

  #judge(turn: AssistantTurn, value: "good" | "bad"): HTMLButtonElement {
    const press = () => {
      if (turn.feedback === value) delete turn.feedback;
      else turn.feedback = value;
      for (const button of this.#foot!.querySelectorAll("[data-judges]"))
        button.setAttribute("aria-pressed", String((button as HTMLElement).dataset.judges === turn.feedback));
      this.#hooks.judged(turn);
    };
    const pressed = String(turn.feedback === value);
    return iconButton(value, this.#hooks.say.text(value), press, { "aria-pressed": pressed, "data-judges": value });
  }
}

/** "31 tokens/s · first token after 240 ms · 128 tokens" */
function tallyOf({ tokens, first, last }: Took, say: Say): string {
  const perSecond = (1000 * (tokens - 1)) / (last - first);
  const parts = [
    perSecond > 0 && perSecond < Infinity && say.text("rate", { n: perSecond }),
    say.text("first", { time: say.time(first) }),
    say.text("tokens", { n: tokens }),
  ];
  return parts.filter(Boolean).join(" · ");
}

function noteOf(turn: AssistantTurn, say: Say): string | undefined {
  if (turn.end === "stopped") return say.text("stopped");
  if (turn.end === "cut") return say.text("cut");
  if (turn.end === "full") return say.text("full");
  if (turn.end === "failed") return say.text("failed", { reason: turn.error ?? "" });
  return undefined;
}
