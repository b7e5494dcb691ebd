/** Before there is a model: what it is, how large, a button that begins, its progress, pause and resume. */
import type { Progress } from "sotto";
import type { Facts, Phase } from "../chat/loader.js";
import type { Say } from "../texts.js";
import { h } from "./dom.js";

/** Milliseconds without a byte, after which it says so. */
const SILENT_MS = 5000;

export interface PanelHooks {
  start(): void;
  pause(): void;
  /** Asks the page's server from now on. */
  instead(): void;
}

export class Panel {
  readonly element: HTMLElement;
  #say: Say;
  #name = h("h3");
  #about = h("p", { class: "about" });
  #verdict = h("p", { class: "verdict", hidden: true });
  #state = h("p", { class: "state", role: "status" });
  #error = h("p", { class: "note bad", part: "note", role: "alert", hidden: true });
  #bar: HTMLProgressElement;
  #button: HTMLButtonElement;
  #pause: HTMLButtonElement;
  /** Offered where the model does not fit or did not load. */
  #instead: HTMLElement;
  #hasServer: boolean;
  #facts: Facts = { name: "" };
  #phase: Phase = "none";
  /** What was told last. */
  #progress: Progress | undefined;
  /** "29 MB of 98 MB" */
  #said = "";
  #silence: ReturnType<typeof setTimeout> | undefined;

  /** `server`: the host that may be asked instead. */
  constructor(say: Say, hooks: PanelHooks, server: string | undefined) {
    this.#say = say;
    this.#button = h("button", { class: "primary", press: () => hooks.start() }, say.text("download"));
    // The end of a double click on what stood here before is no wish to pause, nor is a key that is held down.
    const pause = ({ detail }: MouseEvent) => detail < 2 && hooks.pause();
    this.#pause = h("button", { press: pause, hidden: true }, say.text("pause"));
    this.#pause.addEventListener("keydown", (event) => event.repeat && event.preventDefault());
    this.#bar = h("progress", { part: "progress", "aria-label": say.text("preparing"), hidden: true });
    const host = { host: server ?? "" };
    const ask = h("button", { press: () => hooks.instead() }, say.text("instead", host));
    this.#instead = h(
      "div",
      { class: "instead", part: "instead", hidden: true },
      ask,
      h("p", {}, say.text("leaves", host)),
    );
    this.#hasServer = server !== undefined;
    const buttons = h("div", { class: "row" }, this.#button, this.#pause);
    this.element = h("section", { class: "panel", part: "panel", hidden: true });
    this.element.append(
      this.#name,
      this.#about,
      this.#verdict,
      this.#bar,
      this.#state,
      this.#error,
      buttons,
      this.#instead,
      h("slot", { name: "panel" }),
    );
  }

  facts(facts: Facts): void {
    this.#facts = facts;
    const { name, bytes, stored, part } = facts;
    this.#name.textContent = name;
    this.#name.hidden = name === "";
    const size = bytes !== undefined && this.#say.bytes(bytes);
    this.#about.textContent = stored
      ? this.#say.text("stored")
      : part
        ? this.#say.text("part", { progress: this.#of(part, bytes) })
        : !isSecureContext
          ? // Nothing is kept there.
            size || ""
          : size
            ? this.#say.text("downloadSize", { size })
            : this.#say.text("downloadOnce");
    // What keeps a model from running comes first.
    this.#verdict.textContent = facts.findings?.[0] ?? "";
    this.#verdict.hidden = !facts.findings?.length;
    this.#verdict.classList.toggle("bad", facts.runs === false);
    this.#label();
  }

  #label(): void {
    const fits = this.#phase !== "failed" && this.#facts.runs !== false;
    this.#instead.hidden = !this.#hasServer || fits || this.#phase === "loading";
    const key =
      this.#phase === "paused"
        ? "resume"
        : this.#phase === "failed"
          ? "retry"
          : this.#facts.stored
            ? "start"
            : this.#facts.part
              ? "resume"
              : "download";
    this.#button.textContent = this.#say.text(key);
  }

  #of(loaded: number, total: number | undefined): string {
    const there = this.#say.bytes(loaded);
    return total ? this.#say.text("progress", { loaded: there, total: this.#say.bytes(total) }) : there;
  }

  /** What the page's author has to know: there is nothing to begin with. */
  blame(sentence: string): void {
    this.element.hidden = this.#error.hidden = false;
    this.#about.hidden = this.#button.hidden = true;
    this.#error.textContent = sentence;
  }

  phase(phase: Phase, error?: unknown): void {
    clearTimeout(this.#silence);
    const root = this.element.getRootNode() as Document | ShadowRoot;
    const hadFocus = root.activeElement === this.#button || root.activeElement === this.#pause;
    if (phase !== "paused" && this.#phase !== "paused") {
      this.#progress = undefined;
      this.#said = "";
    }
    this.#phase = phase;
    const loads = phase === "loading";
    this.element.hidden = phase === "none" || phase === "ready";
    this.#button.hidden = loads;
    this.#pause.hidden = !loads;
    this.#bar.hidden = !loads && phase !== "paused";
    this.#about.hidden = loads || phase === "paused";
    const paused = phase === "paused" && [this.#say.text("paused"), this.#said].filter(Boolean).join(" · ");
    this.#state.textContent = loads ? this.#say.text("preparing") : paused || "";
    if (loads) this.#bar.removeAttribute("value");
    // One that goes on is as far as it was.
    if (loads && this.#progress) this.progress(this.#progress);
    const reason = error instanceof Error ? error.message : String(error);
    this.#error.textContent = phase === "failed" ? this.#say.text("failed", { reason }) : "";
    this.#error.hidden = phase !== "failed";
    this.#label();
    if (hadFocus && !this.element.hidden) (loads ? this.#pause : this.#button).focus();
  }

  focus(): void {
    (this.#button.hidden ? this.#pause : this.#button).focus();
  }

  progress(progress: Progress): void {
    this.#progress = progress;
    const { phase, loaded, total, secondsLeft } = progress;
    // What was on its way still arrives.
    if (this.#phase === "paused") return;
    clearTimeout(this.#silence);
    const moves = phase === "download" || phase === "upload";
    this.#said = moves ? this.#of(loaded, total) : "";
    if (phase === "download" && loaded !== total)
      this.#silence = setTimeout(() => {
        this.#state.textContent = `${this.#said} · ${this.#say.text("silent")}`;
      }, SILENT_MS);
    if (!moves || total === undefined || total === null) {
      this.#bar.removeAttribute("value");
      this.#state.textContent = this.#said || this.#say.text("preparing");
      return;
    }
    this.#bar.max = total;
    this.#bar.value = Math.min(loaded, total);
    const left = secondsLeft !== undefined && this.#say.text("left", { time: this.#say.seconds(secondsLeft) });
    const text = left ? `${this.#said} · ${left}` : this.#said;
    if (this.#state.textContent !== text) this.#state.textContent = text;
  }
}
