/** One file of the store: its bytes and its journal. */
import type { Folder, Handle } from "./folder.js";
import { BLOCK, type Facts, Journal, isNoHead, readHead, writeAll } from "./journal.js";

const JOURNAL = ".journal";

/** A file as `list` shows it. */
export interface Entry {
  id: string;
  facts: Facts;
}

/** What is in the folder, whole or not, of which the name begins so. */
export async function ids(folder: Folder, start: string): Promise<string[]> {
  const names = (await folder.names()).filter((name) => name.startsWith(start));
  return [...new Set(names.map((name) => name.replace(/\.\w+$/, "")))];
}

/** All files of the store, or those whose names begin so, the newest first. */
export async function entries(folder: Folder, start = ""): Promise<Entry[]> {
  const names = (await folder.names()).filter((name) => name.startsWith(start) && name.endsWith(JOURNAL));
  const all = names.map(async (name) => {
    // What is removed meanwhile is none.
    const facts = readHead(await bytesOf(folder, name, 1 << 13).catch(() => new Uint8Array()));
    return facts ? [{ id: name.slice(0, -JOURNAL.length), facts }] : [];
  });
  return (await Promise.all(all)).flat().sort((a, b) => b.facts.added - a.facts.added);
}

/** A file's first bytes. It may be written at this moment, and then a browser does not let it be read. */
async function bytesOf(folder: Folder, name: string, most?: number): Promise<Uint8Array> {
  for (let tries = 1; ; tries++) {
    try {
      return new Uint8Array(await (await folder.snapshot(name)).slice(0, most).arrayBuffer());
    } catch (error) {
      if (tries === TRIES || isMissing(error)) throw error;
      await rest();
    }
  }
}

/** How often the journal is told of what has come, at least: what came since then is fetched again if the browser is killed. */
const TELL_EVERY_MS = 250;

const TRIES = 20;
const rest = () => new Promise((resolve) => setTimeout(resolve, 10));

/** A file's journal as it is now. */
export async function journalOf(folder: Folder, id: string): Promise<Journal | undefined> {
  return Journal.read(await bytesOf(folder, id + JOURNAL));
}

export const dataOf = (folder: Folder, id: string): Promise<File> => folder.snapshot(id + folder.data);

/** Both files; throws while somebody has them open. */
export async function remove(folder: Folder, id: string): Promise<void> {
  await folder.remove(id + folder.data).catch(unlessMissing);
  await folder.remove(id + JOURNAL).catch(unlessMissing);
}

/**
 * Removes what a whole file has made needless: its older versions, and what a page that has ended has left, which no other can go
 * on with. What somebody has open stays.
 */
export async function tidy(folder: Folder, { id, facts }: Entry): Promise<void> {
  for (const other of await ids(folder, "")) {
    if (other === id) continue;
    // One that cannot be read at this moment may be whole.
    const head = await bytesOf(folder, other + JOURNAL, 1 << 13).catch((error) => isMissing(error) && new Uint8Array());
    if (!head) continue;
    const { url, added } = readHead(head) ?? {};
    const isOlder = url === facts.url && added! <= facts.added;
    if (isOlder || isNoHead(head)) await remove(folder, other).catch(() => {});
  }
}

export const isMissing = (error: unknown) => (error as Error | undefined)?.name === "NotFoundError";

function unlessMissing(error: unknown): void {
  if (!isMissing(error)) throw error;
}

/** Opens a file that nobody has open any more: browsers may still be letting go of it where a tab was closed. */
async function openSoon(folder: Folder, name: string): Promise<Handle> {
  for (let tries = 1; ; tries++) {
    try {
      return await folder.open(name);
    } catch (error) {
      if (tries === 10 * TRIES || (error as Error | undefined)?.name !== "NoModificationAllowedError") throw error;
      await rest();
    }
  }
}

/** A file that is open: for writing, or for reading its blocks beside others. */
export class Kept {
  readonly id: string;
  readonly journal: Journal;
  #folder: Folder;
  #data: Handle | undefined;
  /** Whether it is open for writing, which keeps all others out. */
  readonly #writable: boolean;
  #wake: (() => void)[] = [];
  #failure: { thrown: unknown } | undefined;
  #ended = false;
  /** Blocks of which more has come than the journal tells, how many bytes that is, and when it was last told. */
  #untold = new Set<number>();
  #bytes = 0;
  #told = performance.now();

  private constructor(folder: Folder, id: string, journal: Journal, data: Handle | undefined, writable: boolean) {
    this.#folder = folder;
    this.id = id;
    this.journal = journal;
    this.#data = data;
    this.#writable = writable;
  }

  /** A new one, with room for all of it where the size is known. */
  static async create(folder: Folder, facts: Facts, id: string = crypto.randomUUID()): Promise<Kept> {
    const handles: Handle[] = [];
    try {
      for (const end of [folder.data, JOURNAL]) handles.push(await folder.open(id + end));
      const [data, journal] = handles as [Handle, Handle];
      if (facts.size !== undefined) data.truncate(facts.size);
      return new Kept(folder, id, new Journal(facts, journal), data, true);
    } catch (error) {
      for (const handle of handles) handle.close();
      await remove(folder, id).catch(() => {});
      throw error;
    }
  }

  /** One that was begun, to go on with; none if its journal cannot be read. */
  static async resume(folder: Folder, id: string): Promise<Kept | undefined> {
    const data = await openSoon(folder, id + folder.data);
    const handle = await openSoon(folder, id + JOURNAL).catch((error) => {
      data.close();
      throw error;
    });
    let journal: Journal | undefined;
    try {
      journal = Journal.open(handle);
    } finally {
      if (!journal) {
        data.close();
        handle.close();
      }
    }
    return journal && new Kept(folder, id, journal, data, true);
  }

  /**
   * A whole one, to read; none if its journal has lost a part. Where the browser lets only one read at a time, the others take
   * longer ways.
   */
  static async read(folder: Folder, id: string): Promise<Kept | undefined> {
    const journal = await journalOf(folder, id);
    if (!journal?.isComplete) return undefined;
    const data = await folder.open(id + folder.data, true).catch(() => undefined);
    return new Kept(folder, id, journal, data, false);
  }

  /** How many bytes from `at` on are there already: of what arrives again, so many are left out. */
  #known(block: number, offset: number): number {
    return (this.journal.have[block] ?? 0) - offset;
  }

  /** Puts bytes in their place. What is there already is left as it is; there may be no hole before them in their block. */
  write(at: number, bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const block = Math.floor((at + from) / BLOCK);
      const offset = at + from - block * BLOCK;
      const count = Math.min(bytes.length - from, BLOCK - offset);
      const known = Math.max(0, this.#known(block, offset));
      if (this.#known(block, offset) < 0) throw new Error(`block ${block} has a hole before byte ${offset}`);
      if (known < count) {
        writeAll(this.#data!, bytes.subarray(from + known, from + count), at + from + known);
        this.journal.setHave(block, offset + count);
        this.#untold.add(block);
        this.#bytes += count - known;
        const isWhole = offset + count === this.journal.lengthOf(block);
        if (isWhole || this.#bytes >= BLOCK || performance.now() - this.#told > TELL_EVERY_MS) this.#tell();
      }
      from += count;
    }
    this.#changed();
  }

  /** Has the journal tell of what has come. That must be on the disk before: a power cut may leave the one without the other. */
  #tell(): void {
    this.#data!.flush();
    for (const block of this.#untold) this.journal.note(block);
    this.#untold.clear();
    this.#bytes = 0;
    this.#told = performance.now();
  }

  /** No more bytes come; the size is known now if it was not. */
  end(): void {
    this.#ended = true;
    this.#tell();
    this.journal.update({ size: this.journal.facts.size ?? this.journal.loaded });
    this.#changed();
  }

  /** No more bytes come, because of what was thrown. */
  fail(thrown: unknown): void {
    this.#failure ??= { thrown };
    this.#changed();
  }

  #changed(): void {
    for (const wake of this.#wake.splice(0)) wake();
  }

  /** Resolves when all of a block is there: to how many bytes it has, none after the last. Throws what the download failed with. */
  async whole(block: number): Promise<number> {
    for (;;) {
      const { facts, have, blocks } = this.journal;
      const length = this.journal.lengthOf(block);
      if ((facts.size !== undefined && block >= blocks) || length <= 0) return 0;
      if (have[block] === length) return length;
      if (this.#failure) throw this.#failure.thrown;
      if (this.#ended) return have[block] ?? 0;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  /** The bytes of a block, in `into` where that can be. */
  async block(block: number, into: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
    const length = this.journal.have[block] ?? 0;
    const at = block * BLOCK;
    if (!this.#data) {
      // What cannot be read is as good as changed.
      const file = dataOf(this.#folder, this.id).then((file) => file.slice(at, at + length).arrayBuffer());
      return new Uint8Array(await file.catch(() => new ArrayBuffer(0)));
    }
    try {
      return into.subarray(0, this.#data.read(into.subarray(0, length), { at }));
    } catch {
      return into.subarray(0, 0);
    }
  }

  /** Writes a block again. That others read the file keeps one from it: then they mend it, or the next. */
  async mend(block: number, bytes: Uint8Array): Promise<void> {
    const at = block * BLOCK;
    if (this.#writable) return void (this.#data && writeAll(this.#data, bytes, at));
    const data = this.#data;
    this.#data = undefined;
    try {
      data?.close();
      const handle = await this.#folder.open(this.id + this.#folder.data);
      handle.write(bytes, { at });
      handle.flush();
      handle.close();
    } catch {
      // It is found again.
    }
    this.#data = await this.#folder.open(this.id + this.#folder.data, true).catch(() => undefined);
  }

  /** What fails here is found when it is next read. */
  close(): void {
    const quietly = (work: () => void) => {
      try {
        work();
      } catch {
        // It is as if the page had ended before.
      }
    };
    if (this.#untold.size > 0) quietly(() => this.#tell());
    quietly(() => this.#data?.close());
    this.#data = undefined;
    quietly(() => this.journal.close());
  }

  async remove(): Promise<void> {
    this.close();
    await remove(this.#folder, this.id).catch(() => {});
  }
}
