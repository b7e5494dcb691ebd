/**
 * Conversations that outlive the page, in a folder of the store: a file for each, of its request in JSON and what the cache
 * holds of it, as the engine writes it, piece by piece; and a journal, as models have it.
 */
import { type Folder, openFolder } from "../store/folder.js";
import { Hasher } from "../store/hash.js";
import type { Facts } from "../store/journal.js";
import { Kept, dataOf, entries, remove } from "../store/kept.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import type { ChatRequest, FoundSession, SavedSession } from "../wire/protocol.js";
import type { Engine } from "./engine.js";

/** Bytes read at once. */
const PIECE = 1 << 20;
/** Before the request: how many bytes it has. */
const LENGTH = 4;

type OpenStore = typeof openFolder;

export function unusable(cause: unknown): never {
  throw new SottoError("storage", `The browser's store cannot be used here (${said(cause)}); see docs/STORE.md.`);
}

export const opened = (openStore: OpenStore): Promise<Folder> => openStore("sotto-sessions").catch(unusable);

const asSession = ({ url, name, size, tokens, added }: Facts): SavedSession => {
  return { id: url, model: name, tokens: tokens ?? 0, bytes: size ?? 0, saved: added };
};

/** The whole ones, the newest first. */
export async function listSessions(folder: Folder): Promise<SavedSession[]> {
  const found = new Map<string, SavedSession>();
  for (const { facts } of await entries(folder))
    if (facts.whole && !found.has(facts.url)) found.set(facts.url, asSession(facts));
  return [...found.values()];
}

/** Whether there was one. */
export async function forgetSession(folder: Folder, id: string): Promise<boolean> {
  const files = (await entries(folder)).filter(({ facts }) => facts.url === id);
  for (const file of files) await remove(folder, file.id);
  return files.some(({ facts }) => facts.whole);
}

/** Writes a session beside what was saved under its name, which goes once the new one is whole. */
export async function saveSession(
  engine: Engine,
  { id, request }: { id: string; request: ChatRequest },
  signal: AbortSignal,
  openStore: OpenStore = openFolder,
): Promise<SavedSession> {
  const folder = await opened(openStore);
  const saver = engine.save(request);
  const head = new TextEncoder().encode(JSON.stringify(request));
  const hasher = new Hasher();
  hasher.update(head);
  const tokens = saver?.tokens() ?? 0;
  const facts = { url: id, name: engine.info().name, whole: false, added: Date.now(), tokens, sha256: hasher.end() };
  let kept: Kept | undefined;
  try {
    kept = await Kept.create(folder, facts);
    kept.write(0, new Uint8Array(Uint32Array.of(head.length).buffer));
    kept.write(LENGTH, head);
    for (let at = LENGTH + head.length; saver; ) {
      const piece = await saver.next();
      if (signal.aborted) throw aborted("The saving", signal);
      if (!piece) break;
      kept.write(at, piece);
      at += piece.length;
    }
    kept.end();
    kept.journal.update({ whole: true });
    kept.journal.flush();
    kept.close();
  } catch (thrown) {
    await kept?.remove();
    const typed = SottoError.read(thrown);
    const full = `There is no room for the session ${id} in the store (${said(thrown)}); delete others first.`;
    throw typed ?? new SottoError("storage", full, { cause: thrown });
  } finally {
    saver?.free();
  }
  // What was saved before under this name, and what a closed page did not end; another's that is being written stays.
  for (const other of await entries(folder))
    if (other.id !== kept.id && (other.facts.url === id || !other.facts.whole))
      await remove(folder, other.id).catch(() => {});
  return asSession(kept.journal.facts);
}

/** Puts a session's text into the cache, where it is as it was written and this model wrote it; `null` where there is none. */
export async function restoreSession(
  engine: Engine,
  id: string,
  signal: AbortSignal,
  openStore: OpenStore = openFolder,
): Promise<FoundSession | null> {
  const folder = await opened(openStore);
  const file = (await entries(folder)).find(({ facts }) => facts.url === id && facts.whole);
  if (!file) return null;
  const data = await dataOf(folder, file.id);
  const { request, end } = await readRequest(data, file.facts);
  const session = { ...asSession(file.facts), request };
  if (session.tokens === 0) return session;
  const restorer = engine.restore();
  try {
    for (let at = end; at < data.size; at += PIECE) {
      const piece = new Uint8Array(await data.slice(at, at + PIECE).arrayBuffer());
      if (signal.aborted) throw aborted("The restoring", signal);
      await restorer.push(piece);
    }
    return { ...session, tokens: await restorer.finish() };
  } catch (thrown) {
    const { code, message } = SottoError.read(thrown) ?? {};
    if (code !== "stale_session" && code !== "damaged_session") throw thrown;
    return { ...session, tokens: 0, refused: { code, message: message! } };
  } finally {
    restorer.free();
  }
}

/** What a session's file begins with, and where that ends. Throws `damaged_session`. */
async function readRequest(data: Blob, { url, sha256 }: Facts): Promise<{ request: ChatRequest; end: number }> {
  const start = await data.slice(0, LENGTH).arrayBuffer();
  const end = LENGTH + (start.byteLength === LENGTH ? new DataView(start).getUint32(0, true) : 0);
  const head = new Uint8Array(await data.slice(LENGTH, end).arrayBuffer());
  const hasher = new Hasher();
  hasher.update(head);
  if (hasher.end() !== sha256)
    throw new SottoError("damaged_session", `The messages of the session ${url} have changed; delete it.`);
  return { request: JSON.parse(new TextDecoder().decode(head)) as ChatRequest, end };
}
