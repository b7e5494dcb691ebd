/**
 * A search as a file of the origin's private file system: a line of JSON for each document, then the vectors, then the SHA-256
 * of both.
 */
import { SottoError } from "sotto";

const FOLDER = "sotto-search";
const VERSION = 2;
/** What had no hash at its end. It is still read: with a hash its vectors would not be as many as it says. */
const OLDER = 1;
/** Bytes of a hash. */
const HASH = 32;

export interface Kept {
  /** Numbers of a vector; 0: there are none. */
  dimensions: number;
  documents: { id: string; text: string; data?: unknown; vector: boolean }[];
  /** Those of the documents that have one, in their order. */
  vectors: Float32Array;
  /** What the model makes of one text that is always the same, where there is one. */
  probe?: number[] | undefined;
}

/** The file as a search has last read or written it; empty: there was none. */
export interface Seen {
  mark: string;
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

/** One at a time in all tabs, so that nobody writes between another's look and its write. `storage` for what a browser says. */
async function alone<T>(
  name: string,
  fails: string,
  work: (folder: FileSystemDirectoryHandle) => Promise<T>,
): Promise<T> {
  const file = fileOf(name);
  const at = await folder();
  try {
    return await navigator.locks.request(`${FOLDER}:${file}`, () => work(at));
  } catch (thrown) {
    throw SottoError.from(thrown, "storage", fails);
  }
}

/** Tells one file from another: by how long it is and its hash. */
async function markOf(file: Blob): Promise<string> {
  if (file.size === 0) return "";
  return `${file.size}:${new Uint8Array(await file.slice(-HASH).arrayBuffer()).join()}`;
}

const hash = async (bytes: Uint8Array<ArrayBuffer>) => new Uint8Array(await crypto.subtle.digest("SHA-256", bytes));

/** Whole or not at all: what was there stays until all is written. `storage` where that is not what was seen. */
export async function write(name: string, { dimensions, documents, vectors, probe }: Kept, seen: Seen): Promise<void> {
  const head = { version: VERSION, dimensions, documents: documents.length, vectors: vectors.length, probe };
  const lines = [`${JSON.stringify(head)}\n`, ...documents.map(lineOf)];
  await alone(name, "The search could not be kept", async (folder) => {
    const file = await folder.getFileHandle(fileOf(name), { create: true });
    if (!file.createWritable) throw new SottoError("storage", "This browser cannot keep a search; update it.");
    const there = await markOf(await file.getFile());
    if (there && there !== seen.mark) throw changed(name);
    const bytes = bytesOf(lines.join(""), vectors);
    const to = await file.createWritable();
    try {
      for (const part of [bytes, await hash(bytes)]) await to.write(part);
      await to.close();
    } catch (thrown) {
      await to.abort().catch(() => {});
      throw thrown;
    }
    seen.mark = await markOf(await file.getFile());
  });
}

/** The length of the text, the text, the vectors. */
function bytesOf(lines: string, vectors: Float32Array): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(lines);
  const bytes = new Uint8Array(4 + text.length + vectors.byteLength);
  bytes.set(new Uint8Array(new Uint32Array([text.length]).buffer));
  bytes.set(text, 4);
  bytes.set(new Uint8Array(vectors.buffer, vectors.byteOffset, vectors.byteLength), 4 + text.length);
  return bytes;
}

function changed(name: string): SottoError {
  const message = `The search "${name}" was kept by another since it was read; open it again and add to that.`;
  return new SottoError("storage", message);
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
export async function read(name: string): Promise<(Kept & Seen) | undefined> {
  const file = await alone(name, "The search could not be read", async (folder) => {
    const from = await folder.getFileHandle(fileOf(name)).catch((thrown) => {
      if ((thrown as Error).name === "NotFoundError") return;
      throw thrown;
    });
    const file = await from?.getFile();
    return file && { bytes: await file.arrayBuffer(), mark: await markOf(file) };
  });
  // A file is empty until what is written first is whole.
  if (!file?.mark) return;
  try {
    return { ...(await parsed(file.bytes)), mark: file.mark };
  } catch (cause) {
    throw damaged(name, cause);
  }
}

async function parsed(bytes: ArrayBuffer): Promise<Kept> {
  const [size] = new Uint32Array(bytes.slice(0, 4));
  const lines = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes, 4, size)).split("\n");
  const [head, ...documents] = lines.slice(0, -1).map((line) => JSON.parse(line));
  const end = bytes.byteLength - (head.version === OLDER ? 0 : HASH);
  const vectors = new Float32Array(bytes.slice(4 + size!, end));
  const having = documents.filter(({ vector }) => vector).length;
  const fits = head.documents === documents.length && head.vectors === vectors.length;
  const known = head.version === VERSION || head.version === OLDER;
  if (!known || !fits || having * head.dimensions !== vectors.length || !documents.every(isWhole))
    throw new Error("it is not whole");
  if (head.version === VERSION) {
    const is = await hash(new Uint8Array(bytes, 0, end));
    const was = new Uint8Array(bytes, end);
    if (!is.every((byte, i) => byte === was[i])) throw new Error("its hash is another");
  }
  const { dimensions, probe } = head;
  const sound = Array.isArray(probe) && probe.length === dimensions && probe.every(Number.isFinite);
  return { dimensions, documents, vectors, probe: sound ? probe : undefined };
}

export function damaged(name: string, cause: unknown): SottoError {
  const message = `The search "${name}" that was kept is damaged or of another version; forgetSearch("${name}") removes it.`;
  return new SottoError("storage", message, { cause });
}

export async function remove(name: string): Promise<void> {
  await alone(name, "The search could not be forgotten", (folder) =>
    folder.removeEntry(fileOf(name)).catch((thrown) => {
      if ((thrown as Error).name !== "NotFoundError") throw thrown;
    }),
  );
}
