/** Brings together a conversation, a model that is loaded for it, and the window that shows both. */
import type { Model, Source } from "sotto";
import { Kept } from "./chat/kept.js";
import { Loader } from "./chat/loader.js";
import { Resumed } from "./chat/resumed.js";
import { hostOf, routed } from "./chat/server.js";
import { type ChatModel, type Listener, Session } from "./chat/session.js";
import { shortened } from "./chat/shorten.js";
import { type AssistantTurn, type Attachment, markdownOf, type Turn, type UserTurn } from "./chat/turns.js";
import { doing, download } from "./view/dom.js";
import { type Frame, inline, launcher } from "./view/frame.js";
import { listener } from "./view/listener.js";
import { Window } from "./view/window.js";
import type { Tell, Wishes } from "./wishes.js";

export class Controller {
  readonly session: Session;
  readonly loader: Loader;
  /** What answers: the model in the tab, the page's server, or one of them at each message. */
  model: ChatModel | undefined;
  #local: ChatModel | undefined;
  #wishes: () => Wishes;
  #tell: Tell;
  #root: ShadowRoot;
  #frame!: Frame;
  #mode: Wishes["mode"] | undefined;
  #window!: Window;
  /** The model was loaded here, so it is ended here. */
  #owned: Model | undefined;
  /** Its end, whose memory the next one waits for. */
  #gone: Promise<void> | undefined;
  /** There is no model in the tab: someone has chosen the server. */
  #isAway = false;
  #resumed = new Resumed();
  #editing: UserTurn | undefined;
  /** What the browser keeps the conversation under. */
  #kept: Kept | undefined;
  /** It is being read. */
  #coming: Promise<void> | undefined;
  /** The conversation is being replaced: that is one change. */
  #isSetting = false;
  /** Said before there was a model. */
  #early: Parameters<Controller["send"]> | undefined;
  /** What the page's author is told. */
  #fault: string | undefined;
  /** The window is made anew: it opens again without a word. */
  #isBuilding = false;

  constructor(root: ShadowRoot, wishes: () => Wishes, tell: Tell) {
    this.#root = root;
    this.#wishes = wishes;
    this.#tell = tell;
    this.session = new Session(this.#listener(), () => ({
      ...wishes(),
      goOn: wishes().say.text("continuePrompt"),
    }));
    this.loader = new Loader(
      {
        phase: (phase, error) => {
          this.#window?.panel.phase(phase, error);
          this.#show();
          if (phase === "failed") tell("sotto-error", { error });
        },
        facts: (facts) => this.#window?.facts(facts),
        progress: (progress) => {
          this.#window?.panel.progress(progress);
          tell("sotto-progress", progress);
        },
        loaded: (model) => {
          this.#owned = model;
          this.#ready(model);
          tell("sotto-ready", { model });
        },
      },
      () => wishes().loadOptions,
    );
    this.build();
  }

  /** Makes the window anew, as the page wishes it now. */
  build(): void {
    const wishes = this.#wishes();
    const { say, mode } = wishes;
    // One in the page is always open; that says nothing of a launcher's.
    const wasOpen = mode === this.#mode && this.#frame.isOpen;
    this.#mode = mode;
    const hadFocus = this.#root.activeElement !== null;
    const before = this.#window?.composer;
    // Of a form that is disabled nothing can be sent or changed.
    const may = doing(!wishes.disabled);
    this.#window = new Window(wishes, {
      messages: () => ({
        say,
        math: this.#wishes().math,
        feedback: wishes.feedback,
        figures: wishes.figures,
        hasOlder: () => this.session.older().length > 0,
        edit: may((turn) => this.#edit(turn)),
        again: may((turn, alone) => this.#again(turn, alone)),
        goOn: may((turn) => this.#goOn(turn)),
        judged: (turn) => {
          this.#tell("sotto-feedback", { turn, conversation: this.session.turns });
          this.#changed();
        },
        drawn: () => {},
      }),
      send: may((text, files) => this.send(text, files)),
      stop: () => this.session.stop(),
      cancel: () => this.#cancelEdit(),
      last: () => this.#edit(this.session.turns.findLast(({ role }) => role === "user")),
      start: may(() => void this.start()),
      pause: () => this.loader.pause(),
      instead: may(() => this.#ready(undefined)),
      clear: may(() => this.clear()),
      save: () => this.#save(),
      close: () => this.#frame.close(),
      escape: () => this.#escape(),
    });
    this.#frame =
      mode === "launcher"
        ? launcher(
            say,
            (open) => this.#toggled(open),
            () => this.#escape(),
          )
        : inline(say);
    this.#frame.inner.append(...this.#window.parts);
    this.#frame.inner.addEventListener("keydown", (event) => {
      if (event.key !== "Escape" || event.isComposing) return;
      if (!this.session.busy && !this.#window.isMenuOpen && !this.#editing && mode === "inline") return;
      event.preventDefault();
      event.stopPropagation();
      this.#escape();
    });
    this.#root.replaceChildren(...this.#frame.elements);
    this.#isBuilding = true;
    if (wasOpen) this.#frame.open();
    this.#isBuilding = false;
    if (before) this.#window.composer.takeOver(before);
    this.#window.composer.edits(this.#editing !== undefined);
    for (const turn of this.session.turns) this.#window.messages.add(turn);
    if (this.session.busy) this.#window.messages.view(this.session.turns.at(-1)!)?.begun();
    for (const turn of this.session.forgotten) this.#window.messages.view(turn)?.forget();
    this.#bind();
    this.loader.told(wishes.size);
    this.#window.facts(this.loader.facts);
    this.#window.panel.phase(this.model ? "ready" : this.loader.phase);
    if (this.#fault) this.blame(this.#fault);
    this.#window.composer.busy(this.session.busy);
    this.#window.composer.disable(wishes.disabled);
    this.#show();
    if (hadFocus && this.#frame.isOpen) this.focus();
  }

  /** Who answers, and where the words go as far as it is known before they are sent. */
  #bind(): void {
    const { say, fallback } = this.#wishes();
    // The page may have taken its server away.
    this.#isAway &&= fallback !== undefined;
    const leaves = fallback && (this.#isAway || (this.#local && fallback.when));
    this.model = leaves ? routed(this.#local, fallback, (host) => this.#goes(host)) : this.#local;
    const key = !fallback ? "private" : this.#isAway ? "leaves" : fallback.when ? "mayLeave" : "private";
    this.#window.way(say, key, fallback && hostOf(fallback));
  }

  /** The conversation that the browser keeps under the name that the page wishes now; the one before stays kept under its own. */
  async restore(): Promise<void> {
    const { keep: name } = this.#wishes();
    const before = this.#kept;
    if (name === before?.name) return before?.open();
    if (name === undefined) before?.close();
    const next: Kept | undefined = name === undefined ? name : new Kept(name, (turns) => this.#told(next!, turns));
    if (!before || !next) this.#kept = next;
    if (!next) return;
    const coming = next.openSoon();
    this.#coming = coming;
    await coming;
    if (this.#coming === coming) this.#coming = undefined;
    if (this.#kept !== next && !this.#turnTo(next, [])) return;
    if (this.session.isAsked) this.#keep();
    this.#resume();
  }

  /** Another conversation is shown, unless the page wishes yet another by now. */
  #turnTo(next: Kept, turns: Turn[]): boolean {
    if (next.name !== this.#wishes().keep) {
      next.close();
      return false;
    }
    if (this.#kept) this.#leave(this.#kept);
    this.#kept = next;
    this.set(turns, false);
    return true;
  }

  /** What is kept, or another has written, is shown, unless something here is still to be put to it. */
  #told(kept: Kept, turns: Turn[]): boolean {
    if (kept !== this.#kept) return this.#turnTo(kept, turns);
    if (this.session.busy ? turns.length > 0 : this.#coming && this.session.isAsked) return false;
    const edited = turns[this.session.turns.indexOf(this.#editing!)];
    this.set(turns, false);
    this.#editing = edited?.role === "user" ? edited : undefined;
    this.#window.composer.edits(this.#editing !== undefined);
    this.#window.composer.busy(false);
    return true;
  }

  /** The conversation that is shown, and the model that is there, go on where they were. */
  #resume(): void {
    const { resume } = this.#wishes();
    if (this.#kept && resume !== undefined && this.session.turns.length > 0) this.#resumed.open(this.#kept.name);
  }

  /** What the model has computed of the conversation is kept, where that pays. */
  #keepComputed({ from }: AssistantTurn): void {
    const { resume, tools, params } = this.#wishes();
    const pays = resume !== undefined && this.session.readingMs > resume * 1000;
    if (!this.#kept || !pays || from || !this.#local?.info.chatTemplate) return;
    this.#resumed.keep({ name: this.#kept.name, messages: this.session.messages(), tools, params });
  }

  /** Another conversation comes: a reply that is being written ends here. */
  #leave(kept: Kept): void {
    this.#cancelEdit();
    this.#resumed.flush();
    const last = this.session.turns.at(-1);
    if (this.session.busy && last?.role === "assistant") last.end = "stopped";
    if (this.session.turns.length > 0) void kept.keep(this.session.turns);
    kept.close();
  }

  /** A model that the page has loaded. */
  use(model: ChatModel): void {
    this.#end();
    this.loader.choose(undefined);
    this.#ready(model);
  }

  /** Says what keeps the chat from working, until there is a model. */
  blame(sentence: string): void {
    this.#fault = sentence;
    this.#window.panel.blame(sentence);
  }

  /** A model that is to be loaded when someone wishes it. */
  choose(source: Source | undefined): void {
    this.#end();
    this.loader.choose(source);
    this.loader.told(this.#wishes().size);
    this.#window.facts(this.loader.facts);
  }

  /** Asks the browser whether it has the model. */
  look(): void {
    if (this.#frame.isOpen && this.loader.phase === "asking") void this.loader.look(this.#wishes().verdict);
  }

  /** The message waits for a model; one that is here already needs nobody's leave. */
  async #startFor(...early: Parameters<Controller["send"]>): Promise<void> {
    this.#early = early;
    await this.loader.look(false);
    if (this.loader.phase === "asking" && this.loader.facts.stored) await this.start();
  }

  async start(): Promise<void> {
    await this.loader.start(this.#gone);
  }

  /** The model is there; without one, the server is asked from now on. */
  #ready(model: ChatModel | undefined): void {
    const { activeElement } = this.#root;
    const hadFocus = activeElement !== null && this.#window.panel.element.contains(activeElement);
    this.#local = model;
    this.#isAway = model === undefined;
    this.#resumed.use(model);
    this.#resume();
    this.#bind();
    this.#window.panel.phase("ready");
    this.#show();
    if (hadFocus) this.#window.composer.focus();
    const early = this.#early;
    this.#early = undefined;
    if (early) this.send(...early);
  }

  /** The reply that begins comes from a server, or from this tab. */
  #goes(host: string | undefined): void {
    const turn = this.session.turns.at(-1);
    if (turn?.role !== "assistant") return;
    delete turn.from;
    if (host !== undefined) turn.from = host;
    this.#tell("sotto-route", { to: host === undefined ? "tab" : "server", host, turn });
  }

  #end(): void {
    this.session.stop();
    // Another model may have room for them.
    for (const turn of this.session.forgotten) this.#window.messages.view(turn)?.forget(false);
    this.session.forgotten.clear();
    this.model = this.#local = this.#fault = undefined;
    this.#resumed.use(undefined);
    this.#isAway = false;
    this.#gone = this.#owned?.dispose().catch(() => {});
    this.#owned = undefined;
  }

  /** The element has left the page. */
  dispose(): void {
    this.#end();
    this.#kept?.close();
    if (this.loader.source !== undefined) this.loader.choose(this.loader.source);
  }

  get isOpen(): boolean {
    return this.#frame.isOpen;
  }

  open(): void {
    this.#frame.open();
  }

  close(): void {
    this.#frame.close();
  }

  focus(): void {
    if (this.model) this.#window.composer.focus();
    else if (this.loader.phase !== "none") this.#window.panel.focus();
    else this.#window.messages.focus();
  }

  set(turns: readonly Turn[], keeps = true): void {
    this.#isSetting = true;
    this.session.set(turns);
    this.#isSetting = false;
    this.#show();
    this.#changed(keeps);
  }

  clear(): void {
    this.#cancelEdit();
    this.#early = undefined;
    this.#resumed.hold();
    const hadFocus = this.#root.activeElement !== null;
    this.set([]);
    this.#window.composer.busy(false);
    if (hadFocus) this.focus();
  }

  send(text: string, files: readonly Attachment[] = []): void {
    const { model } = this;
    if (!text.trim() && files.length === 0) return;
    // What is said is for the conversation that is on its way.
    if (this.#coming) return void this.#coming.then(() => this.send(text, files));
    if (!model) return void this.#startFor(text, files);
    if (this.session.busy) return;
    if (!this.#tell("sotto-send", { text, files })) {
      this.#window.composer.set(text, files);
      return;
    }
    const editing = this.#editing;
    this.#cancelEdit();
    if (editing) void this.session.edit(model, editing, text, files);
    else void this.session.send(model, text, files);
  }

  #again(turn: Turn, alone = false): void {
    if (this.model && !this.session.busy && turn.role === "assistant")
      void this.session.regenerate(this.model, turn, alone);
    this.#window.composer.focus();
  }

  #goOn(turn: Turn): void {
    if (this.model && !this.session.busy && turn.role === "assistant") void this.session.continue(this.model, turn);
    this.#window.composer.focus();
  }

  #edit(turn: Turn | undefined): void {
    if (turn?.role !== "user" || this.session.busy || !this.model) return;
    this.#editing = turn;
    this.#window.composer.edits(true);
    this.#window.composer.set(turn.text, turn.files ?? []);
    this.#window.composer.focus();
  }

  #cancelEdit(): void {
    if (!this.#editing) return;
    this.#editing = undefined;
    this.#window.composer.edits(false);
    this.#window.composer.set("", []);
    this.#window.composer.focus();
  }

  #escape(): void {
    if (this.#window.isMenuOpen) this.#window.closeMenu();
    else if (this.session.busy) this.session.stop();
    else if (this.#editing) this.#cancelEdit();
    else this.#frame.close();
  }

  #toggled(open: boolean): void {
    if (this.#isBuilding) return;
    this.#tell(open ? "sotto-open" : "sotto-close", null);
    if (!open) return;
    this.focus();
    this.#window.messages.toEnd();
    this.look();
  }

  #show(): void {
    const last = this.session.turns.at(-1);
    this.#window?.show(this.model ? "ready" : this.loader.phase, last === undefined);
    this.#window?.messages.setLast(last?.role === "assistant" ? last : undefined);
  }

  /** What is heard of the conversation is shown. */
  #listener(): Listener {
    return listener(() => this.#window, this.#tell, {
      added: () => {
        if (this.#isSetting) return;
        this.#show();
        this.#changed();
      },
      begun: () => this.#resumed.hold(),
      forgotten: () => this.#wishes().say.text("forgotten"),
      ended: (turn, error) => this.#ended(turn, error),
    });
  }

  #ended(turn: AssistantTurn, error: unknown): void {
    this.#window.speaker.end();
    // A conversation that was cleared meanwhile has another reply, or none.
    if (!this.session.busy) this.#window.composer.busy(false);
    if (!this.session.turns.includes(turn)) return;
    if ((error as { code?: string } | undefined)?.code === "prompt_too_long" && this.#takeBack()) return;
    void this.#window.messages.view(turn)?.ended();
    if (turn.end === "failed")
      this.#window.speaker.tell(this.#wishes().say.text("failed", { reason: turn.error ?? "" }));
    if (turn.end === "stopped") this.#window.speaker.tell(this.#wishes().say.text("stopped"));
    if (error !== undefined) this.#tell("sotto-error", { error });
    this.#tell("sotto-reply", { turn });
    this.#changed();
    this.#keepComputed(turn);
  }

  /** The last message alone is too long: it is in the composer again. */
  #takeBack(): boolean {
    const asked = this.session.turns.at(-2);
    if (asked?.role !== "user") return false;
    this.session.drop(asked);
    this.#window.composer.set(asked.text, asked.files ?? []);
    const { say } = this.#wishes();
    const shorten = { label: say.text("keepFits"), press: () => void this.#window.composer.during(this.#shorten()) };
    this.#window.composer.tell(say.text("tooLong"), this.model?.countTokens && shorten);
    this.#show();
    this.#changed();
    return true;
  }

  /** Leaves as much of what is written as the model can read. */
  async #shorten(): Promise<void> {
    const { composer } = this.#window;
    const { system, params } = this.#wishes();
    const { text, files } = composer.draft;
    try {
      const turn: UserTurn = { role: "user", text, files: [...files] };
      const cut = await shortened(this.model!, system, turn, params.max_completion_tokens ?? params.max_tokens);
      if (composer.draft.text !== text) return;
      composer.set(cut, files);
      composer.focus();
    } catch (error) {
      this.#tell("sotto-error", { error });
    }
  }

  #changed(keeps = true): void {
    if (this.#isSetting) return;
    this.#tell("sotto-change", { conversation: this.session.turns });
    // What the page greets with makes room for what is kept.
    if (keeps && !this.#coming) this.#keep();
  }

  #keep(): void {
    if (!this.session.busy) void this.#kept?.keep(this.session.turns);
  }

  /** The conversation as a text, or as data that `conversation` takes again. */
  export(as: "markdown" | "json"): string {
    if (as === "json") return JSON.stringify(this.session.turns, null, 2);
    const { say } = this.#wishes();
    return markdownOf(this.session.turns, say.text("you"), say.text("assistant"));
  }

  #save(): void {
    const { heading, say } = this.#wishes();
    download(this.export("markdown"), `${heading || say.text("title")}.md`);
  }
}
