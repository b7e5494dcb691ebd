/**
 * Repositories of safetensors: a hub's, a folder on a server, or files that a user has picked. A wasm module of its own
 * (`crate/repository`), fetched when a page first loads one, makes of their bytes those of a GGUF file.
 */
import init, * as wasm from "../wasm-repository/sotto_repository.js";
import { SottoError } from "../wire/errors.js";
import { isHubFile, readHubFile } from "../wire/hub.js";
import type { SourceData } from "../wire/protocol.js";
import { whyNoWasm } from "./causes.js";
import { type Opening, open } from "./fetch.js";
import { type Listed, listHub, typesOf } from "./hub.js";
import { leave, readHead } from "./parts.js";
import { unlessAborted } from "./queue.js";
import { Refused, WebPage } from "./remote.js";
import type { Feed } from "./stored.js";

/** One repository, in the order of the calls. */
interface Repository {
  /** A file that is there, of those beside the weights. */
  add(path: string, bytes: Uint8Array): void;
  /** Once all of these are there: the files of the weights. */
  weights(): string[];
  /** The first bytes of the next of these, in order; whether they were enough. */
  push_head(bytes: Uint8Array): boolean;
  /** How much columns count: the bytes of a file that llama-imatrix wrote. */
  set_importance(bytes: Uint8Array): void;
  /** Once the heads of all are there: the first bytes of the GGUF file. */
  start(): Uint8Array;
  /** Bytes of the GGUF file. */
  total(): number;
  /** What is wanted of the weights before the file that comes now: of each span which file, its first byte, how many. */
  early(): Float64Array;
  /** The next bytes of these. */
  push_early(bytes: Uint8Array): void;
  /** All of these have come. */
  end_early(): void;
  /** What the next bytes of the weights become. */
  push(bytes: Uint8Array): Uint8Array;
  /** The file has ended. */
  next_file(): void;
  free(): void;
}

/** What makes repositories. */
export interface Repositories {
  new (name: string, quantize: string | undefined): Repository;
  /** Of the files beside the weights: the bytes that each has at most, then its path, by turns. */
  files(): (number | string)[];
}

/** The program takes a copy of what it is given: of a piece at a time. */
const PIECE = 1 << 20;

let started: Promise<unknown> | undefined;

/** Fetches the module if it is not there, from `beside`, the engine's file, or from beside this script. */
export async function startRepositories(beside: string | undefined): Promise<typeof wasm> {
  const place = beside && new URL("sotto_repository_bg.wasm", new URL(beside, self.location.href));
  started ??= init(place ? { module_or_path: place } : undefined);
  try {
    await started;
  } catch (cause) {
    started = undefined;
    throw whyNoWasm(cause, "The module of repositories", "sotto_repository_bg.wasm", "wasmUrl");
  }
  return wasm;
}

/** Where a repository's files are. */
interface Folder {
  name: string;
  /** `undefined` where there is no such file. */
  find(path: string): SourceData | undefined;
  /** What a hub lists. */
  listed?: Listed[] | undefined;
  /** Why its files are looked for in the store alone. */
  offline?: SottoError | undefined;
}

async function folderOf(source: SourceData, signal: AbortSignal): Promise<Folder> {
  if (source.kind === "parts") {
    const found = (path: string) => source.parts.find((part) => part.kind === "blob" && part.path === path);
    return { name: "the repository", find: found };
  }
  if (source.kind !== "url") throw new SottoError("internal", "A repository is looked for in what is none.");
  const { url, sha256, ...rest } = source;
  if (sha256 !== undefined)
    throw new SottoError("bad_option", "A sha256 is that of one file; leave it out for a repository.");
  if (isHubFile(url)) {
    const { repo, revision } = readHubFile(url);
    const listed = source.cache === "only" ? undefined : await listHub(repo, revision, source, signal);
    refuse(repo, listed);
    const there = listed && new Set(listed.map(({ path }) => path));
    const stored = listed ? undefined : ({ cache: "only" } as const);
    const find = (path: string) =>
      there?.has(path) === false ? undefined : { ...rest, ...stored, url: `hf:${repo}/${path}@${revision}` };
    const offline =
      source.cache === "only"
        ? new SottoError("not_stored", `${repo} is not in the store; load it once with cache "auto" and a network.`)
        : new SottoError("network", `The hub's list of ${repo} could not be fetched; check the connection.`);
    return { name: repo.split("/")[1]!, find, listed, offline: listed ? undefined : offline };
  }
  const base = new URL(".", url);
  const find = (path: string) => ({
    ...rest,
    url: Object.assign(new URL(path, base), { search: new URL(url).search }).href,
  });
  return { name: base.pathname.split("/").at(-2) || base.host, find };
}

/** What has no safetensors is told so, and what it has instead. */
function refuse(repo: string, listed: Listed[] | undefined): void {
  if (!listed || listed.some(({ path }) => path.endsWith(".safetensors"))) return;
  const has = (ending: RegExp) => listed.find(({ path }) => ending.test(path))?.path;
  const types = typesOf(listed);
  const file = has(/\.gguf$/i);
  const instead = file
    ? `it has GGUF files: write hf:${repo}${types.length > 0 ? `: and one of ${types.join(", ")}` : `/${file}`}`
    : has(/\.(bin|pt|pth|pkl)$/i)
      ? "its weights are pickles, which may run programs and are not read: take one with safetensors"
      : "it has no weights: check the name";
  throw new SottoError("bad_option", `${repo} has no safetensors; ${instead}.`);
}

/** What opens repositories as files of GGUF; `start` fetches the module. */
export const converting =
  (start: () => Promise<Repositories>): NonNullable<Opening["convert"]> =>
  (source, signal, opening) =>
    openRepository(start, source, signal, opening);

async function openRepository(
  start: () => Promise<Repositories>,
  source: SourceData,
  signal: AbortSignal,
  opening: Opening,
): Promise<Feed> {
  const module = await unlessAborted(start(), "Loading the model", signal);
  const folder = await folderOf(source, signal);
  const quiet = { ...opening, tell: undefined, quantize: undefined, importance: undefined, listed: folder.listed };
  const repository = new module(folder.name, opening.quantize);
  try {
    const files = module.files();
    for (let i = 0; i < files.length; i += 2) {
      const [most, path] = files.slice(i, i + 2) as [number, string];
      const bytes = await whole(folder.find(path), most, signal, quiet);
      if (bytes) repository.add(path, bytes);
      // The first of them every repository has.
      else if (i === 0 && folder.offline) throw folder.offline;
    }
    const named = repository.weights();
    if (opening.importance) repository.set_importance(opening.importance);
    const weights = named.map((path) => ({ path, from: needed(folder, path) }));
    for (const { path, from } of weights) {
      let isWhole = false;
      const push = (bytes: Uint8Array) => (isWhole = repository.push_head(bytes));
      await readHead(from, signal, push, quiet).catch((error) => {
        throw isMissing(error) ? missing(path) : error;
      });
      if (!isWhole) throw new SottoError("truncated", `${path} ends inside its header; download it again.`);
    }
    const head = repository.start();
    const sources = weights.map(({ from }) => from);
    // Of what is not kept, only the beginning is wanted.
    if (opening.keep !== false) await readEarly(repository, sources, signal, quiet);
    const first = opening.keep === false ? undefined : await open(sources[0]!, signal, quiet);
    let current = first;
    let read = 0;
    const chunks = async function* () {
      try {
        yield* pieces(head);
        for (const from of sources) {
          if (!current) await readEarly(repository, sources, signal, quiet);
          const feed = current ?? (await open(from, signal, quiet));
          current = feed;
          for await (const chunk of feed.chunks)
            for (const piece of pieces(chunk)) {
              const made = repository.push(piece);
              read += piece.length;
              if (made.length > 0) yield made;
            }
          current = undefined;
          repository.next_file();
        }
      } finally {
        if (current) await leave(current).catch(() => {});
        repository.free();
      }
    };
    return {
      name: folder.name,
      total: repository.total(),
      chunks: chunks(),
      read: () => read,
      arriving: () => current?.arriving() ?? false,
      fromCache: first?.fromCache ?? false,
      kept: true,
    };
  } catch (error) {
    repository.free();
    throw error;
  }
}

/** Gives what a file's matrices need of tensors that lie elsewhere: scales of codes that come before them. */
async function readEarly(
  repository: Repository,
  files: SourceData[],
  signal: AbortSignal,
  opening: Opening,
): Promise<void> {
  const spans = repository.early();
  const feeds: Feed[] = [];
  try {
    for (let i = 0; i < spans.length; i += 3) {
      const [file, start, count] = spans.slice(i, i + 3) as unknown as [number, number, number];
      feeds[file] ??= await open(files[file]!, signal, { ...opening, keep: false });
      const feed = feeds[file];
      const bytes = feed.span?.(start, start + count) ?? slices(await feed.file!(), start, start + count);
      for await (const chunk of bytes) for (const piece of pieces(chunk)) repository.push_early(piece);
    }
  } finally {
    for (const feed of Object.values(feeds)) await leave(feed).catch(() => {});
  }
  repository.end_early();
}

async function* slices(blob: Blob, start: number, end: number): AsyncGenerator<Uint8Array> {
  for (let at = start; at < end; at += PIECE)
    yield new Uint8Array(await blob.slice(at, Math.min(at + PIECE, end)).arrayBuffer());
}

function needed(folder: Folder, path: string): SourceData {
  const from = folder.find(path);
  if (!from) throw missing(path);
  return from;
}

function missing(path: string): SottoError {
  return new SottoError(
    "missing_part",
    `${path}, which has weights of the model, is not there; give all of its files.`,
  );
}

const isMissing = (error: unknown) => error instanceof Refused && error.status === 404;

/** A small file; `undefined` where there is none, or a web page in its place. Of one that is larger than it may be, a little more than that. */
async function whole(
  source: SourceData | undefined,
  most: number,
  signal: AbortSignal,
  opening: Opening,
): Promise<Uint8Array | undefined> {
  if (!source) return undefined;
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let bytes = 0;
  try {
    for await (const chunk of (await open(source, signal, opening)).chunks) {
      // A piece is good until the next is asked for.
      parts.push(chunk.slice());
      bytes += chunk.length;
      if (bytes > most) break;
    }
  } catch (error) {
    const isNotStored = error instanceof SottoError && error.code === "not_stored";
    const isAbsent = isMissing(error) || isNotStored || error instanceof WebPage;
    if (isAbsent) return undefined;
    throw error;
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

/** The same bytes, a piece at a time. */
export function* pieces(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += PIECE) yield bytes.subarray(at, at + PIECE);
}
