/** Well-known models, with a search and what is known of them before anything is fetched. */
import { type CatalogModel, models, type Suggestion, suggest } from "sotto/catalog";
import { $, button, make } from "./dom.js";
import { bytes, counted, parameters } from "./format.js";

/** So many are seen without a press. */
const FEW = 4;

/** A model that writes, and what of it is known of this device: nothing where it is too large. */
interface Entry {
  model: CatalogModel;
  fits: Suggestion | undefined;
}

const TASKS = ["chat", "code"] as const;

/** Bytes that are there in a minute or two. */
const QUICK = 5e8;

/**
 * To begin with, the best one that is there soon. Then those that fit, the best first, and before them what a person may wait
 * for; then the others, the smallest first.
 */
export function entries(): Entry[] {
  const [quick] = suggest({ task: "chat", download: QUICK });
  const fitting = [
    ...(quick ? [quick] : []),
    ...TASKS.flatMap((task) => suggest({ task })),
    ...TASKS.flatMap((task) => suggest({ task, download: Infinity })),
  ];
  const found = new Map<CatalogModel, Suggestion>();
  for (const fits of fitting) if (!found.has(fits.model)) found.set(fits.model, fits);
  const others = models.filter((model) => TASKS.some((task) => task === model.task) && !found.has(model));
  return [
    ...Array.from(found, ([model, fits]) => ({ model, fits })),
    ...others.toSorted((a, b) => a.bytes - b.bytes).map((model) => ({ model, fits: undefined })),
  ];
}

/** What a search looks at. */
function wordsOf({ name, task, languages, license, tools, thinking }: CatalogModel): string {
  const can = [tools && "tools", thinking && "thinking reasoning", languages.includes("*") && "multilingual"];
  return [name, task, ...languages, license, ...can].filter(Boolean).join(" ").toLowerCase();
}

/** Those with all words of what is asked for. */
export function search(list: readonly Entry[], asked: string): Entry[] {
  const words = asked.toLowerCase().split(/\s+/).filter(Boolean);
  return list.filter(({ model }) => words.every((word) => wordsOf(model).includes(word)));
}

export class Catalogue {
  #all = entries();
  #choose: (model: CatalogModel) => void;
  #isWhole = false;
  #search = $<HTMLInputElement>("search");

  constructor(choose: (model: CatalogModel) => void) {
    this.#choose = choose;
    this.#search.oninput = () => this.#show();
    $("all-models").onclick = () => {
      this.#isWhole = true;
      const { length } = $("models").children;
      this.#show();
      $("models").children[length]?.querySelector("button")?.focus();
    };
    this.#show();
  }

  #show(): void {
    const found = search(this.#all, this.#search.value);
    const seen = this.#isWhole ? found : found.slice(0, FEW);
    $("models").replaceChildren(...seen.map((entry) => this.#row(entry)));
    $("found").textContent = found.length === 0 ? "No model of that kind." : counted(found.length, "model");
    $("all-models").hidden = seen.length === found.length;
    $("all-models").textContent = `Show all ${found.length}`;
  }

  #row({ model, fits }: Entry): HTMLElement {
    const { name, bytes: size, license, tools, thinking } = model;
    const facts = [parameters(model.parameters), bytes(size), license, tools && "tools", thinking && "thinks"];
    const isFirst = this.#all[0]?.model === model && model.bytes <= QUICK;
    if (isFirst) facts.push("good to begin with");
    const verdict = fits ? `Takes about ${bytes(fits.memory)} of memory.` : "Too large for this device, it seems.";
    const about = make("div", "", make("h3", "", name), make("p", "", facts.filter(Boolean).join(" · ")));
    about.append(make("p", fits ? "verdict" : "verdict bad", verdict));
    return make(
      "li",
      "",
      about,
      button("Choose", () => this.#choose(model), `Choose ${name}`),
    );
  }
}
