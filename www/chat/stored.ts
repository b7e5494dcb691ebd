/** The models that the browser keeps: what they take, loaded or deleted with a press. */
import { type StoredFile, store } from "sotto";
import { $, button, make, show } from "./dom.js";
import { bytes } from "./format.js";

export class Stored {
  #load: (file: StoredFile) => void;
  /** The files of the list, as data. */
  #seen = "";

  constructor(load: (file: StoredFile) => void) {
    this.#load = load;
  }

  /** Where the browser keeps nothing there is nothing to see. */
  async show(): Promise<void> {
    try {
      const [files, { models, quota }] = await Promise.all([store.list(), store.estimate()]);
      const seen = JSON.stringify(files);
      // Rows that are right stay, and with them the focus.
      if (seen !== this.#seen) $("stored-list").replaceChildren(...files.map((file) => this.#row(file)));
      this.#seen = seen;
      $("stored-room").textContent = `${bytes(models)} in all; the browser allows ${bytes(quota)}.`;
      show("stored", files.length > 0);
    } catch {
      show("stored", false);
    }
  }

  #row(file: StoredFile): HTMLElement {
    const { name, size = 0, loaded, whole } = file;
    const about = whole ? bytes(size || loaded) : `${bytes(loaded)}${size ? ` of ${bytes(size)}` : ""}: a load goes on`;
    const load = button("Load", () => this.#load(file), `Load ${name}`);
    const remove = button(
      "Delete",
      async () => {
        // A download may have taken an hour: it is deleted at the second press.
        if (remove.textContent === "Delete") {
          remove.textContent = "Delete?";
          remove.setAttribute("aria-label", `Delete ${name}? Press again`);
          return;
        }
        const row = remove.closest("li")!;
        const next = (row.nextElementSibling ?? row.previousElementSibling)?.querySelector("button");
        await store.delete(file);
        await this.show();
        (next?.isConnected ? next : $("load-default")).focus();
      },
      `Delete ${name}`,
    );
    const row = make("li", "", make("div", "", make("h3", "", name), make("p", "", about)));
    row.append(make("div", "row", load, remove));
    return row;
  }
}
