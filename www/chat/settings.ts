/** The settings dialog; what is set is kept for the next visit. */
import { $ } from "./dom.js";

export interface Settings {
  temperature: number;
  maxTokens: number;
  /** 0: what the engine picks for the model. */
  contextLength: number;
  system: string;
}

const DEFAULTS: Settings = { temperature: 0.4, maxTokens: 512, contextLength: 0, system: "" };
const KEY = "sotto-settings";

export class SettingsDialog {
  values: Settings = { ...DEFAULTS };
  #dialog = $<HTMLDialogElement>("settings");
  #temperature = $<HTMLInputElement>("temperature");
  #maxTokens = $<HTMLInputElement>("max-tokens");
  #context = $<HTMLSelectElement>("context");
  #system = $<HTMLTextAreaElement>("system");

  constructor() {
    try {
      Object.assign(this.values, JSON.parse(localStorage.getItem(KEY) ?? "{}"));
    } catch {
      // Storage may be off or hold something else: the defaults do.
    }
    this.#show();
    $("open-settings").onclick = () => this.#dialog.showModal();
    $("reset").onclick = () => {
      this.values = { ...DEFAULTS };
      this.#show();
    };
    this.#dialog.oninput = () => this.#read();
    this.#dialog.onclose = () => this.#keep();
    this.#dialog.onclick = (event) => {
      if (event.target === this.#dialog) this.#dialog.close();
    };
  }

  #show(): void {
    const { temperature, maxTokens, contextLength, system } = this.values;
    this.#temperature.value = String(temperature);
    this.#maxTokens.value = String(maxTokens);
    this.#context.value = String(contextLength);
    this.#system.value = system;
    this.#read();
  }

  /** A field that holds nothing usable leaves its setting as it was. */
  #read(): void {
    const maxTokens = this.#maxTokens.valueAsNumber;
    this.values = {
      temperature: this.#temperature.valueAsNumber,
      maxTokens: maxTokens >= 1 && this.#maxTokens.validity.valid ? maxTokens : DEFAULTS.maxTokens,
      contextLength: Number(this.#context.value),
      system: this.#system.value,
    };
    $("temperature-value").textContent = this.values.temperature.toFixed(1);
  }

  #keep(): void {
    this.#show();
    try {
      localStorage.setItem(KEY, JSON.stringify(this.values));
    } catch {
      // Storage may be off.
    }
  }
}
