/** Where a model comes from, in the form that can be sent to the worker. */
import { kind } from "../wire/check.js";
import { SottoError } from "../wire/errors.js";
import type { Source, SourceData } from "../wire/protocol.js";
import { pump } from "../wire/pump.js";

/** `headers` go with the request for a URL; a stream is cancelled when the load has `failed`. */
export function describe(source: Source, headers: Record<string, string> | undefined, failed: AbortSignal): SourceData {
  // By its tag: what another realm made, such as an iframe, is an instance of that realm's classes.
  switch (kind(source)) {
    case "string":
    case "URL":
      return { kind: "url", url: absolute(source as string | URL), ...(headers && { headers }) };
    case "Blob":
    case "File":
      return { kind: "blob", blob: source as Blob };
    case "ReadableStream":
      return { kind: "port", port: pump(source as ReadableStream<Uint8Array>, failed) };
    case "ArrayBuffer":
    case "SharedArrayBuffer":
      return bytes(new Uint8Array(source as ArrayBuffer));
  }
  if (ArrayBuffer.isView(source)) return bytes(new Uint8Array(source.buffer, source.byteOffset, source.byteLength));
  throw new SottoError(
    "bad_option",
    "A model is loaded from a URL, a File or Blob, a ReadableStream, or bytes; this is none of them.",
  );
}

/** What goes with it instead of being copied. */
export function transferred(source: SourceData): Transferable[] {
  return source.kind === "port" ? [source.port] : [];
}

function bytes(data: Uint8Array): SourceData {
  return { kind: "port", port: pump(data), total: data.length };
}

/** Relative to the page; a worker would resolve it relative to its own script. */
export function absolute(url: string | URL): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  let parsed: URL;
  try {
    parsed = new URL(url, base);
  } catch (cause) {
    throw new SottoError("bad_option", `"${String(url)}" is not a URL; give the full address of a .gguf file.`, {
      cause,
    });
  }
  if (!["http:", "https:", "blob:", "data:"].includes(parsed.protocol)) {
    throw new SottoError(
      "bad_option",
      `A page cannot read "${parsed.protocol}" addresses; use http(s), or pick the file.`,
    );
  }
  return parsed.href;
}
