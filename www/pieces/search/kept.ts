/** A search as a file of the origin's private file system: a line of JSON for each document, then the vectors. */
import { SottoError } from "sotto";

const FOLDER = "sotto-search";
const VERSION = 1;

export interface Kept {
  /** Numbers of a vector; 0: there are none. */
  dimensions: number;
  documents: { id: string; text: string; data?: unknown; vector: boolean }[];
  /** Those of the documents that have one, in their order. */
  vectors: Float32Array;
}

async function folder(): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await navigator.storage.getDirectory();
    return await root.getDirectoryHandle(FOLDER, { create: true });
  } catch (cause) {
    const message = "This page has no private files to keep a search in; leave out its name.";
    throw new SottoError("storage", message, { cause });
  }
}

/** Bytes that names of files may have, with what is put behind them. */
const LONGEST = 200;

/** A name as a file's. `bad_option` where it cannot be one. */
export function fileOf(name: string): string {
  const well = typeof name === "string" && !/\p{Surrogate}/u.test(name);
  const file = well ? encodeURIComponent(name) : "";
  if (file && file.length <= LONGEST) return `${file}.search`;
  throw new SottoError("bad_option", "The name of a search is no text, or too long; give it a short one.");
}

/** Whole or not at all: what was there stays until all is written. */
export async function write(name: string, { dimensions, documents, vectors }: Kept): Promise<void> {
  const head = { version: VERSION, dimensions, documents: documents.length, vectors: vectors.length };
  const lines = [`${JSON.stringify(head)}\n`, ...documents.map(lineOf)];
  const text = new TextEncoder().encode(lines.join(""));
  const size = new Uint32Array([text.length]);
  const file = await (await folder()).getFileHandle(fileOf(name), { create: true });
  if (!file.createWritable) throw new SottoError("storage", "This browser cannot keep a search; update it.");
  const to = await file.createWritable();
  try {
    for (const part of [size, text, vectors]) await to.write(part as Uint8Array<ArrayBuffer>);
    await to.close();
  } catch (thrown) {
    await to.abort().catch(() => {});
    throw SottoError.from(thrown, "storage", "The search could not be kept");
  }
}

function lineOf(document: Kept["documents"][number]): string {
  try {
    return `${JSON.stringify(document)}\n`;
  } catch (cause) {
    throw new SottoError("bad_option", `The data of the document "${document.id}" are no JSON.`, { cause });
  }
}

function isWhole({ id, text, vector }: Kept["documents"][number]): boolean {
  return typeof id === "string" && typeof text === "string" && typeof vector === "boolean";
}

/** What was kept under this name; nothing where there is none. `storage` where it is damaged or of another version. */
export async function read(name: string): Promise<Kept | undefined> {
  const from = await (await folder()).getFileHandle(fileOf(name)).catch((thrown) => {
    if ((thrown as Error).name === "NotFoundError") return;
    throw thrown;
  });
  if (!from) return;
  const bytes = await (await from.getFile()).arrayBuffer();
  // A file is empty until what is written first is whole.
  if (bytes.byteLength === 0) return;
  try {
    const [size] = new Uint32Array(bytes.slice(0, 4));
    const lines = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes, 4, size)).split("\n");
    const [head, ...documents] = lines.slice(0, -1).map((line) => JSON.parse(line));
    const vectors = new Float32Array(bytes.slice(4 + size!));
    const having = documents.filter(({ vector }) => vector).length;
    const fits = head.documents === documents.length && head.vectors === vectors.length;
    if (head.version !== VERSION || !fits || having * head.dimensions !== vectors.length || !documents.every(isWhole))
      throw new Error("it is not whole");
    return { dimensions: head.dimensions, documents, vectors };
  } catch (cause) {
    throw damaged(name, cause);
  }
}

export function damaged(name: string, cause: unknown): SottoError {
  const message = `The search "${name}" that was kept is damaged or of another version; forgetSearch("${name}") removes it.`;
  return new SottoError("storage", message, { cause });
}

export async function remove(name: string): Promise<void> {
  await (await folder()).removeEntry(fileOf(name)).catch((thrown) => {
    if ((thrown as Error).name !== "NotFoundError") throw thrown;
  });
}
