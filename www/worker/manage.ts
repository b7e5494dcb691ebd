/** What is asked of the store: what is in it, whether that is still as it arrived, and how it comes in and out. */
import { type Folder, openFolder } from "../store/folder.js";
import { digest, same } from "../store/hash.js";
import { BLOCK } from "../store/journal.js";
import { dataOf, entries, journalOf, remove } from "../store/kept.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import type { Progress, StoreAsk, StoreEstimate, StoredFile, Verified } from "../wire/protocol.js";
import { Keeping } from "./keeping.js";
import { Reporter } from "./progress.js";
import { forgetSession, listSessions, opened, typed, unusable } from "./sessions.js";

/** Answers what is asked. Throws `storage` where there is no store, `not_stored` for what is not in it. */
export async function manage(
  ask: StoreAsk,
  signal: AbortSignal,
  emit: (progress: Progress) => void,
  openStore: typeof openFolder = openFolder,
): Promise<unknown> {
  if (ask.what === "sessions") return typed(listSessions(await opened(openStore)));
  if (ask.what === "forget") return typed(forgetSession(await opened(openStore), ask.which, signal));
  const folder = await openStore().catch(unusable);
  const reporter = new Reporter(emit);
  try {
    return await typed(answer(ask, folder, signal, reporter));
  } finally {
    reporter.stop();
  }
}

async function answer(
  ask: Exclude<StoreAsk, { what: "sessions" | "forget" }>,
  folder: Folder,
  signal: AbortSignal,
  reporter: Reporter,
): Promise<unknown> {
  switch (ask.what) {
    case "list":
      return await list(folder);
    case "estimate":
      return await estimate(folder);
    case "delete": {
      const files = (await list(folder)).filter((file) => isNamed(file, ask.which));
      for (const { id, name } of files)
        await remove(folder, id).catch((cause) => {
          throw new SottoError("storage", `${name} is in use; let its loads end, then delete it.`, { cause });
        });
      return files.length;
    }
    case "verify":
      return await verify(folder, await find(folder, ask.which), signal, reporter);
    case "export": {
      const { id, name, whole } = await find(folder, ask.which);
      if (!whole) throw new SottoError("not_stored", `${name} is not whole; load it once with a network.`);
      return new File([await dataOf(folder, id)], name);
    }
    case "import":
      return await take(folder, ask, signal, reporter);
  }
}

async function list(folder: Folder): Promise<StoredFile[]> {
  const all = (await entries(folder)).map(async ({ id, facts }): Promise<StoredFile> => {
    const { validator: _, ...rest } = facts;
    const loaded = facts.whole ? facts.size! : ((await journalOf(folder, id).catch(() => undefined))?.loaded ?? 0);
    return { id, ...rest, loaded };
  });
  return Promise.all(all);
}

const isNamed = ({ id, url, alias }: StoredFile, which: string) => [id, url, alias].includes(which);

async function find(folder: Folder, which: string): Promise<StoredFile> {
  const files = (await list(folder)).filter((file) => isNamed(file, which));
  const file = files.find(({ whole }) => whole) ?? files[0];
  if (!file) throw new SottoError("not_stored", `"${which}" is not in the store; store.list() says what is.`);
  return file;
}

async function estimate(folder: Folder): Promise<StoreEstimate> {
  const { usage = 0, quota = 0 } = await navigator.storage.estimate();
  const models = (await list(folder)).reduce((sum, { loaded }) => sum + loaded, 0);
  return { models, usage, quota, persisted: await navigator.storage.persisted() };
}

async function verify(folder: Folder, file: StoredFile, signal: AbortSignal, reporter: Reporter): Promise<Verified> {
  const journal = await journalOf(folder, file.id);
  const data = await dataOf(folder, file.id);
  const bad: Verified["bad"] = [];
  reporter.facts = { file: file.name, fromCache: true };
  for (let block = 0; block < (journal?.blocks ?? 0); block++) {
    if (signal.aborted) throw aborted("The check", signal);
    const known = journal!.hashes[block];
    const start = block * BLOCK;
    const end = start + journal!.lengthOf(block);
    const bytes = new Uint8Array(await data.slice(start, end).arrayBuffer());
    const isLost = file.whole && !known;
    if (isLost || (known && (bytes.length < end - start || !same(await digest(bytes), known))))
      bad.push({ start, end });
    reporter.tell("verify", end, file.size);
  }
  reporter.flush();
  return { ok: bad.length === 0, bad };
}

/** A file from the user's disk, as if it had been fetched. */
async function take(
  folder: Folder,
  { blob, name, url, sha256 }: Extract<StoreAsk, { what: "import" }>,
  signal: AbortSignal,
  reporter: Reporter,
): Promise<StoredFile> {
  const keeping = await Keeping.begin(folder, { url, name, size: blob.size });
  reporter.facts = { file: name };
  let id: string;
  try {
    for (let start = 0; start < blob.size; start += BLOCK) {
      if (signal.aborted) throw aborted("The import", signal);
      const bytes = new Uint8Array(await blob.slice(start, start + BLOCK).arrayBuffer());
      if (start === 0 && new TextDecoder("latin1").decode(bytes.subarray(0, 4)) !== "GGUF")
        throw new SottoError("not_gguf", `${name} is not a GGUF file.`);
      await keeping.write(bytes);
      reporter.tell("verify", start + bytes.length, blob.size);
    }
    ({ id } = await keeping.end(sha256));
    reporter.flush();
  } catch (error) {
    await keeping.remove();
    throw error instanceof SottoError
      ? error
      : new SottoError("io", `${name} could not be read or kept (${said(error)}); pick it again.`, { cause: error });
  }
  return (await list(folder)).find((file) => file.id === id)!;
}
