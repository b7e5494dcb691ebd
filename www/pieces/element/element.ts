/** `<sotto-chat>`: a chat with a model that runs in the tab. */
import type { AnyTool, LoadOptions, Source } from "sotto";
import { type ChatFallback, hostOf } from "./chat/server.js";
import type { ChatModel, Params } from "./chat/session.js";
import { type Attachment, readTurns, type Turn } from "./chat/turns.js";
import { Controller } from "./controller.js";
import { Say, type Texts } from "./texts.js";
import type { RenderMath } from "./view/message.js";
import { styles } from "./view/styles.js";
import type { Tell, Wishes } from "./wishes.js";

/** Attributes whose change makes the window anew. */
const SHOWN = [
  "mode",
  "heading",
  "placeholder",
  "lang",
  "feedback",
  "figures",
  "keep",
  "no-files",
  "size",
  "fallback",
  "fallback-model",
];

/** Seconds of reading from which on it pays to keep what was computed. */
const PAYS = 1;

/** A page that names no model for so long has forgotten it. */
const FORGOTTEN_MS = 2000;
const NO_MODEL =
  '<sotto-chat> has no model to load: give it one, as in <sotto-chat model="hf:OWNER/NAME:Q4_K_M">, or set its property `model`, to null where it comes later.';

/** On a server there are no elements; the import is harmless there. */
const Base = (globalThis.HTMLElement ?? class {}) as typeof HTMLElement;

export class SottoChat extends Base {
  static readonly formAssociated = true;
  static readonly observedAttributes = [...SHOWN, "model", "open", "math-src"];

  #internals: ElementInternals;
  #controller: Controller;
  #model: Source | ChatModel | undefined;
  #tools: readonly AnyTool[] = [];
  #params: Params = {};
  #loadOptions: LoadOptions = {};
  #system: string | undefined;
  #texts: Partial<Texts> = {};
  #suggestions: readonly string[] = [];
  #math: RenderMath | undefined;
  #fallback: ChatFallback | undefined;
  #isDisabled = false;
  #isDue = false;
  #wasConnected = false;
  /** The page has said that there will be a model. */
  #comesLater = false;

  constructor() {
    super();
    this.#internals = this.attachInternals();
    const root = this.attachShadow({ mode: "open", delegatesFocus: false });
    root.adoptedStyleSheets = [styles(this.ownerDocument)];
    this.#controller = new Controller(
      root,
      () => this.#wishes(),
      (type, detail) => {
        if (type === "sotto-change") this.#setFormValue();
        return this.#tell(type, detail);
      },
    );
  }

  /** An address, a file, or a model that is loaded already. */
  get model(): Source | ChatModel | undefined {
    return this.#model;
  }

  set model(model: Source | ChatModel | undefined | null) {
    this.#comesLater = model === null;
    this.#model = model ?? undefined;
    if (isModel(model)) this.#controller.use(model);
    else {
      this.#controller.choose(model ?? undefined);
      if (this.isConnected) this.#begin();
    }
  }

  /** Functions that the model may call, as `model.runTools` takes them. */
  get tools(): readonly AnyTool[] {
    return this.#tools;
  }

  set tools(tools: readonly AnyTool[]) {
    this.#tools = list(tools);
  }

  /** Members of each request: `temperature`, `max_completion_tokens`, `reasoning_effort` and so on. */
  get params(): Params {
    return this.#params;
  }

  set params(params: Params) {
    this.#params = params ?? {};
  }

  /** What `load` is given beside the address. */
  get loadOptions(): LoadOptions {
    return this.#loadOptions;
  }

  set loadOptions(options: LoadOptions) {
    this.#loadOptions = options ?? {};
  }

  /** What the model is told before the conversation. */
  get system(): string {
    return this.#system ?? this.getAttribute("system") ?? "";
  }

  set system(text: string) {
    this.#system = text == null ? undefined : String(text);
  }

  /** Texts that are said otherwise than in the table of the language. */
  get texts(): Partial<Texts> {
    return this.#texts;
  }

  set texts(texts: Partial<Texts>) {
    this.#texts = Object.fromEntries(Object.entries(texts ?? {}).filter(([, text]) => typeof text === "string"));
    this.#rebuild();
  }

  /** Messages that are one press away while there are none. */
  get suggestions(): readonly string[] {
    return this.#suggestions;
  }

  set suggestions(texts: readonly string[]) {
    this.#suggestions = list(texts).filter((text) => typeof text === "string");
    this.#rebuild();
  }

  /** Renders mathematics; without it formulas are shown as they were written. */
  get math(): RenderMath | undefined {
    return this.#math;
  }

  set math(render: RenderMath | undefined) {
    this.#math = typeof render === "function" ? render : undefined;
    // Formulas that are there are rendered, too.
    if (this.#controller.session.turns.length > 0) this.#rebuild();
  }

  /** A server with OpenAI's API that may be asked where the tab is too small; without it nothing leaves the page. */
  get fallback(): ChatFallback | undefined {
    const baseURL = this.getAttribute("fallback");
    const model = this.getAttribute("fallback-model");
    const isGiven = baseURL !== null && isAddress(baseURL);
    return this.#fallback ?? (isGiven ? { baseURL, ...(model && { model }) } : undefined);
  }

  set fallback(fallback: ChatFallback | undefined) {
    if (fallback && !isAddress(fallback.baseURL))
      throw new TypeError(
        `The fallback's baseURL, ${fallback.baseURL}, is no address; give one such as https://example.org/v1.`,
      );
    this.#fallback = fallback;
    this.#rebuild();
  }

  /** What was said; a list in OpenAI's shape is taken too. */
  get conversation(): Turn[] {
    return structuredClone(this.#controller.session.turns);
  }

  set conversation(turns: readonly (Turn | { role: string; content: string })[]) {
    this.#controller.set(readTurns(turns));
  }

  /** Of a launcher: whether its window is open. */
  get open(): boolean {
    return this.#controller.isOpen;
  }

  set open(open: boolean) {
    if (open) this.#controller.open();
    else this.#controller.close();
  }

  /** A reply is being written. */
  get busy(): boolean {
    return this.#controller.session.busy;
  }

  get name(): string {
    return this.getAttribute("name") ?? "";
  }

  set name(name: string) {
    this.setAttribute("name", name);
  }

  get form(): HTMLFormElement | null {
    return this.#internals.form;
  }

  /** The conversation as JSON: what a form sends. */
  get value(): string {
    return this.#controller.export("json");
  }

  /** Loads the model, or goes on with a download that was paused; done when the model is there or has failed. */
  load(): Promise<void> {
    return this.#controller.start();
  }

  /** Pauses the download; `load()` goes on with it. */
  pause(): void {
    this.#controller.loader.pause();
  }

  /**
   * Sends a message as if the user had. Without a model the last one waits until it is there; one that is on the device
   * is started, any other when someone presses the button.
   */
  send(text: string, files: readonly Attachment[] = []): void {
    this.#controller.send(text, files);
  }

  /** Stops the reply. */
  stop(): void {
    this.#controller.session.stop();
  }

  /** Deletes the conversation, also where the browser keeps it. */
  clear(): void {
    this.#controller.clear();
  }

  /** The conversation as a text of Markdown, or as JSON. */
  export(as: "markdown" | "json" = "markdown"): string {
    return this.#controller.export(as);
  }

  override focus(): void {
    this.#controller.focus();
  }

  connectedCallback(): void {
    // What was set before the element was defined hides its accessors.
    for (const name of Object.keys(this) as "system"[]) {
      if (!Object.getOwnPropertyDescriptor(SottoChat.prototype, name)?.set) continue;
      const value = this[name];
      delete (this as Partial<this>)[name];
      this[name] = value;
    }
    this.#controller.build();
    void this.#controller.restore();
    this.#wasConnected = true;
    // One that was taken out of the page and put in again.
    if (isModel(this.#model) && !this.#controller.model) this.#controller.use(this.#model);
    if (this.hasAttribute("open")) this.#controller.open();
    this.#begin();
    setTimeout(() => this.#missModel(), FORGOTTEN_MS);
  }

  #missModel(): void {
    if (this.#model !== undefined || this.#comesLater || !this.isConnected) return;
    console.warn(NO_MODEL);
    this.#controller.blame(NO_MODEL);
  }

  disconnectedCallback(): void {
    // An element that is moved is connected again at once.
    queueMicrotask(() => {
      if (!this.isConnected) this.#controller.dispose();
    });
  }

  /** Sheets are of one document. */
  adoptedCallback(): void {
    this.shadowRoot!.adoptedStyleSheets = [styles(this.ownerDocument)];
  }

  attributeChangedCallback(name: string, old: string | null, value: string | null): void {
    if (old === value) return;
    if (name === "model") this.model = value ?? undefined;
    else if (name === "math-src") void this.#fetchMath(value);
    else if (name === "open") {
      if (this.isConnected) this.open = value !== null;
    } else this.#rebuild();
    if (name === "mode" && this.hasAttribute("open")) queueMicrotask(() => this.#controller.open());
    if (name === "keep" && this.#wasConnected) void this.#controller.restore();
    if (name === "fallback" && value !== null && !isAddress(value))
      this.#tell("sotto-error", { error: new TypeError(`The attribute fallback, "${value}", is no address.`) });
  }

  formDisabledCallback(disabled: boolean): void {
    this.#isDisabled = disabled;
    this.#rebuild();
  }

  formResetCallback(): void {
    // What is kept is deleted by whoever asks for that.
    if (!this.hasAttribute("keep")) this.#controller.clear();
  }

  formStateRestoreCallback(state: string): void {
    try {
      this.#controller.set(readTurns(JSON.parse(state)));
    } catch {
      // Another version of the page left it.
    }
  }

  /** A module that renders mathematics as Temml and KaTeX do: fetched at once, so that nothing is when it is needed. */
  async #fetchMath(address: string | null): Promise<void> {
    if (!address) return;
    try {
      const module = await import(/* @vite-ignore */ new URL(address, globalThis.document?.baseURI).href);
      const { render } = (module.default ?? module) as {
        render(source: string, into: HTMLElement, options: { displayMode: boolean; throwOnError: boolean }): void;
      };
      this.math = (source, displayMode) => {
        const into = document.createElement("span");
        render(source, into, { displayMode, throwOnError: true });
        return into;
      };
    } catch (error) {
      this.#tell("sotto-error", { error });
    }
  }

  #tell: Tell = (type, detail) =>
    this.dispatchEvent(new CustomEvent(type, { detail, bubbles: true, composed: true, cancelable: true }));

  #begin(): void {
    if (this.hasAttribute("autoload")) void this.#controller.start();
    else this.#controller.look();
  }

  /** Several changes at once make the window anew once. */
  #rebuild(): void {
    if (this.#isDue || !this.isConnected) return;
    this.#isDue = true;
    queueMicrotask(() => {
      this.#isDue = false;
      if (this.isConnected) this.#controller.build();
    });
  }

  #setFormValue(): void {
    const turns = this.#controller.session.turns;
    this.#internals.setFormValue(turns.length > 0 ? this.value : null);
  }

  #wishes(): Wishes {
    const lang = this.closest("[lang]")?.getAttribute("lang") || globalThis.navigator?.language || "en";
    const keep = this.getAttribute("keep");
    const resume = this.getAttribute("resume");
    const { fallback } = this;
    return {
      fallback,
      server: fallback && hostOf(fallback),
      say: new Say(lang, this.#texts),
      mode: this.getAttribute("mode") === "launcher" ? "launcher" : "inline",
      heading: this.getAttribute("heading") ?? "",
      placeholder: this.getAttribute("placeholder") ?? "",
      suggestions: this.#suggestions,
      files: !this.hasAttribute("no-files"),
      keeps: keep !== null,
      verdict: this.hasAttribute("verdict"),
      size: sizeOf(this.getAttribute("size")),
      keep: keep === null ? undefined : keep || this.id || "chat",
      resume: resume === null ? undefined : Number(resume || PAYS),
      closes: this.getAttribute("mode") === "launcher",
      system: this.system,
      tools: this.tools,
      params: this.params,
      loadOptions: this.loadOptions,
      math: this.#math,
      feedback: this.hasAttribute("feedback"),
      figures: this.hasAttribute("figures"),
      disabled: this.#isDisabled,
    };
  }
}

/** What is no list is an empty one. */
const list = <T>(given: readonly T[]): readonly T[] => (Array.isArray(given) ? given : []);

const sizeOf = (given: string | null) => (Number(given) > 0 && Number(given) < Infinity ? Number(given) : undefined);

const isAddress = (address: string | URL) =>
  URL.canParse(String(address), globalThis.document?.baseURI) && String(address) !== "";

function isModel(value: unknown): value is ChatModel {
  const { chat } = Object(value) as { chat?: { completions?: { create?: unknown } } };
  return typeof chat?.completions?.create === "function";
}
