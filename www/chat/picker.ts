/** The first screen: choose a model, watch it load, stop it. */
import { SottoError, load, type Model, type Progress, type Source } from "sotto";
import { $, show } from "./dom.js";
import { fileName, transfer } from "./format.js";

/** `npm start` serves it from here after checking its SHA-256. */
const DEFAULT_MODEL = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const DEFAULT_TITLE = "SmolLM2 135M Instruct";

interface Hooks {
  contextLength(): number | undefined;
  /** Before a load: the last model's memory is given back first. */
  onStart(): Promise<void>;
  /** `title` where the page knows a better name than the file. */
  onLoaded(model: Model, title?: string): void;
  onError(error: SottoError): void;
}

export class Picker {
  #hooks: Hooks;
  #running: AbortController | undefined;

  constructor(hooks: Hooks) {
    this.#hooks = hooks;
    $("load-default").onclick = () =>
      void this.#load(new URL(DEFAULT_MODEL, document.baseURI), DEFAULT_TITLE, DEFAULT_TITLE);
    $("url-form").onsubmit = (event) => {
      event.preventDefault();
      const url = $<HTMLInputElement>("url").value.trim();
      void this.#load(url, fileName(url));
    };
    const file = $<HTMLInputElement>("file");
    file.onchange = () => {
      if (file.files?.[0]) this.#loadFile(file.files[0]);
      file.value = "";
    };
    // The end of a double click on what stood here before is no wish to stop, nor is a key that is held down.
    $("stop-loading").onclick = ({ detail }) => detail < 2 && this.#running?.abort();
    $("stop-loading").onkeydown = (event) => event.repeat && event.preventDefault();
    this.#acceptDrops();
  }

  #acceptDrops(): void {
    // Also entered for each child: so count.
    let depth = 0;
    const files = (event: DragEvent) => event.dataTransfer?.types.includes("Files");
    const veil = (deep: number) => {
      depth = Math.max(0, deep);
      show("veil", depth > 0);
    };
    addEventListener("dragenter", (event) => files(event) && veil(depth + 1));
    addEventListener("dragleave", (event) => files(event) && veil(depth - 1));
    addEventListener("dragover", (event) => files(event) && event.preventDefault());
    addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault();
      veil(0);
      const file = event.dataTransfer?.files[0];
      if (file) this.#loadFile(file);
    });
  }

  #loadFile(file: File): void {
    void this.#load(file, file.name);
  }

  async #load(source: Source, name: string, title?: string): Promise<void> {
    this.#running?.abort();
    const running = new AbortController();
    this.#running = running;
    await this.#hooks.onStart();
    if (running.signal.aborted) return;
    this.#showLoading(name);
    const started = performance.now();
    try {
      const model = await load(source, {
        signal: running.signal,
        contextLength: this.#hooks.contextLength(),
        onProgress: (progress) => this.#progress(progress, performance.now() - started),
      });
      if (running.signal.aborted) return void model.dispose();
      this.#running = undefined;
      this.#showChoices();
      this.#hooks.onLoaded(model, title);
    } catch (thrown) {
      // A load that another one replaced says nothing.
      if (this.#running !== running) return;
      this.#running = undefined;
      this.#showChoices();
      $("load-default").focus();
      const error = SottoError.from(thrown);
      if (error.code !== "aborted") this.#hooks.onError(error);
    }
  }

  #showLoading(name: string): void {
    $("loading-name").textContent = name;
    $("loading-text").textContent = "Starting…";
    $<HTMLProgressElement>("loading-bar").removeAttribute("value");
    show("choices", false);
    show("loading", true);
    $("stop-loading").focus();
  }

  #showChoices(): void {
    show("loading", false);
    show("choices", true);
  }

  #progress({ phase, loaded, total }: Progress, elapsedMs: number): void {
    const bar = $<HTMLProgressElement>("loading-bar");
    const moving = phase === "download" || phase === "upload";
    if (moving && total !== undefined) {
      bar.max = total;
      bar.value = Math.min(loaded, total);
    } else bar.removeAttribute("value");
    $("loading-text").textContent = moving ? transfer(loaded, total, elapsedMs) : "Preparing the model…";
  }
}
