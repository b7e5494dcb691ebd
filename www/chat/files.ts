/** Questions about files: they are searched in this tab, the loaded model answers from what was found, and names it. */
import { type Model, SottoError } from "sotto";
import { $, button, make, show } from "./dom.js";
import { ENCODERS } from "./encoders.js";
import { bytes, counted } from "./format.js";
import { Library } from "./library.js";
import { asking, cited, type Source } from "./passages.js";

/** Passages that the model reads, and tokens that it may answer with. */
const MOST = 4;
const REPLY = 300;
/** Bytes of a file: a long book has a million. */
const LARGEST = 5e6;

type Work = (signal: AbortSignal) => Promise<void>;

export class Files {
  #model: Model | undefined;
  #running: AbortController | undefined;
  #last: Promise<void> = Promise.resolve();
  #dialog = $<HTMLDialogElement>("files");
  #question = $<HTMLInputElement>("files-question");
  #by = $<HTMLSelectElement>("files-by");
  #keep = $<HTMLInputElement>("files-keep");
  #library = new Library(({ phase, loaded, total }) => {
    if (phase === "download")
      this.#say(`The model for the search comes: ${bytes(loaded)}${total ? ` of ${bytes(total)}` : ""}`);
  });

  constructor() {
    for (const { source, label } of ENCODERS) this.#by.append(new Option(label, source));
    this.#by.value = this.#library.encoder.source;
    this.#keep.checked = this.#library.isKept;
    $("open-files").onclick = () => void this.#open();
    const picker = $<HTMLInputElement>("files-pick");
    picker.onchange = () => {
      void this.#take(Array.from(picker.files ?? []));
      picker.value = "";
    };
    this.#dialog.ondrop = (event) => void this.#take(Array.from(event.dataTransfer?.files ?? []));
    this.#by.onchange = () => void this.#change();
    this.#keep.onchange = () => {
      const isKept = this.#keep.checked;
      void this.#run("", () => this.#library.keep(isKept));
    };
    this.#dialog.querySelector("form")!.onsubmit = (event) => {
      if (event.submitter?.id !== "files-ask") return;
      event.preventDefault();
      void this.#ask(this.#question.value.trim());
    };
    $("files-stop").onclick = () => this.#running?.abort();
    this.#dialog.onclose = () => this.#running?.abort();
    this.#show();
  }

  /** Answers come from this model, or from none. */
  follow(model: Model | undefined): void {
    this.#running?.abort();
    this.#model = model;
  }

  async #open(): Promise<void> {
    if ($("side").matches(":popover-open")) $("side").hidePopover();
    this.#dialog.showModal();
    await this.#run("", () => this.#library.restore());
  }

  #take(files: readonly File[]): Promise<void> {
    return this.#run("Reads the files…", async (signal) => {
      for (const file of files) {
        const told = (done: number, total: number) =>
          this.#say(`${file.name}: ${done} of ${counted(total, "passage")}`);
        await this.#library.add(file.name, await textOf(file), told, signal);
        this.#show();
      }
    });
  }

  async #change(): Promise<void> {
    const encoder = ENCODERS.find(({ source }) => source === this.#by.value)!;
    const told = (done: number, total: number) => this.#say(`${done} of ${counted(total, "passage")}`);
    await this.#run("Reads the files anew…", (signal) => this.#library.use(encoder, told, signal));
    this.#by.value = this.#library.encoder.source;
  }

  #ask(question: string): Promise<void> {
    return this.#run("Searches…", async (signal) => {
      const model = this.#model;
      if (!model || !question) return;
      this.#answer("", []);
      const found = await this.#library.find(question, MOST, signal);
      if (found.length === 0) throw new Error("Nothing in the files has to do with that.");
      const sources = await fitting(model, question, found);
      this.#answer("", sources);
      this.#say("Reads what was found…");
      const request = { messages: asking(question, sources), temperature: 0, max_completion_tokens: REPLY };
      let text = "";
      for await (const { choices } of await model.chat.completions.create({ ...request, stream: true }, { signal })) {
        text += choices[0]?.delta.content ?? "";
        $("files-answer").textContent = text;
      }
      this.#answer(text, sources);
      $("files-sources").scrollIntoView({ block: "nearest" });
    });
  }

  /** One thing after the other: what is asked for meanwhile waits, unless the dialog is closed. */
  #run(what: string, work: Work): Promise<void> {
    this.#last = this.#last.then(() => this.#do(what, work));
    return this.#last;
  }

  /** Says what it does, what it came to, and what failed. */
  async #do(what: string, work: Work): Promise<void> {
    if (!this.#dialog.open) return;
    const running = new AbortController();
    this.#running = running;
    this.#busy(true);
    this.#say(what);
    try {
      await work(running.signal);
      this.#say("");
    } catch (thrown) {
      this.#say(running.signal.aborted ? "Stopped." : messageOf(thrown));
    } finally {
      this.#running = undefined;
      this.#busy(false);
      this.#show();
    }
  }

  #busy(isBusy: boolean): void {
    const hadFocus = document.activeElement === $(isBusy ? "files-ask" : "files-stop");
    show("files-ask", !isBusy);
    show("files-stop", isBusy);
    this.#by.disabled = isBusy;
    $<HTMLInputElement>("files-pick").disabled = isBusy;
    if (hadFocus) $(isBusy ? "files-stop" : "files-ask").focus();
  }

  #say(text: string): void {
    $("files-state").textContent = text;
  }

  #show(): void {
    const rows = Array.from(this.#library.files, ([name, count]) => {
      const remove = button(
        "Remove",
        () => void this.#run("", () => this.#library.remove(name)).then(() => $("files-pick").focus()),
        `Remove ${name}`,
      );
      const about = make("div", "", make("strong", "", name), make("p", "", counted(count, "passage")));
      about.dir = "auto";
      return make("li", "", about, remove);
    });
    $("files-list").replaceChildren(...rows);
    this.#keep.checked = this.#library.isKept;
  }

  /** An answer with links to its sources, and the sources. */
  #answer(text: string, sources: readonly Source[]): void {
    const parts = cited(text, sources.length);
    const named = new Set(parts.filter((part) => typeof part === "number"));
    const rows = sources.map(({ file, text }, i) => {
      const mark = named.has(i + 1) ? " · named in the answer" : "";
      const row = make("details", "", make("summary", "", `[${i + 1}] ${file}${mark}`), make("p", "", text));
      row.dir = "auto";
      return row;
    });
    const link = (number: number) =>
      button(
        `[${number}]`,
        () => {
          rows[number - 1]!.open = true;
          rows[number - 1]!.querySelector("summary")!.focus();
        },
        `Source ${number}, ${sources[number - 1]!.file}`,
      );
    $("files-answer").replaceChildren(...parts.map((part) => (typeof part === "number" ? link(part) : part)));
    $("files-sources").replaceChildren(...rows);
    const isUnnamed = text !== "" && named.size === 0;
    if (!isUnnamed) return;
    // A small model may say what no source says: the passage that fits best is there to be read.
    if (rows[0]) rows[0].open = true;
    const warning = "The answer names none of these, which were found; it may be made up. What fits best:";
    $("files-sources").prepend(make("p", "help", warning));
  }
}

/** As many of the sources as the context has room for, the best first. */
async function fitting(model: Model, question: string, sources: readonly Source[]): Promise<Source[]> {
  const fit = [...sources];
  while (fit.length > 1) {
    const tokens = await model.countTokens(asking(question, fit));
    if (tokens + REPLY / 2 <= model.info.contextLength) break;
    fit.pop();
  }
  return fit;
}

/** A file's text. */
async function textOf(file: File): Promise<string> {
  if (file.size > LARGEST) throw new Error(`${file.name} is ${bytes(file.size)}; files may have ${bytes(LARGEST)}.`);
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await file.arrayBuffer());
  } catch (cause) {
    throw new Error(`${file.name} is no text that can be read; take a text or Markdown file.`, { cause });
  }
}

const messageOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : SottoError.from(thrown).message);
