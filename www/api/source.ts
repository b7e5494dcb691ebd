/** Where a model comes from, in the form that can be sent to the worker. */
import { kind, reading, shown } from "../wire/check.js";
import { SottoError, isOurs } from "../wire/errors.js";
import { isHubFile, ofPage, readHubFile } from "../wire/hub.js";
import type { Address, PageOptions, Source, SourceData } from "../wire/protocol.js";
import { pump } from "../wire/pump.js";

/** What goes with a source. */
type With = Pick<PageOptions, "headers" | "cache" | "hub" | "sha256">;

/** What `options` say of the source goes with it; a stream is cancelled when the load has `failed`. */
export function describe(source: Source, options: With, failed: AbortSignal): SourceData {
  try {
    return described(source, options, failed);
  } catch (cause) {
    if (isOurs(cause)) throw cause;
    // Proxies and objects made of a class's prototype have its tag, but are none of it.
    throw new SottoError("bad_option", `${NONE}: a ${kind(source)} that cannot be read.`, { cause });
  }
}

/** The same of a draft, which what is wrong with it names. */
export function describeDraft(source: Source, options: With, failed: AbortSignal): SourceData {
  try {
    return describe(source, options, failed);
  } catch (cause) {
    if (!(cause instanceof SottoError)) throw cause;
    throw new SottoError(cause.code, `draft: ${cause.message}`, { cause });
  }
}

const NONE = "A model is loaded from a URL, a File or Blob, a ReadableStream, or bytes; this is none of them";

function described(source: Source, { headers, cache, hub, sha256 }: With, failed: AbortSignal): SourceData {
  if (Array.isArray(source)) return several(source, sha256, failed);
  const promised = sha256 === undefined ? {} : { sha256: sha256.toLowerCase() };
  // By its tag: what another realm made, such as an iframe, is an instance of that realm's classes.
  const tag = kind(source);
  switch (tag) {
    case "string":
    case "URL":
      return {
        kind: "url",
        url: located(source as string | URL, hub?.endpoint),
        ...promised,
        ...(headers && { headers }),
        ...(cache && { cache }),
        ...(hub && { hub }),
      };
    case "Blob":
    case "File":
      // What is none throws here, as below.
      void (source as Blob).size;
      return { kind: "blob", blob: source as Blob, ...pathOf(source as Partial<File>), ...promised };
    case "ReadableStream":
      void (source as ReadableStream).locked;
      return { kind: "port", port: pump(source as ReadableStream<Uint8Array>, failed), ...promised };
    case "ArrayBuffer":
    case "SharedArrayBuffer":
      void (source as ArrayBuffer).byteLength;
      return { ...bytes(() => new Uint8Array(source as ArrayBuffer)), ...promised };
  }
  if (ArrayBuffer.isView(source))
    return { ...bytes(() => new Uint8Array(source.buffer, source.byteOffset, source.byteLength)), ...promised };
  throw new SottoError("bad_option", `${NONE}.`);
}

/** Where a file lies in the folder that a user has picked; its name, if it was picked alone. */
function pathOf({ name, webkitRelativePath }: Partial<File>): { path?: string } {
  const path = webkitRelativePath?.replace(/^[^/]*\//, "") || name;
  return path === undefined ? {} : { path };
}

/** In the order that their names tell, where these do. */
function several(files: readonly Source[], sha256: string | undefined, failed: AbortSignal): SourceData {
  const numbers = files.map((file) =>
    Number(/-(\d{5})-of-\d{5}\.gguf$/i.exec((file as Partial<File>)?.name ?? "")?.[1]),
  );
  const order = Array.from(files.keys());
  if (!numbers.includes(Number.NaN)) order.sort((a, b) => numbers[a]! - numbers[b]!);
  const parts = order.map((index) => described(files[index]!, {}, failed));
  if (parts.length === 0 || !parts.every(({ kind }) => kind === "blob"))
    throw new SottoError("bad_option", "A model in several files is a list of Files or Blobs; this is another list.");
  if (sha256 !== undefined && parts.length > 1)
    throw new SottoError("bad_option", "A sha256 is that of one file; leave it out for a model in several.");
  return parts.length === 1 ? parts[0]! : { kind: "parts", parts };
}

/** Whether the same bytes can be had once more. */
export function canReread(source: SourceData): boolean {
  return source.kind === "parts" ? source.parts.every(canReread) : source.kind !== "port";
}

/** What goes with it instead of being copied. */
export function transferred(source: SourceData): Transferable[] {
  return source.kind === "port" ? [source.port] : [];
}

function bytes(view: () => Uint8Array): SourceData {
  let data: Uint8Array;
  try {
    data = view();
  } catch (cause) {
    const message = "The model's bytes were transferred away before; give a buffer that still has them.";
    throw new SottoError("bad_option", message, { cause });
  }
  return { kind: "port", port: pump(data), total: data.length };
}

/** What the worker can find: a name on a hub and one in the store as they are, the address of a hub's page as its file's. */
function located(source: string | URL, endpoint: string | undefined): string {
  const given = reading("The address of a .gguf file", () => String(source));
  if (/^store:/i.test(given)) return given;
  if (!isHubFile(given)) return ofPage(absolute(given), endpoint);
  readHubFile(given);
  return given;
}

/** Trusted addresses (Trusted Types) that a page gave, by what they say: a worker is started at them as they are. */
export const trustedByPage = new Map<string, unknown>();

/** Relative to the page, as a worker would resolve it relative to its own script: the address of `file`. */
export function absolute(url: string | Address, file = "a .gguf file"): string {
  const base = globalThis.document?.baseURI ?? globalThis.location?.href;
  const given = reading(`The address of ${file}`, () => String(url));
  let parsed: URL;
  try {
    parsed = new URL(given, base);
  } catch (cause) {
    throw new SottoError("bad_option", `${shown(given)} is not a URL; give the full address of ${file}.`, { cause });
  }
  const { protocol, username, password, href } = parsed;
  if (!/^(https?|blob|data|[a-z-]+-extension):$/.test(protocol))
    throw new SottoError("bad_option", `A page cannot read "${protocol}" addresses; use http(s), or pick the file.`);
  if (username !== "" || password !== "")
    throw new SottoError("bad_option", "A page cannot read addresses with a user's name in them; pass it in headers.");
  if (base !== undefined && bare(href) === bare(base))
    throw new SottoError("bad_option", `${shown(given)} is the page's own address; give that of ${file}.`);
  if (kind(url) === "TrustedScriptURL") trustedByPage.set(href, url);
  return href;
}

const bare = (url: string) => url.split("#")[0];
