/** Where a model's bytes come from: the store, a server or a file, as a stream of small chunks. Runs in the worker. */
import { openFolder } from "../store/folder.js";
import { Hasher } from "../store/hash.js";
import { SottoError, aborted, said } from "../wire/errors.js";
import { HUB, isHubFile } from "../wire/hub.js";
import type { SourceData } from "../wire/protocol.js";
import { portStream } from "../wire/pump.js";
import { type Found, type Listed, findOnHub, isRepository } from "./hub.js";
import { type Answer, PATIENCE, type Patience, ask, checkFirstBytes, part } from "./remote.js";
import { type Feed, type Tell, openStored, wrongHash } from "./stored.js";

/** No chunk is larger: the engine copies each into wasm memory. */
export const MAX_CHUNK = 4 << 20;

type UrlSource = Extract<SourceData, { kind: "url" }>;

/** What a load is told of its source. */
export const SILENT: Tell = { progress: () => {}, warn: () => {} };

export interface Opening {
  tell?: Tell;
  /** Whether it may be fetched into the store; what is there already is read from it in any case. */
  keep?: boolean;
  patience?: typeof PATIENCE;
  openStore?: typeof openFolder;
  /** What a repository's matrices become. */
  quantize?: string | undefined;
  /** How much columns of its matrices count: a file that llama-imatrix wrote. */
  importance?: Uint8Array | undefined;
  /** Opens a repository as one file of GGUF; without it a source is a file. */
  convert?: ((source: SourceData, signal: AbortSignal, opening: Opening) => Promise<Feed>) | undefined;
  /** What a hub was asked for already. */
  listed?: Listed[] | undefined;
}

/** Opens a source; a URL's errors (`network`, `http`, `not_gguf` for a web page, …) come from here, and while it is read. */
export async function open(source: SourceData, signal: AbortSignal, opening: Opening = {}): Promise<Feed> {
  if (isRepository(source)) {
    if (opening.convert) return opening.convert(source, signal, opening);
    throw new SottoError("bad_option", "This is the address of a repository; give that of a file in it.");
  }
  if (opening.quantize !== undefined && opening.quantize !== "auto")
    throw new SottoError(
      "bad_option",
      "quantize is for repositories of safetensors, and this is a file; leave it out.",
    );
  switch (source.kind) {
    case "blob": {
      const name = source.blob instanceof File ? source.blob.name : "the file";
      const stream = read(source.blob.stream(), name, source.blob.size, signal);
      return { ...plain(name, source.blob.size, stream, source.sha256), file: async () => source.blob };
    }
    case "parts":
      return open(source.parts[0]!, signal, opening);
    case "port": {
      const { total, sha256 } = source;
      const stream = read(portStream(source.port), "the stream", total, signal);
      return { ...plain("the stream", total, stream, sha256), arriving: () => total === undefined };
    }
    case "url":
      return openUrl(source, signal, opening);
  }
}

async function openUrl(source: UrlSource, signal: AbortSignal, opening: Opening): Promise<Feed> {
  const { tell = SILENT, keep = true, patience = PATIENCE } = opening;
  const { url, cache = "auto" } = source;
  tell.progress("connect", 0, undefined);
  const offline = cache === "only";
  const found = isHubFile(url) ? await onHub(source, offline, signal, opening.listed) : { target: aim(source) };
  const name = nameOf(found.target?.url ?? url);
  const sha256 = source.sha256 ?? found.target?.sha256;
  if (cache !== "none" && /^(https?|hf|store):/i.test(url)) {
    const folder = await (opening.openStore ?? openFolder)().catch((cause) => {
      const message = `The browser's store cannot be used here (${said(cause)})`;
      if (offline) throw new SottoError("not_stored", `${message}, so ${name} is not in it; load it with a network.`);
      if (keep) tell.warn("storage", `${message}; the load goes on without it, and ${name} will be fetched each time.`);
    });
    // Without leave to keep it, it is looked for alone.
    const want = {
      source: url,
      ...found,
      name,
      sha256,
      cache: keep && !offline ? ("auto" as const) : ("only" as const),
    };
    // No function declared in a block: terser, which webpack has, takes its short name for one of the function outside.
    const unlessMissing = (error: unknown): undefined => {
      const isOurs = error instanceof SottoError;
      if (isOurs && (offline || error.code !== "not_stored" || !found.target)) throw found.error ?? error;
      if (isOurs) return;
      const message = `The browser's store failed (${said(error)})`;
      if (offline || !found.target) throw new SottoError("storage", `${message}; load it again.`, { cause: error });
      if (keep) tell.warn("storage", `${message}; the load goes on without it.`);
    };
    const stored = folder && (await openStored(want, folder, tell, signal, patience).catch(unlessMissing));
    if (stored) return stored;
  }
  if (!found.target) throw found.error ?? new SottoError("not_stored", `${name} cannot be in a store here.`);
  const { target } = found;
  // Of what is not kept only the beginning is wanted.
  const first = await ask(target, { start: 0, end: keep ? undefined : LEAST }, signal, patience);
  const { total, validator } = first;
  const stream = keep
    ? part(target, { start: 0, total, validator, first }, signal, patience)
    : growing(target, first, signal, patience);
  const span = (start: number, end: number) => part(target, { start, end, total, validator }, signal, patience);
  return { ...plain(name, total, cut(stream, target.url), sha256), address: target.url, arriving: () => true, span };
}

/** Bytes of the first part that is asked for where a header alone is wanted, and of the largest. */
const LEAST = 1 << 18;
const MOST = 1 << 20;

/** A file in parts, each asked for when the one before was read: whoever stops has fetched little in vain. */
async function* growing(
  target: Found,
  first: Answer,
  signal: AbortSignal,
  patience: Patience,
): AsyncGenerator<Uint8Array> {
  const { total, validator } = first;
  if (!first.ranged) return yield* part(target, { start: 0, total, validator, first }, signal, patience);
  let answer: Answer | undefined = first;
  for (let start = 0, size = LEAST; total === undefined || start < total; size = Math.min(2 * size, MOST)) {
    const end = Math.min(start + size, total ?? Infinity);
    yield* part(target, { start, end, total, validator, first: answer }, signal, patience);
    answer = undefined;
    start = end;
  }
}

/** What was found, or why the hub could not say. */
interface OnHub {
  target?: Found;
  error?: unknown;
}

async function onHub(source: UrlSource, offline: boolean, signal: AbortSignal, listed?: Listed[]): Promise<OnHub> {
  if (offline) return {};
  try {
    return { target: await findOnHub(source.url, source, signal, listed) };
  } catch (error) {
    if (signal.aborted) throw aborted("Loading the model", signal);
    if (error instanceof SottoError && error.code === "bad_option") throw error;
    return { error };
  }
}

/** None of an address in the store. A token is for its hub alone. */
function aim({ url, headers, hub = {} }: UrlSource): Found | undefined {
  if (/^store:/i.test(url)) return undefined;
  const isHubs = hub.token !== undefined && url.startsWith(`${new URL(hub.endpoint ?? HUB).origin}/`);
  return { url, headers: isHubs ? { Authorization: `Bearer ${hub.token}`, ...headers } : headers };
}

/** A file's name at the end of its address. */
export function nameOf(url: string): string {
  if (/^(blob|data):/i.test(url)) return "the file";
  const last = url.split(/[?#]/)[0]!.split("/").at(-1) || url;
  try {
    return decodeURIComponent(last);
  } catch {
    return last;
  }
}

/** What is read as it comes, and kept nowhere. */
function plain(name: string, total: number | undefined, stream: AsyncGenerator<Uint8Array>, sha256?: string): Feed {
  const chunks = sha256 === undefined ? stream : hashed(stream, name, total, sha256);
  return { name, total, chunks, arriving: () => false, fromCache: false, kept: sha256 !== undefined };
}

/** The same bytes; throws `checksum` before the last, if they are not what was promised. */
async function* hashed(
  stream: AsyncGenerator<Uint8Array>,
  name: string,
  total: number | undefined,
  wanted: string,
): AsyncGenerator<Uint8Array> {
  const hasher = new Hasher();
  let at = 0;
  let found: string | undefined;
  const end = () => {
    found ??= hasher.end();
    if (found !== wanted) throw wrongHash(name, found, wanted);
  };
  for await (const bytes of stream) {
    hasher.update(bytes);
    at += bytes.length;
    if (at === total) end();
    yield bytes;
  }
  end();
}

/** What a local stream brings; stops as soon as the signal fires. */
async function* read(
  stream: ReadableStream<Uint8Array>,
  name: string,
  total: number | undefined,
  signal: AbortSignal,
): AsyncGenerator<Uint8Array> {
  const reader = stream.getReader();
  let loaded = 0;
  let onAbort!: () => void;
  const stopped = new Promise<never>((_, reject) => (onAbort = () => reject(aborted("Loading the model", signal))));
  stopped.catch(() => {});
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  async function* all() {
    for (;;) {
      const { done, value } = await Promise.race([reader.read(), stopped]);
      if (done) return;
      loaded += value.length;
      yield value;
    }
  }
  try {
    yield* cut(all(), name);
  } catch (cause) {
    if (signal.aborted) throw aborted("Loading the model", signal);
    if (cause instanceof SottoError) throw cause;
    const bytes = total === undefined ? `${loaded} bytes` : `${loaded} of ${total} bytes`;
    throw new SottoError("io", `Reading failed after ${bytes} of ${name}; try again.`, { cause });
  } finally {
    signal.removeEventListener("abort", onAbort);
    reader.cancel().catch(() => {});
  }
}

/** In pieces of at most `MAX_CHUNK`, once the first bytes are a model's as far as can be told. */
async function* cut(stream: AsyncGenerator<Uint8Array>, name: string): AsyncGenerator<Uint8Array> {
  let isFirst = true;
  for await (const bytes of stream) {
    if (isFirst) checkFirstBytes(bytes, name);
    isFirst = false;
    for (let at = 0; at < bytes.length; at += MAX_CHUNK) yield bytes.subarray(at, at + MAX_CHUNK);
  }
}
