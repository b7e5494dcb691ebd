/** Where a model's bytes come from: a URL or a file, as a stream of small chunks. Runs in the worker. */
import { SottoError, aborted } from "../wire/errors.js";
import type { SourceData } from "../wire/protocol.js";
import { portStream } from "../wire/pump.js";

/** No chunk is larger: the engine copies each into wasm memory. */
export const MAX_CHUNK = 4 << 20;
/** A server that sends nothing for so long counts as gone. */
const STALL_MS = 60_000;

export interface Opened {
  /** How errors call it. */
  name: string;
  /** Bytes, as far as the source says. */
  total: number | undefined;
  stream: ReadableStream<Uint8Array>;
  /** The code of an error while reading. */
  code: "network" | "io";
}

const HTTP_ADVICE: Record<number, string> = {
  401: "it needs a login: pass an Authorization header",
  403: "it does not allow this access: a gated model needs an Authorization header",
  404: "there is no such file: check the address",
  410: "the file was removed: look for its new address",
  416: "it refused the byte range: the file may have changed, load it again",
  429: "it got too many requests: try again later",
};

/** Opens a source; a URL's errors (`network`, `http`, `not_gguf` for a web page) come from here. */
export async function open(source: SourceData, signal: AbortSignal): Promise<Opened> {
  switch (source.kind) {
    case "blob": {
      const name = source.blob instanceof File ? source.blob.name : "the file";
      return { name, total: source.blob.size, stream: source.blob.stream(), code: "io" };
    }
    case "port":
      return { name: "the stream", total: source.total, stream: portStream(source.port), code: "io" };
    case "url":
      return openUrl(source.url, source.headers, signal);
  }
}

async function openUrl(url: string, headers: Record<string, string> | undefined, signal: AbortSignal): Promise<Opened> {
  const timeout = new AbortController();
  const timer = setTimeout(() => timeout.abort(), STALL_MS);
  let response: Response;
  try {
    response = await fetch(url, { headers, signal: AbortSignal.any([signal, timeout.signal]) });
  } catch (cause) {
    if (signal.aborted) throw aborted("Loading the model", signal);
    if (url.startsWith("blob:"))
      throw new SottoError("bad_option", `There is nothing at ${url}; make the blob's URL anew, or load the blob.`, {
        cause,
      });
    const why = timeout.signal.aborted ? `it did not answer within ${STALL_MS / 1000} seconds` : unreached(url);
    throw new SottoError("network", `Could not fetch ${url}: ${why}.`, { cause });
  } finally {
    clearTimeout(timer);
  }
  if (!response.ok) {
    const advice =
      HTTP_ADVICE[response.status] ??
      (response.status >= 500 ? "it has a problem: try again later" : "check the address");
    void response.body?.cancel();
    throw new SottoError("http", `The server answered HTTP ${response.status} for ${url}; ${advice}.`);
  }
  const type = response.headers.get("content-type") ?? "";
  if (/^\s*(text\/html|application\/xhtml)/i.test(type)) {
    void response.body?.cancel();
    throw webPage(url);
  }
  if (!response.body) throw new SottoError("http", `The server sent an empty answer for ${url}; check the address.`);
  // A compressed answer's length counts other bytes than those that are read.
  const length = response.headers.has("content-encoding") ? NaN : Number(response.headers.get("content-length") ?? NaN);
  return { name: url, total: length > 0 ? length : undefined, stream: response.body, code: "network" };
}

/** What may have kept a page from an address: browsers do not tell which it was. */
function unreached(url: string): string {
  const { origin, protocol } = new URL(url);
  if (protocol === "data:") return "what follows data: is not well formed";
  if (origin === globalThis.origin) return "the network is down, or the server broke off or redirects without end";
  return "the network is down, the address or its port is wrong, or the server does not let other sites read the file (CORS)";
}

function webPage(name: string): SottoError {
  return new SottoError(
    "not_gguf",
    `${sentence(name)} is a web page, not a model; use the address of the .gguf file itself (its download link).`,
  );
}

/** The bytes in order, in pieces of at most `MAX_CHUNK`; stops reading when left early. */
export async function* chunks(opened: Opened, signal: AbortSignal, stallMs = STALL_MS): AsyncGenerator<Uint8Array> {
  const reader = opened.stream.getReader();
  let loaded = 0;
  try {
    for (;;) {
      const { done, value } = await next(reader, opened, loaded, signal, stallMs);
      if (done) return;
      if (loaded === 0) checkFirstBytes(value, opened.name);
      for (let at = 0; at < value.length; at += MAX_CHUNK) yield value.subarray(at, at + MAX_CHUNK);
      loaded += value.length;
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}

async function next(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  opened: Opened,
  loaded: number,
  signal: AbortSignal,
  stallMs: number,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  if (signal.aborted) throw aborted("Loading the model", signal);
  let timer: ReturnType<typeof setTimeout> | undefined;
  let onAbort: (() => void) | undefined;
  const interrupted = new Promise<never>((_, reject) => {
    onAbort = () => reject(aborted("Loading the model", signal));
    signal.addEventListener("abort", onAbort, { once: true });
    if (opened.code === "network") {
      const message = `The server of ${opened.name} sent nothing for ${stallMs / 1000} seconds after ${bytes(loaded, opened.total)}; try again.`;
      timer = setTimeout(() => reject(new SottoError("network", message)), stallMs);
    }
  });
  try {
    return await Promise.race([reader.read(), interrupted]);
  } catch (cause) {
    if (signal.aborted) throw aborted("Loading the model", signal);
    if (cause instanceof SottoError) throw cause;
    const what = opened.code === "network" ? "The connection was cut" : "Reading failed";
    throw new SottoError(opened.code, `${what} after ${bytes(loaded, opened.total)} of ${opened.name}; try again.`, {
      cause,
    });
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", onAbort!);
  }
}

function bytes(loaded: number, total: number | undefined): string {
  return total === undefined ? `${loaded} bytes` : `${loaded} of ${total} bytes`;
}

/** As a sentence begins: a name that is an address stays as it is. */
function sentence(name: string): string {
  return name.startsWith("the ") ? `T${name.slice(1)}` : name;
}

/** What servers and version control send in place of a model; the engine checks the GGUF magic itself. */
function checkFirstBytes(first: Uint8Array, name: string): void {
  const text = new TextDecoder("latin1")
    .decode(first.subarray(0, 256))
    .replace(/^\u00ef\u00bb\u00bf/, "")
    .trimStart()
    .toLowerCase();
  if (/^<(!doctype html|html|head|\?xml)/.test(text)) throw webPage(name);
  if (text.startsWith("version https://git-lfs")) {
    throw new SottoError(
      "not_gguf",
      `${sentence(name)} is a Git LFS pointer, not the model itself; use its download link.`,
    );
  }
}
