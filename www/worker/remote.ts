/** A file on a server: asked for whole or in parts, and asked again where the connection is cut. Runs in the worker. */
import { SottoError, aborted } from "../wire/errors.js";
import type { Gate } from "./gate.js";

/** A file's address, and what goes with each request for it. */
export interface Target {
  url: string;
  headers?: Record<string, string> | undefined;
  /** `no-store` where the bytes are kept by ourselves. */
  cache?: RequestCache;
}

/** What a server sends. */
export interface Answer {
  /** Where its first byte belongs. */
  start: number;
  /** Bytes of the whole file, as far as the server says. */
  total: number | undefined;
  /** The server's word for this version of the file. */
  validator: string | undefined;
  /** Whether the server sends parts. */
  ranged: boolean;
  body: ReadableStream<Uint8Array>;
}

/** How long a server is waited for. */
export interface Patience {
  /** Attempts in a row that bring nothing; each waits twice as long as the one before. */
  tries: number;
  waitMs: number;
  /** A server that sends nothing for so long counts as gone. */
  stallMs: number;
  /** Holds it up while it is paused. */
  gate?: Gate | undefined;
}

export const PATIENCE: Patience = { tries: 5, waitMs: 500, stallMs: 60_000 };

/** A longer wish of a server's is not heard. */
const MOST_WAIT_MS = 30_000;

const HTTP_ADVICE: Record<number, string> = {
  401: "it needs a login: pass an Authorization header",
  403: "it does not allow this access: a gated model needs an Authorization header",
  404: "there is no such file: check the address",
  410: "the file was removed: look for its new address",
  416: "it refused the byte range: the file may have changed, load it again",
  429: "it got too many requests: try again later",
};

/** A server's refusal. */
export class Refused extends SottoError {
  readonly status: number;
  readonly passes: boolean;
  readonly waitMs: number;

  constructor(url: string, { status, headers }: Response) {
    const other = status >= 500 ? "it has a problem: try again later" : "check the address";
    const advice = (status === 404 && meant(url)) || HTTP_ADVICE[status] || other;
    super("http", `The server answered HTTP ${status} for ${url}; ${advice}.`);
    this.status = status;
    this.passes = status >= 500 || status === 429 || status === 408;
    this.waitMs = Math.min(1000 * (Number(headers.get("retry-after")) || 0), MOST_WAIT_MS);
  }
}

/**
 * Asks for the bytes from `start` up to `end`, or for all of them; with `validator`, for that version alone. Throws
 * `network`, `offline`, `http`, and `not_gguf` for a web page. What comes may be more than was asked for: see `Answer`.
 */
export async function ask(
  target: Target,
  { start, end, validator }: { start: number; end?: number | undefined; validator?: string | undefined },
  signal: AbortSignal,
  { stallMs } = PATIENCE,
): Promise<Answer> {
  const { url } = target;
  const headers: Record<string, string> = { ...target.headers };
  const part = start > 0 || end !== undefined;
  if (part) headers.Range = `bytes=${start}-${end === undefined ? "" : end - 1}`;
  // Other sites would have to allow it; their answers are compared as they come.
  if (part && validator && !validator.startsWith("W/") && new URL(url).origin === globalThis.origin)
    headers["If-Range"] = validator;
  const response = await reach(target, headers, signal, stallMs);
  const get = (name: string) => response.headers.get(name);
  const leave = (error: SottoError) => {
    void response.body?.cancel();
    throw error;
  };
  if (!response.ok) leave(new Refused(url, response));
  if (/^\s*(text\/html|application\/xhtml)/i.test(get("content-type") ?? "")) leave(new WebPage(url));
  const { body } = response;
  if (!body) throw new SottoError("http", `The server sent an empty answer for ${url}; check the address.`);
  // Of a compressed answer other bytes are counted than those that are read.
  const encoded = response.headers.has("content-encoding");
  const length = encoded ? Number.NaN : Number(get("content-length") ?? Number.NaN);
  const found = get("etag") ?? get("last-modified") ?? undefined;
  if (response.status !== 206 || !part)
    return { start: 0, total: length > 0 ? length : undefined, validator: found, ranged: false, body };
  const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(get("content-range") ?? "");
  // A site that does not show the range to others has still kept to it.
  const total = range ? Number(range[2]) : end === undefined || length < end - start ? start + length : undefined;
  if (!encoded && total !== undefined && total >= 0)
    return { start: range ? Number(range[1]) : start, total, validator: found, ranged: true, body };
  void body.cancel();
  return ask(target, { start: 0 }, signal);
}

async function reach(
  { url, cache = "default" }: Target,
  headers: HeadersInit,
  signal: AbortSignal,
  stallMs: number,
): Promise<Response> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), stallMs);
  try {
    return await fetch(url, { headers, signal: AbortSignal.any([signal, timeout.signal]), cache });
  } catch (cause) {
    if (signal.aborted) throw aborted("Loading the model", signal);
    if (url.startsWith("blob:"))
      throw new SottoError("bad_option", `There is nothing at ${url}; make the blob's URL anew, or load the blob.`, {
        cause,
      });
    if (isOffline(url))
      throw new SottoError("offline", `Could not fetch ${url}: the browser is offline; connect and load again.`, {
        cause,
      });
    const why = timeout.signal.aborted ? `it did not answer within ${stallMs / 1000} seconds` : unreached(url);
    throw new SottoError("network", `Could not fetch ${url}: ${why}.`, { cause });
  } finally {
    clearTimeout(timer);
  }
}

/** A page's own machine is there without a network too. */
function isOffline(url: string): boolean {
  return globalThis.navigator?.onLine === false && !/^(localhost|127\.|\[::1\])/.test(new URL(url).hostname);
}

/** What may have kept a page from an address: browsers do not tell which it was. */
function unreached(url: string): string {
  const { origin, protocol } = new URL(url);
  if (protocol === "data:") return "what follows data: is not well formed";
  if (origin === globalThis.origin) return "the network is down, or the server broke off or redirects without end";
  return "the network is down, the address or its port is wrong, or the server does not let other sites read the file (CORS)";
}

/** A part of a file, and what is known of the file. */
export interface Part {
  start: number;
  /** To the file's end, if there is none. */
  end?: number | undefined;
  validator?: string | undefined;
  total?: number | undefined;
  /** An answer that has come already, to be read first. */
  first?: Answer | undefined;
}

/** The bytes of a part, in order; where the connection is cut, from there on once more. */
export async function* part(
  target: Target,
  { start, end, validator, total, first }: Part,
  signal: AbortSignal,
  patience = PATIENCE,
): AsyncGenerator<Uint8Array> {
  const wanted = end ?? total;
  let at = start;
  let answer = first;
  for (let tries = 0; ; ) {
    try {
      answer ??= await ask(target, { start: at, end, validator }, signal, patience);
      const differs = (a: unknown, b: unknown) => a !== undefined && b !== undefined && a !== b;
      if (differs(validator, answer.validator) || differs(total, answer.total)) {
        void answer.body.cancel();
        throw new SottoError("http", `The file at ${target.url} changed while it was read; load it again.`);
      }
      let skip = at - answer.start;
      if (skip < 0) throw new Error("the answer begins too late");
      for await (const chunk of pieces(answer.body, signal, patience)) {
        const bytes = chunk.subarray(Math.min(skip, chunk.length)).subarray(0, end && end - at);
        skip -= Math.min(skip, chunk.length);
        if (bytes.length === 0) continue;
        at += bytes.length;
        tries = 0;
        yield bytes;
        if (at === end) return;
      }
      if (wanted === undefined || at >= wanted) return;
      throw new Error("the answer ended early");
    } catch (thrown) {
      if (signal.aborted) throw aborted("Loading the model", signal);
      // Where some of it was had, a server that is not reached any more is a connection that was cut.
      const isCut = !(thrown instanceof SottoError) || (thrown.code === "network" && at > 0);
      const error = isCut ? cut(thrown, at, total, target, patience.stallMs) : thrown;
      const passes = error instanceof Refused ? error.passes : error.code === "network" || error.code === "offline";
      if (!passes || ++tries >= patience.tries) throw error;
      const least = error instanceof Refused ? error.waitMs : 0;
      await rest(Math.max(patience.waitMs * 2 ** (tries - 1), least), signal);
    }
    answer = undefined;
  }
}

const STALLED = Symbol("stalled");

function cut(
  thrown: unknown,
  at: number,
  total: number | undefined,
  { url, cache }: Target,
  stallMs: number,
): SottoError {
  const bytes = total === undefined ? `${at} bytes` : `${at} of ${total} bytes`;
  const again = cache === "no-store" ? "what has arrived is kept: try again, and it goes on from there" : "try again";
  const message =
    thrown === STALLED
      ? `The server of ${url} sent nothing for ${stallMs / 1000} seconds after ${bytes}; ${again}.`
      : `The connection was cut after ${bytes} of ${url}; ${again}.`;
  return new SottoError("network", message, { cause: thrown === STALLED ? undefined : thrown });
}

/** Resolves after `ms`, or as soon as the browser is connected again or the signal fires. */
function rest(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const over = () => {
      clearTimeout(timer);
      globalThis.removeEventListener?.("online", over);
      signal.removeEventListener("abort", over);
      resolve();
    };
    const timer = setTimeout(over, ms);
    globalThis.addEventListener?.("online", over);
    signal.addEventListener("abort", over);
    if (signal.aborted) over();
  });
}

/** What a body brings. Throws what it fails with, `STALLED`, or at once where the signal fires. */
async function* pieces(
  body: ReadableStream<Uint8Array>,
  signal: AbortSignal,
  { stallMs, gate }: Patience,
): AsyncGenerator<Uint8Array> {
  const reader = body.getReader();
  let stop!: (why: unknown) => void;
  const stopped = new Promise<never>((_, reject) => (stop = reject));
  stopped.catch(() => {});
  const onAbort = () => stop(signal.reason);
  signal.addEventListener("abort", onAbort);
  if (signal.aborted) onAbort();
  try {
    for (;;) {
      // What is not read is not sent for long.
      for (let shut = gate?.(); shut; shut = gate?.()) await Promise.race([shut, stopped]);
      const timer = setTimeout(() => stop(STALLED), stallMs);
      const { done, value } = await Promise.race([reader.read(), stopped]).finally(() => clearTimeout(timer));
      if (done) return;
      yield value;
    }
  } finally {
    signal.removeEventListener("abort", onAbort);
    reader.cancel().catch(() => {});
  }
}

/** Whether the server has another version than the one that is known; no, where it does not say. */
export async function hasChanged(
  { url, headers }: Target,
  known: { validator?: string; size?: number },
  signal: AbortSignal,
): Promise<boolean> {
  const init = { method: "HEAD", headers, cache: "no-store" } as const;
  try {
    const response = await fetch(url, { ...init, signal: AbortSignal.any([signal, AbortSignal.timeout(HEAD_MS)]) });
    if (!response.ok) return false;
    const get = (name: string) => response.headers.get(name);
    const found = get("etag") ?? get("last-modified");
    if (found && known.validator) return found !== known.validator;
    const length = get("content-encoding") ? null : get("content-length");
    return length !== null && known.size !== undefined && Number(length) !== known.size;
  } catch {
    return false;
  }
}

/** A slow server does not keep a model that is there waiting. */
const HEAD_MS = 4000;

/** As a sentence begins: a name that is an address stays as it is. */
export function sentence(name: string): string {
  return name.startsWith("the ") ? `T${name.slice(1)}` : name;
}

/** A page in the place of a file; some servers answer so at every address that they do not have. */
export class WebPage extends SottoError {
  constructor(name: string) {
    const advice = meant(name) ?? "use the address of the .gguf file itself (its download link)";
    super("not_gguf", `${sentence(name)} is a web page, not a model; ${advice}.`);
  }
}

/** What an address of the page's own site may have been meant as, which ends as a name on a hub does. */
function meant(address: string): string | undefined {
  const { origin, pathname } = URL.canParse(address) ? new URL(address) : ({} as Partial<URL>);
  const [name] = /[\w-]+\/[\w.-]+$/.exec(pathname ?? "") ?? [];
  if (name === undefined || origin !== globalThis.origin || FILES.test(name)) return undefined;
  return `did you mean hf:${name}, a repository on the hub`;
}

const FILES = /\.(gguf|safetensors|json|jinja|bin|html?)$/i;

/** What servers and version control send in place of a model; the engine checks the GGUF magic itself. */
export function checkFirstBytes(first: Uint8Array, name: string): void {
  const text = new TextDecoder("latin1")
    .decode(first.subarray(0, 256))
    .replace(/^\u00ef\u00bb\u00bf/, "")
    .trimStart()
    .toLowerCase();
  if (/^<(!doctype html|html|head|\?xml)/.test(text)) throw new WebPage(name);
  if (text.startsWith("version https://git-lfs")) {
    throw new SottoError(
      "not_gguf",
      `${sentence(name)} is a Git LFS pointer, not the model itself; use its download link.`,
    );
  }
}
