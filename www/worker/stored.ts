/**
 * A model's bytes by way of the store: what is there is read from it, what is not is fetched into it, and what is read was
 * compared with its hash.
 */
import { SottoError, aborted, said } from "../wire/errors.js";
import type { Folder } from "../store/folder.js";
import { Hasher, digest, same } from "../store/hash.js";
import { BLOCK, type Facts } from "../store/journal.js";
import { type Entry, Kept, dataOf, entries, remove, tidy } from "../store/kept.js";
import { Speaker, hold } from "../store/locks.js";
import { SEGMENT, download } from "./download.js";
import { type Answer, type Patience, type Target, ask, checkFirstBytes, hasChanged, part } from "./remote.js";

/** A file as it is read. */
export interface Feed {
  /** How errors call it. */
  name: string;
  /** Where it was found, if it has an address. */
  address?: string | undefined;
  /** Bytes, as far as is known. */
  total: number | undefined;
  /** Pieces of at most 4 MiB, in order; a piece is good until the next is asked for. */
  chunks: AsyncGenerator<Uint8Array>;
  /** Bytes that have arrived, where more has than was read. */
  loaded?: () => number;
  /** Bytes of its files that were read, where those are others. */
  read?: () => number;
  /** Whether bytes still come over the network. */
  arriving: () => boolean;
  fromCache: boolean;
  /** Read to the end, it will be there the next time. */
  kept: boolean;
  /** Takes it out of the store: it is of no use. */
  discard?: () => Promise<void>;
  /** The file, where it can be read again. */
  file?: () => Promise<Blob>;
  /** Some bytes of it, where it is not here. */
  span?: (start: number, end: number) => AsyncGenerator<Uint8Array>;
}

/** What is wanted. */
export interface Want {
  /** As it was asked for. */
  source: string;
  /** Where it is; unknown where the hub cannot be asked. */
  target?: Target;
  /** The file's name, for people. */
  name: string;
  sha256?: string | undefined;
  /** `only`: without the network. */
  cache: "auto" | "only";
}

export interface Tell {
  progress(phase: "connect" | "download", loaded: number, total: number | undefined): void;
  warn(code: "storage" | "checksum", message: string): void;
}

/** The feed of what is wanted; none where the store cannot be used, of which it tells. */
export async function openStored(
  want: Want,
  folder: Folder,
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
): Promise<Feed | undefined> {
  const { target } = want;
  const old = await newest(folder, want);
  if (
    old &&
    (!target || want.cache === "only" || isPinned(old, want) || !(await hasChanged(target, old.facts, signal)))
  ) {
    const feed = await readWhole(old, want, folder, tell, signal, patience);
    if (feed) return feed;
  }
  if (!target || want.cache === "only") {
    const message = `${want.name} is not in the store, or not whole; load it once with cache "auto" and a network.`;
    throw new SottoError("not_stored", message);
  }
  const url = addressOf(target);
  const { waited, release } = await hold(url, signal, ({ loaded, total }) => tell.progress("download", loaded, total));
  let feed: Feed | undefined;
  try {
    const brought = waited ? await newest(folder, want) : undefined;
    if (brought && brought.id !== old?.id) feed = await readWhole(brought, want, folder, tell, signal, patience);
    if (feed) release();
    else feed = await fetchWhole({ ...want, target }, url, folder, tell, signal, patience, release);
  } finally {
    if (!feed) release();
  }
  return feed;
}

const addressOf = ({ url }: Target) => url.split("#")[0]!;

/** A whole file that is what is wanted, the newest of them. */
async function newest(folder: Folder, { source, target, sha256 }: Want): Promise<Entry | undefined> {
  const whole = (await entries(folder)).filter(({ facts }) => facts.whole);
  const url = target && addressOf(target);
  const named = ({ facts }: Entry) => facts.url === url || facts.alias === source || facts.url === source;
  const fits = ({ facts }: Entry) => !sha256 || !facts.sha256 || facts.sha256 === sha256;
  return whole.find(({ facts }) => sha256 && facts.sha256 === sha256) ?? whole.find((e) => named(e) && fits(e));
}

/** Whether it cannot be another file than what is wanted. */
const isPinned = ({ facts }: Entry, { sha256 }: Want) => sha256 !== undefined && facts.sha256 === sha256;

async function readWhole(
  entry: Entry,
  want: Want,
  folder: Folder,
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
): Promise<Feed | undefined> {
  const kept = await Kept.read(folder, entry.id).catch(() => undefined);
  if (!kept) return undefined;
  const { name } = want;
  const reader = blocks(kept, { ...want, network: want.cache !== "only" }, tell, signal, patience);
  async function* chunks() {
    try {
      yield* reader;
      await tidy(folder, entry).catch(() => {});
    } finally {
      kept!.close();
    }
  }
  const total = kept.journal.facts.size;
  const address = kept.journal.facts.url;
  return {
    name,
    address,
    total,
    chunks: chunks(),
    arriving: () => false,
    fromCache: true,
    kept: true,
    file: () => dataOf(folder, entry.id),
  };
}

/** Fetches what is missing of a file, and reads it as it arrives; `release` ends the hold on its address. */
async function fetchWhole(
  want: Want & { target: Target },
  url: string,
  folder: Folder,
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
  release: () => void,
): Promise<Feed | undefined> {
  const target: Target = { ...want.target, cache: "no-store" };
  const { kept, first } = await begin(want, target, url, folder, tell, signal, patience);
  if (!kept) {
    void first.body.cancel();
    release();
    return undefined;
  }
  const { journal } = kept;
  const speaker = new Speaker();
  const stop = new AbortController();
  const stopped = () => {
    stop.abort();
    kept.fail(aborted("Loading the model", signal));
  };
  signal.addEventListener("abort", stopped);
  let arriving = true;
  let spoke = 0;
  let loaded = journal.loaded;
  const onBytes = () => {
    loaded = journal.loaded;
    tell.progress("download", loaded, journal.facts.size);
    if (performance.now() - spoke < SAY_EVERY_MS) return;
    spoke = performance.now();
    speaker.say({ url, loaded, total: journal.facts.size });
  };
  const downloading = download(kept, target, first, stop.signal, patience, onBytes)
    .catch((error) => kept.fail(error))
    .finally(() => (arriving = false));
  async function* chunks() {
    try {
      yield* blocks(kept!, { ...want, target, network: true }, tell, signal, patience);
      // Its older versions have been waiting for this.
      if (journal.facts.whole) await tidy(folder, { id: kept!.id, facts: journal.facts }).catch(() => {});
    } finally {
      signal.removeEventListener("abort", stopped);
      stop.abort();
      await downloading;
      kept!.close();
      speaker.close();
      release();
    }
  }
  return {
    name: want.name,
    address: url,
    total: journal.facts.size,
    chunks: chunks(),
    loaded: () => loaded,
    arriving: () => arriving,
    fromCache: false,
    kept: true,
    discard: () => remove(folder, kept.id).catch(() => {}),
    file: () => dataOf(folder, kept.id),
  };
}

/** How often other tabs are told. */
const SAY_EVERY_MS = 100;

/** What was begun of this version of the file, or a new one; none where there is no room. */
async function begin(
  want: Want,
  target: Target,
  url: string,
  folder: Folder,
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
): Promise<{ kept: Kept | undefined; first: Answer }> {
  // Nobody else has them open: the address is held.
  const begun = (await entries(folder)).filter(({ facts }) => facts.url === url && !facts.whole);
  let kept: Kept | undefined;
  let first: Answer | undefined;
  for (const { id, facts } of begun) {
    const known = facts.size !== undefined && (facts.validator !== undefined || want.sha256 !== undefined);
    kept ??= known ? await Kept.resume(folder, id).catch(() => undefined) : undefined;
    if (kept?.id !== id) await remove(folder, id).catch(() => {});
  }
  try {
    const gap = kept?.journal.gaps(SEGMENT)[0];
    const { validator, size } = kept?.journal.facts ?? {};
    // All of it has arrived, and was not read to its end.
    if (kept && !gap) {
      if (!(await hasChanged(target, kept.journal.facts, signal))) return { kept, first: { ...NOTHING, total: size } };
      await kept.remove();
      kept = undefined;
    }
    first ??= await ask(target, { start: gap?.start ?? 0, end: gap?.end ?? SEGMENT, validator }, signal, patience);
    if (kept && gap) {
      const same =
        first.validator === validator && first.total === size && (!first.ranged || first.start === gap.start);
      if (same) return { kept, first };
      await kept.remove();
      kept = undefined;
      // What was asked for is a part of another version.
      if (first.ranged && first.start > 0) {
        void first.body.cancel();
        first = await ask(target, { start: 0, end: SEGMENT }, signal, patience);
      }
    }
    return { kept: kept ?? (await create(want, url, first, folder, tell)), first };
  } catch (error) {
    kept?.close();
    throw error;
  }
}

/** The answer to nothing, where all has arrived already. */
const NOTHING: Answer = { start: 0, total: 0, validator: undefined, ranged: true, body: new ReadableStream() };

async function create(
  { source, name, sha256 }: Want,
  url: string,
  first: Answer,
  folder: Folder,
  tell: Tell,
): Promise<Kept | undefined> {
  const facts: Facts = {
    url,
    name,
    whole: false,
    added: Date.now(),
    ...(source !== url && { alias: source }),
    ...(first.total !== undefined && { size: first.total }),
    ...(first.validator && { validator: first.validator }),
    ...(sha256 && { sha256 }),
  };
  try {
    const { quota = Infinity, usage = 0 } = (await navigator.storage.estimate?.()) ?? {};
    if (first.total !== undefined && first.total > quota - usage)
      throw new Error(`it takes ${first.total} bytes, and ${Math.max(0, quota - usage)} are free`);
    return await Kept.create(folder, facts);
  } catch (error) {
    tell.warn("storage", `${name} is not kept in the browser's store (${said(error)}); the load goes on without it.`);
    return undefined;
  }
}

/** A file's blocks in order, as they are there, each compared with its hash; at the end, the whole with what was promised. */
async function* blocks(
  kept: Kept,
  want: Want & { network: boolean },
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
): AsyncGenerator<Uint8Array> {
  const { journal } = kept;
  const { name, target } = want;
  // Of one that was begun, it may have been promised then.
  const promised = want.sha256 ?? journal.facts.sha256;
  const hasher = promised && !(journal.facts.whole && journal.facts.sha256) ? new Hasher() : undefined;
  const buffers = [new Uint8Array(BLOCK), new Uint8Array(BLOCK)] as const;
  const next = async (block: number): Promise<Uint8Array<ArrayBuffer> | undefined> => {
    const length = await kept.whole(block);
    if (length === 0) return undefined;
    const bytes = await kept.block(block, buffers[block % 2]!);
    const hash = await digest(bytes);
    const known = journal.hashes[block];
    if (bytes.length === length && (!known || same(hash, known))) {
      if (!known) journal.setHash(block, hash);
      return bytes;
    }
    return mended(kept, block, length, want, tell, signal, patience);
  };
  const finish = async () => {
    const sha256 = hasher?.end();
    if (sha256 !== undefined && sha256 !== promised) {
      await kept.remove();
      throw wrongHash(name, sha256, promised!);
    }
    if (journal.facts.whole) return;
    journal.flush();
    journal.update({ whole: true, ...(sha256 && { sha256 }) });
    try {
      journal.flush();
    } catch {
      // All of it is there, and is compared when it is read.
    }
  };
  let at = 0;
  try {
    let bytes = await next(0);
    for (let block = 0; bytes; block++) {
      if (block === 0 && !journal.facts.whole) await refuse(kept, bytes, name);
      if (signal.aborted) throw aborted("Loading the model", signal);
      const coming = next(block + 1);
      coming.catch(() => {});
      // Before the last is passed on: nobody may ask for more.
      const isLast = journal.facts.size === undefined ? !(await coming) : block + 1 >= journal.blocks;
      hasher?.update(bytes);
      if (isLast) await finish();
      at += bytes.length;
      yield bytes;
      bytes = await coming;
    }
  } catch (thrown) {
    if (thrown instanceof SottoError || signal.aborted || !target || journal.facts.whole) throw thrown;
    tell.warn(
      "storage",
      `${name} cannot be kept in the browser's store (${said(thrown)}); the load goes on without it.`,
    );
    await kept.remove();
    const { size: total, validator } = journal.facts;
    for await (const bytes of part(target, { start: at, total, validator }, signal, patience)) {
      hasher?.update(bytes);
      at += bytes.length;
      if (at === total && hasher && promised) {
        const sha256 = hasher.end();
        if (sha256 !== promised) throw wrongHash(name, sha256, promised);
      }
      yield bytes;
    }
  }
}

/** What servers send in place of a model is not kept. */
async function refuse(kept: Kept, first: Uint8Array, name: string): Promise<void> {
  try {
    checkFirstBytes(first, name);
  } catch (error) {
    await kept.remove();
    throw error;
  }
}

export function wrongHash(name: string, found: string, wanted: string): SottoError {
  const message = `The SHA-256 of ${name} is ${found}, not ${wanted} as promised; load it again, or check what was promised.`;
  return new SottoError("checksum", message);
}

/** A block whose bytes have changed in the store, fetched again. */
async function mended(
  kept: Kept,
  block: number,
  length: number,
  { name, target, network }: { name: string; target?: Target; network: boolean },
  tell: Tell,
  signal: AbortSignal,
  patience: Patience,
): Promise<Uint8Array<ArrayBuffer>> {
  const start = block * BLOCK;
  const end = start + length;
  const where = `Bytes ${start} to ${end} of ${name} have changed in the store`;
  if (!target || !network)
    throw new SottoError("checksum", `${where}; load it once with cache "auto" and a network, which mends them.`);
  const bytes = new Uint8Array(length);
  let at = 0;
  const { validator, size: total } = kept.journal.facts;
  for await (const piece of part(
    { ...target, cache: "no-store" },
    { start, end, validator, total },
    signal,
    patience,
  )) {
    bytes.set(piece, at);
    at += piece.length;
  }
  const hash = await digest(bytes);
  // Of a file that is not whole yet a page may have ended while it wrote the hash.
  if (!kept.journal.facts.whole) kept.journal.setHash(block, hash);
  else if (!same(hash, kept.journal.hashes[block]!)) {
    await kept.remove();
    throw new SottoError("checksum", `${where}, and the server has others now; load it again to have its new version.`);
  }
  await kept.mend(block, bytes);
  tell.warn("checksum", `${where}; they were fetched again.`);
  return bytes;
}
