/** The first screen: choose a model. */
import type { Source } from "sotto";
import { Catalogue } from "./catalogue.js";
import { $, show } from "./dom.js";
import { fileName } from "./format.js";
import { Stored } from "./stored.js";

/** `npm start` serves it from here after checking its SHA-256. */
const DEFAULT_MODEL = "models/SmolLM2-135M-Instruct.Q4_1.gguf";
const DEFAULT_TITLE = "SmolLM2 135M Instruct";

export interface Choice {
  source: Source;
  /** Where the page knows a better name than the file. */
  title?: string;
  /** Bytes of the file, where they are known. */
  size?: number;
  /** Not loaded before what it is and whether it runs here was told. */
  asks?: boolean;
}

export class Picker {
  #choose: (choice: Choice) => void;
  #stored: Stored;

  constructor(choose: (choice: Choice) => void) {
    this.#choose = choose;
    this.#stored = new Stored(({ url, name }) => choose({ source: url, title: name }));
    new Catalogue(({ source, name, bytes }) => choose({ source, title: name, size: bytes, asks: true }));
    $("load-default").onclick = () =>
      choose({ source: new URL(DEFAULT_MODEL, document.baseURI), title: DEFAULT_TITLE });
    $("url-form").onsubmit = (event) => {
      event.preventDefault();
      const url = $<HTMLInputElement>("url").value.trim();
      choose({ source: url, title: fileName(url) });
    };
    const file = $<HTMLInputElement>("file");
    file.onchange = () => {
      if (file.files?.[0]) choose({ source: file.files[0] });
      file.value = "";
    };
    this.#acceptDrops();
    void this.#stored.show();
  }

  /** Shows or hides the screen. */
  show(visible: boolean): void {
    show("picker", visible);
    if (visible) void this.#stored.show();
  }

  focus(): void {
    $("load-default").focus();
  }

  /** Models, wherever they are dropped; on this screen any file. */
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
    const drop = (event: DragEvent) => {
      if (!files(event)) return;
      event.preventDefault();
      veil(0);
      const file = event.dataTransfer?.files[0];
      // Texts are for the chat.
      if (!file || ($("picker").hidden && !file.name.toLowerCase().endsWith(".gguf"))) return;
      event.stopPropagation();
      this.#choose({ source: file });
    };
    addEventListener("drop", drop, { capture: true });
  }
}
