/**
 * Conversations that outlive the page, in a folder of the store: a file for each, of its request in JSON and what the cache
 * holds of it, as the engine writes it, piece by piece; and a journal, as models have it. Who is at one keeps others from it.
 */
import { type Folder, openFolder } from "../store/folder.js";
import { Hasher } from "../store/hash.js";
import type { Facts } from "../store/journal.js";
import { Kept, dataOf, entries, ids, isMissing, remove } from "../store/kept.js";
import { ifFree, locked } from "../store/locks.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import type { ChatRequest, FoundSession, SavedSession } from "../wire/protocol.js";
import type { Engine, Saver } from "./engine.js";

/** Bytes that are read, or saved, at once: between two tokens of others' replies. */
const PIECE = 4 << 20;
/** Before the request: how many bytes it has. */
const LENGTH = 4;
/** So often is begun anew what made room for others while it was saved; then its messages alone are. */
const TRIES = 3;
/** Letters of a model's name that are noted. */
const NAME = 200;
/** Letters of a hash. */
const PLACE = 32;

type OpenStore = typeof openFolder;

/** Has the engine do something, between what others ask of it. */
export type Ask = <T>(work: (engine: Engine) => T | Promise<T>) => Promise<T>;

export function unusable(cause: unknown): never {
  throw new SottoError("storage", `The browser's store cannot be used here (${said(cause)}); see docs/STORE.md.`, {
    cause,
  });
}

/** What the store itself fails with, as an error of ours. */
export const typed = <T>(work: Promise<T>): Promise<T> =>
  work.catch((thrown: unknown) => {
    if (thrown instanceof DOMException) unusable(thrown);
    throw thrown;
  });

export const opened = (openStore: OpenStore): Promise<Folder> => openStore("sotto-sessions").catch(unusable);

const asSession = ({ url, name, size, tokens, added }: Facts): SavedSession => {
  return { id: url, model: name, tokens: tokens ?? 0, bytes: size ?? 0, saved: added };
};

/** What the names of a session's files begin with. Half of a character is another in JSON alone. */
function placeOf(id: string): string {
  const hasher = new Hasher();
  hasher.update(new TextEncoder().encode(JSON.stringify(id)));
  return hasher.end().slice(0, PLACE);
}

const lockOf = (place: string) => `sotto-session:${place.slice(0, PLACE)}`;

/** The whole ones, the newest first. What a closed page did not end, and what cannot be read, goes. */
export async function listSessions(folder: Folder): Promise<SavedSession[]> {
  const all = await entries(folder);
  const whole = all.filter(({ facts }) => facts.whole);
  const found = new Map<string, SavedSession>();
  for (const { facts } of whole) if (!found.has(facts.url)) found.set(facts.url, asSession(facts));
  const sound = new Set(whole.map(({ id }) => id));
  for (const file of (await ids(folder, "")).filter((file) => !sound.has(file)))
    await ifFree(lockOf(file), async () => {
      // It may have become whole meanwhile.
      const now = await entries(folder, file);
      if (!now.some(({ facts }) => facts.whole)) await remove(folder, file).catch(() => {});
    });
  return [...found.values()];
}

/** Whether there was one. */
export function forgetSession(folder: Folder, id: string, signal: AbortSignal): Promise<boolean> {
  const place = placeOf(id);
  const forget = async () => {
    const files = await entries(folder, place);
    for (const file of await ids(folder, place)) await remove(folder, file).catch(unusable);
    return files.some(({ facts }) => facts.whole);
  };
  return locked(lockOf(place), forget, { what: "The deletion", signal });
}

/** Writes a session beside what was saved under its name, which goes once the new one is whole. */
export async function saveSession(
  ask: Ask,
  { id, request }: { id: string; request: ChatRequest },
  signal: AbortSignal,
  openStore: OpenStore = openFolder,
): Promise<SavedSession> {
  const folder = await opened(openStore);
  const place = placeOf(id);
  const save = async () => {
    const kept = await written(ask, folder, place, { id, request }, signal);
    // What was saved before under this name, and what a closed page did not end.
    for (const other of await ids(folder, place).catch(() => []))
      if (other !== kept.id) await remove(folder, other).catch(() => {});
    return asSession(kept.journal.facts);
  };
  return typed(locked(lockOf(place), save, { what: "The saving", signal }));
}

async function written(
  ask: Ask,
  folder: Folder,
  place: string,
  { id, request }: { id: string; request: ChatRequest },
  signal: AbortSignal,
): Promise<Kept> {
  const name = (await ask((engine) => engine.info())).name.slice(0, NAME);
  for (let tries = 0; ; tries++) {
    const saver = tries < TRIES ? await ask((engine) => engine.save(request)) : undefined;
    try {
      return await write(ask, folder, place, { id, name, request, saver }, signal);
    } catch (thrown) {
      if (!saver || SottoError.read(thrown)?.code !== "disposed") throw thrown;
    } finally {
      saver?.free();
    }
  }
}

/** The next pieces: those of a layer are small, and each time of asking is one between two tokens of others' replies. */
async function some(saver: Saver): Promise<Uint8Array[]> {
  const pieces: Uint8Array[] = [];
  for (let bytes = 0; bytes < PIECE; ) {
    const piece = await saver.next();
    if (!piece) break;
    pieces.push(piece);
    bytes += piece.length;
  }
  return pieces;
}

async function write(
  ask: Ask,
  folder: Folder,
  place: string,
  { id, name, request, saver }: { id: string; name: string; request: ChatRequest; saver: Saver | undefined },
  signal: AbortSignal,
): Promise<Kept> {
  const head = new TextEncoder().encode(JSON.stringify(request));
  const hasher = new Hasher();
  hasher.update(head);
  const tokens = saver?.tokens() ?? 0;
  const facts = { url: id, name, whole: false, added: Date.now(), tokens, sha256: hasher.end() };
  let kept: Kept | undefined;
  try {
    kept = await Kept.create(folder, facts, `${place}-${crypto.randomUUID()}`);
    kept.write(0, new Uint8Array(Uint32Array.of(head.length).buffer));
    kept.write(LENGTH, head);
    for (let at = LENGTH + head.length; saver; ) {
      const pieces = await ask(() => some(saver));
      if (signal.aborted) throw aborted("The saving", signal);
      if (pieces.length === 0) break;
      for (const piece of pieces) {
        kept.write(at, piece);
        at += piece.length;
      }
    }
    kept.end();
    kept.journal.update({ whole: true });
    kept.journal.flush();
    kept.close();
    return kept;
  } catch (thrown) {
    await kept?.remove();
    if (!(thrown instanceof DOMException)) throw thrown;
    if (thrown.name !== "QuotaExceededError") unusable(thrown);
    const full = `There is no room for the session ${id} in the store (${said(thrown)}); delete others first.`;
    throw new SottoError("storage", full, { cause: thrown });
  }
}

/**
 * Puts a session's text into the cache, where it is as it was written and this model wrote it; `null` where there is none.
 * Throws `disposed` where the replies under way have no room for it.
 */
export async function restoreSession(
  ask: Ask,
  id: string,
  signal: AbortSignal,
  openStore: OpenStore = openFolder,
): Promise<FoundSession | null> {
  const folder = await opened(openStore);
  const place = placeOf(id);
  const restore = () => read(ask, folder, place, id, signal);
  return typed(locked(lockOf(place), restore, { what: "The restoring", signal, shared: true }));
}

async function read(
  ask: Ask,
  folder: Folder,
  place: string,
  id: string,
  signal: AbortSignal,
): Promise<FoundSession | null> {
  const file = (await entries(folder, place)).find(({ facts }) => facts.url === id && facts.whole);
  if (!file) return null;
  const data = await dataOf(folder, file.id).catch((thrown) => {
    if (!isMissing(thrown)) unusable(thrown);
    throw new SottoError("damaged_session", `The data of the session ${id} are gone; delete it.`, { cause: thrown });
  });
  const { request, end } = await readRequest(data, file.facts);
  const session = { ...asSession(file.facts), request };
  if (session.tokens === 0) return session;
  const restorer = await ask((engine) => engine.restore());
  try {
    for (let at = end; at < data.size; at += PIECE) {
      const piece = await bytesOf(data, at, at + PIECE);
      if (signal.aborted) throw aborted("The restoring", signal);
      await ask(() => restorer.push(piece));
    }
    return { ...session, tokens: await ask(() => restorer.finish()) };
  } catch (thrown) {
    const { code, message } = SottoError.read(thrown) ?? {};
    if (code !== "stale_session" && code !== "damaged_session") throw thrown;
    return { ...session, tokens: 0, refused: { code, message: message! } };
  } finally {
    await ask(() => restorer.free()).catch(() => {});
  }
}

const bytesOf = async (data: Blob, from: number, to: number): Promise<Uint8Array> =>
  new Uint8Array(await data.slice(from, to).arrayBuffer().catch(unusable));

/** What a session's file begins with, and where that ends. Throws `damaged_session`. */
async function readRequest(data: Blob, { url, sha256 }: Facts): Promise<{ request: ChatRequest; end: number }> {
  const start = await bytesOf(data, 0, LENGTH);
  const end = LENGTH + (start.length === LENGTH ? new DataView(start.buffer).getUint32(0, true) : 0);
  const head = await bytesOf(data, LENGTH, end);
  const hasher = new Hasher();
  hasher.update(head);
  if (hasher.end() !== sha256)
    throw new SottoError("damaged_session", `The messages of the session ${url} have changed; delete it.`);
  return { request: JSON.parse(new TextDecoder().decode(head)) as ChatRequest, end };
}
