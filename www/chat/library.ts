/** The files that can be asked about: searched, and kept in the browser where someone wishes it. */
import { type LoadOptions, load, type Model, SottoError } from "sotto";
import { createSearch, forgetSearch, type Search } from "sotto/search";
import { ENCODERS, type Encoder } from "./encoders.js";
import { idsOf, passagesOf, type Source } from "./passages.js";

const NAME = "page-files";
const KEY = "sotto-files";

type Data = { file: string };
/** How many passages are in, of how many. */
type Told = (done: number, total: number) => void;

/** What is known of the files between visits: the search itself keeps their passages. */
interface Known {
  source: string;
  /** Passages of each file. */
  files: Record<string, number>;
}

/** A search, and the model that makes its vectors: it is loaded when it is first needed. */
interface Opened {
  encoder: Encoder;
  search: Search<Data>;
  end(): void;
}

export class Library {
  /** Passages of each file. */
  files = new Map<string, number>();
  #opened: Promise<Opened> | undefined;
  #progress: LoadOptions["onProgress"];
  #encoder: Encoder;

  /** `progress` is told of the encoder's download. */
  constructor(progress: LoadOptions["onProgress"]) {
    this.#progress = progress;
    this.#encoder = ENCODERS.find(({ source }) => source === known()?.source) ?? ENCODERS[0]!;
  }

  get encoder(): Encoder {
    return this.#encoder;
  }

  /** Whether the files are kept for the next visit. */
  get isKept(): boolean {
    return known() !== undefined;
  }

  /** What was kept, if anything was. */
  async restore(): Promise<void> {
    const kept = known();
    if (!kept || this.#opened) return;
    this.#opened = this.#open(this.#encoder);
    const { search } = await this.#opened;
    // What storage says is no promise: a count may be anything.
    const whole = Object.entries(kept.files).filter(
      ([name, count]) => count <= search.size && idsOf(name, count).every((id) => search.get(id)),
    );
    this.files = new Map(whole);
  }

  async add(name: string, text: string, told: Told, signal: AbortSignal): Promise<void> {
    const passages = passagesOf(name, text);
    if (passages.length === 0) throw new Error(`${name} has no text in it.`);
    const { search } = await this.#current();
    await search.add(passages, { onProgress: told, signal });
    const before = idsOf(name, this.files.get(name) ?? 0);
    search.remove(before.slice(passages.length));
    this.files.set(name, passages.length);
    await this.#save();
  }

  async remove(name: string): Promise<void> {
    const { search } = await this.#current();
    search.remove(idsOf(name, this.files.get(name) ?? 0));
    this.files.delete(name);
    await this.#save();
  }

  /** Searches by another encoder, which reads what is there; where it fails, all is as it was. */
  async use(encoder: Encoder, told: Told, signal: AbortSignal): Promise<void> {
    if (this.files.size > 0) {
      const before = await this.#current();
      const all = Array.from(this.files).flatMap(([name, count]) => idsOf(name, count));
      const next = await this.#open(encoder, true);
      try {
        await next.search.add(
          all.map((id) => before.search.get(id)!),
          { onProgress: told, signal },
        );
      } catch (thrown) {
        next.end();
        await this.#save();
        throw thrown;
      }
      before.end();
      this.#opened = Promise.resolve(next);
    } else {
      (await this.#opened)?.end();
      this.#opened = undefined;
    }
    this.#encoder = encoder;
    await this.#save();
  }

  async find(question: string, most: number, signal: AbortSignal): Promise<Source[]> {
    const { search } = await this.#current();
    const hits = await search.find(question, { limit: most, signal });
    return hits.map(({ text, data }) => ({ file: data?.file ?? "", text }));
  }

  async keep(isWished: boolean): Promise<void> {
    write(isWished ? this.#known() : undefined);
    if (isWished) await this.#save();
    else await forgetSearch(NAME);
  }

  #current(): Promise<Opened> {
    this.#opened ??= this.#open(this.#encoder, true);
    return this.#opened;
  }

  /** With what was kept, or `anew`. */
  async #open(encoder: Encoder, anew = false): Promise<Opened> {
    let model: Promise<Model> | undefined;
    const held = () => {
      model ??= load(encoder.source, { onProgress: this.#progress });
      // What did not load is tried again.
      model.catch(() => {
        model = undefined;
      });
      return model;
    };
    const options = encoder.source ? { model: held, prompts: encoder.prompts } : {};
    const end = () => void model?.then((it) => it.dispose()).catch(() => {});
    try {
      if (anew) await forgetSearch(NAME);
      return { encoder, search: await createSearch<Data>({ ...options, name: NAME }), end };
    } catch (thrown) {
      // Where the browser keeps nothing, or it is damaged, a search lasts as long as the page.
      if (SottoError.from(thrown).code !== "storage") throw thrown;
      return { encoder, search: await createSearch<Data>(options), end };
    }
  }

  #known = (): Known => ({ source: this.#encoder.source, files: Object.fromEntries(this.files) });

  async #save(): Promise<void> {
    if (!this.isKept) return;
    const { search } = await this.#current();
    await search.save();
    write(this.#known());
  }
}

function known(): Known | undefined {
  try {
    const { source, files } = JSON.parse(localStorage.getItem(KEY) ?? "null");
    return typeof source === "string" ? { source, files: Object(files) } : undefined;
  } catch {
    // Storage may be off, or hold nothing.
    return undefined;
  }
}

function write(kept: Known | undefined): void {
  try {
    if (kept) localStorage.setItem(KEY, JSON.stringify(kept));
    else localStorage.removeItem(KEY);
  } catch {
    // Storage may be off.
  }
}
