/** The last reply token by token: how likely each was, and what might have stood in its place. */
import type { TokenLogprob } from "sotto";
import type { SottoChat } from "sotto/element";
import { $, facts, make, show } from "./dom.js";

/** From this probability on a token is of this kind. */
const KINDS: readonly [number, string][] = [
  [0.8, ""],
  [0.4, "likely"],
  [0.15, "unlikely"],
  [0, "rare"],
];

const STEPS: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };

export class Tokens {
  #tokens: TokenLogprob[] = [];
  /** The reply that they are of. */
  #turn: object | undefined;
  #list = $("token-list");
  #at = -1;

  constructor(chat: SottoChat) {
    chat.addEventListener("sotto-part", ({ detail: { turn, part } }) => {
      const more = part.choices[0]?.logprobs?.content;
      if (turn !== this.#turn) this.#clear(turn);
      if (more) this.#tokens.push(...more);
    });
    chat.addEventListener("sotto-change", ({ detail: { conversation } }) => {
      // Of a reply that is gone there is nothing to tell.
      if (this.#turn && conversation.at(-1) !== this.#turn) this.#clear(undefined);
      show("open-tokens", this.#tokens.length > 0);
    });
    $("open-tokens").onclick = () => this.#open();
    this.#list.onpointerover = ({ target }) => {
      const at = Array.from(this.#list.children).indexOf(target as Element);
      if (at >= 0) this.#point(at);
    };
    this.#list.onkeydown = (event) => {
      const step = STEPS[event.key];
      if (step === undefined) return;
      event.preventDefault();
      this.#point(Math.min(this.#tokens.length - 1, Math.max(0, this.#at + step)));
      this.#list.children[this.#at]?.scrollIntoView({ block: "nearest" });
    };
  }

  #clear(turn: object | undefined): void {
    this.#turn = turn;
    this.#tokens = [];
  }

  #open(): void {
    this.#at = -1;
    const spans = this.#tokens.map(({ token, logprob }, i) => {
      const span = make("span", KINDS.find(([least]) => Math.exp(logprob) >= least)![1], token);
      span.id = `token-${i}`;
      span.role = "option";
      span.ariaSelected = "false";
      span.ariaLabel = `${named(token)}, ${percent(logprob)}`;
      return span;
    });
    this.#list.replaceChildren(...spans);
    $("token-facts").replaceChildren();
    $<HTMLDialogElement>("tokens").showModal();
    this.#list.focus();
  }

  #point(at: number): void {
    const list = this.#list.children;
    if (list[this.#at]) list[this.#at]!.ariaSelected = "false";
    this.#at = at;
    list[at]!.ariaSelected = "true";
    this.#list.setAttribute("aria-activedescendant", `token-${at}`);
    const { token, logprob, top_logprobs } = this.#tokens[at]!;
    const others = top_logprobs.filter((other) => other.token !== token);
    const told = [{ token, logprob }, ...others].map((it): [string, string] => [named(it.token), percent(it.logprob)]);
    $("token-facts").replaceChildren(...facts(Object.fromEntries(told)));
  }
}

/** A token as it can be seen. */
const named = (token: string) => `“${token.replaceAll("\n", "↵").replaceAll(" ", "␣")}”`;

const percent = (logprob: number) => `${(100 * Math.exp(logprob)).toFixed(1)} %`;
