/** The settings dialog: its fields are a table, what is set is kept for the next visit. */
import type { Params } from "sotto/element";
import { $, make } from "./dom.js";

interface Field {
  name: string;
  label: string;
  help?: string;
  kind: "range" | "number" | "select" | "text";
  /** Of a range or a number. */
  limits?: { min: number; max: number; step: number };
  /** Of a select: what is said of each value. */
  choices?: Record<string, string>;
  placeholder?: string;
  /** What it is at first; without it, it need not be set. */
  first?: number | string;
  /** Among what is folded away. */
  rare?: boolean;
  /** The member of each request that it is. */
  param?: string;
}

const CONTEXTS = [1024, 2048, 4096, 8192, 16384, 32768];

const FIELDS: readonly Field[] = [
  {
    name: "temperature",
    label: "Temperature",
    help: "0 always takes the likeliest word; higher is more varied.",
    kind: "range",
    limits: { min: 0, max: 1.5, step: 0.1 },
    first: 0.4,
    param: "temperature",
  },
  {
    name: "maxTokens",
    label: "Longest reply, in tokens",
    kind: "number",
    limits: { min: 1, max: 32768, step: 1 },
    first: 512,
    param: "max_completion_tokens",
  },
  {
    name: "contextLength",
    label: "Context, in tokens",
    help: "How much of the chat the model sees. Used when a model is loaded next; more needs more memory.",
    kind: "select",
    choices: Object.fromEntries([["0", "Automatic"], ...CONTEXTS.map((tokens) => [tokens, String(tokens)])]),
    first: 0,
  },
  {
    name: "system",
    label: "System prompt",
    kind: "text",
    placeholder: "Optional: how the model should behave",
    first: "",
  },
  {
    name: "topP",
    label: "Top p",
    help: "Only the likeliest tokens that together have this probability.",
    kind: "number",
    limits: { min: 0, max: 1, step: 0.01 },
    rare: true,
    param: "top_p",
  },
  {
    name: "topK",
    label: "Top k",
    help: "Only so many of the likeliest tokens; 0 for all.",
    kind: "number",
    limits: { min: 0, max: 1000, step: 1 },
    rare: true,
    param: "top_k",
  },
  {
    name: "minP",
    label: "Min p",
    help: "Only tokens at least this likely compared with the best.",
    kind: "number",
    limits: { min: 0, max: 1, step: 0.01 },
    rare: true,
    param: "min_p",
  },
  {
    name: "repeatPenalty",
    label: "Penalty for repeating",
    help: "1 for none.",
    kind: "number",
    limits: { min: 0.5, max: 2, step: 0.05 },
    rare: true,
    param: "repeat_penalty",
  },
  {
    name: "seed",
    label: "Seed",
    help: "The same seed and messages give the same reply.",
    kind: "number",
    limits: { min: 0, max: 4294967295, step: 1 },
    rare: true,
    param: "seed",
  },
  {
    name: "effort",
    label: "Thinking, of models that think",
    kind: "select",
    choices: { "": "As the model does", none: "None", low: "Little", medium: "Some", high: "Much" },
    first: "",
    rare: true,
    param: "reasoning_effort",
  },
  {
    name: "probabilities",
    label: "Probabilities of tokens",
    help: "Told above the chat for the last reply; replies come a little slower.",
    kind: "select",
    choices: { "": "Not told", yes: "Told" },
    first: "",
    rare: true,
  },
];

type Control = HTMLInputElement | HTMLSelectElement | HTMLTextAreaElement;
type Values = Record<string, number | string | undefined>;

const DEFAULTS: Values = Object.fromEntries(FIELDS.map(({ name, first }) => [name, first]));
const KEY = "sotto-settings";

export class SettingsDialog {
  #values: Values = { ...DEFAULTS };
  #controls = new Map<Field, Control>();
  #dialog = $<HTMLDialogElement>("settings");
  #changed: () => void = () => {};

  /** `changed` is called with each change. */
  constructor(changed: () => void) {
    for (const field of FIELDS) this.#build(field);
    try {
      const kept: unknown = JSON.parse(localStorage.getItem(KEY) ?? "{}");
      for (const [name, value] of Object.entries(Object(kept)))
        if (name in DEFAULTS) this.#values[name] = value as number | string;
    } catch {
      // Storage may be off or hold something else: the defaults do.
    }
    this.#show();
    this.#changed = changed;
    $("open-settings").onclick = () => this.#dialog.showModal();
    $("reset").onclick = () => {
      this.#values = { ...DEFAULTS };
      this.#show();
    };
    this.#dialog.oninput = () => this.#read();
    this.#dialog.onclose = () => this.#keep();
    this.#dialog.onclick = (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    };
  }

  get system(): string {
    return String(this.#values.system).trim();
  }

  /** Nothing: what the engine picks for the model. */
  get contextLength(): number | undefined {
    return Number(this.#values.contextLength) || undefined;
  }

  /** Members of each request; what is not set is the model's own. */
  get params(): Params {
    const set = FIELDS.flatMap(({ name, param }) => {
      const value = this.#values[name];
      return param === undefined || value === undefined || value === "" ? [] : [[param, value]];
    });
    const told = this.#values.probabilities === "yes" && { logprobs: true, top_logprobs: 5 };
    return { ...Object.fromEntries(set), ...told };
  }

  #build(field: Field): void {
    const { name, kind, limits, choices, placeholder, help } = field;
    const id = `set-${name}`;
    const control: Control = kind === "select" ? make("select") : kind === "text" ? make("textarea") : make("input");
    control.id = id;
    if (control instanceof HTMLInputElement) control.type = kind;
    Object.assign(control, limits, placeholder && { placeholder });
    if (control instanceof HTMLTextAreaElement) control.rows = 3;
    for (const [value, text] of Object.entries(choices ?? {})) control.append(new Option(text, value));
    const label = make("label", "", field.label);
    label.htmlFor = id;
    if (kind === "range") label.append(" ", make("output"));
    const parts: HTMLElement[] = [label, control];
    if (help) {
      const said = make("p", "help", help);
      said.id = `${id}-help`;
      control.setAttribute("aria-describedby", said.id);
      parts.push(said);
    }
    $(field.rare ? "rare-fields" : "fields").append(...parts);
    this.#controls.set(field, control);
  }

  #show(): void {
    for (const [{ name }, control] of this.#controls) control.value = String(this.#values[name] ?? "");
    this.#read();
  }

  /** A field that holds nothing usable is as it was at first. */
  #read(): void {
    for (const [{ name, kind, first }, control] of this.#controls) {
      const isNumber = kind === "range" || kind === "number" || typeof first === "number";
      const isUsable = control.validity.valid && control.value !== "";
      this.#values[name] = !isNumber ? control.value : isUsable ? Number(control.value) : first;
      const output = control.previousElementSibling?.querySelector("output");
      if (output) output.textContent = Number(control.value).toFixed(1);
    }
    this.#changed();
  }

  #keep(): void {
    this.#show();
    try {
      localStorage.setItem(KEY, JSON.stringify(this.#values));
    } catch {
      // Storage may be off.
    }
  }
}
