/** The models that the browser keeps, as a page sees them. */
import { readOptions, readText } from "./arguments.js";
import { once } from "./once.js";
import { absolute } from "./source.js";
import { bad, kind, shown } from "../wire/check.js";
import type {
  ImportOptions,
  Progress,
  SavedSession,
  StoreAsk,
  StoreEstimate,
  StoreOptions,
  StoredFile,
  Verified,
} from "../wire/protocol.js";

/** Asks a worker that lives as long as the call. */
async function ask<T>(ask: StoreAsk, { workerUrl, signal, onProgress }: StoreOptions): Promise<T> {
  const onEvent = ({ progress }: { progress: Progress }) => onProgress?.(progress);
  return (await once("store", () => ask, {
    what: `The store's ${ask.what}`,
    ...(workerUrl && { workerUrl }),
    signal,
    onEvent,
  })) as T;
}

const read = (options: unknown): StoreOptions => readOptions("store", options).page;

/** The id or address of a file of the store, or what `list` and `import` gave. */
function which(file: string | StoredFile): string {
  return typeof file === "string" ? file : readText("the file's id", (file as StoredFile | undefined)?.id);
}

export const store = {
  /** What is kept, the newest first. */
  async list(options?: StoreOptions): Promise<StoredFile[]> {
    return ask({ what: "list" }, read(options));
  },

  /** Removes a file, by its id, its address, or as `list` gave it; how many were removed. */
  async delete(file: string | StoredFile, options?: StoreOptions): Promise<number> {
    return ask({ what: "delete", which: which(file) }, read(options));
  },

  /** Compares every block with its hash; what has changed is fetched again by the next load. */
  async verify(file: string | StoredFile, options?: StoreOptions): Promise<Verified> {
    return ask({ what: "verify", which: which(file) }, read(options));
  },

  /** The sessions that were saved, the newest first. */
  async sessions(options?: StoreOptions): Promise<SavedSession[]> {
    return ask({ what: "sessions" }, read(options));
  },

  /** Removes a session, by its id; whether there was one. */
  async deleteSession(id: string, options?: StoreOptions): Promise<boolean> {
    return ask({ what: "forget", which: readText("the session's id", id) }, read(options));
  },

  /** How much is kept, and how much may be. */
  async estimate(options?: StoreOptions): Promise<StoreEstimate> {
    return ask({ what: "estimate" }, read(options));
  },

  /** Asks the browser not to clear the site's files when its disk is full; whether it agreed. */
  async persist(): Promise<boolean> {
    return (await globalThis.navigator?.storage?.persist?.()) ?? false;
  },

  /** Puts a file of the user's into the store; `load` finds it by its `url`. */
  async import(file: Blob, options?: ImportOptions): Promise<StoredFile> {
    const { page } = readOptions("store.import", options);
    const tag = kind(file);
    if (tag !== "File" && tag !== "Blob") throw bad(`The file is ${shown(file)}`, "a File or Blob");
    const name = (file as File).name ?? "model.gguf";
    const url = page.url === undefined ? `store:${name}` : absolute(page.url);
    const { sha256 } = page;
    return ask({ what: "import", blob: file, name, url, ...(sha256 && { sha256: sha256.toLowerCase() }) }, page);
  },

  /** A whole file, to be saved elsewhere. */
  async export(file: string | StoredFile, options?: StoreOptions): Promise<File> {
    return ask({ what: "export", which: which(file) }, read(options));
  },
};
