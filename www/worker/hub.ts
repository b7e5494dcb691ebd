/** Finds a file on a hub by what the hub lists: its address, and the SHA-256 that it is kept under. */
import { SottoError } from "../wire/errors.js";
import { HUB, type Hub, hubAddress, isHubFile, readHubFile } from "../wire/hub.js";
import type { SourceData } from "../wire/protocol.js";
import { PATIENCE, type Target } from "./remote.js";

export interface Found extends Target {
  sha256?: string | undefined;
}

/** A file of a repository, as the hub lists it. */
export interface Listed {
  type: string;
  path: string;
  lfs?: { oid?: string };
}

/** How a hub is asked. */
interface Asking {
  hub?: Hub;
  headers?: Record<string, string> | undefined;
}

const headersOf = ({ hub = {}, headers }: Asking) => ({
  ...(hub.token && { Authorization: `Bearer ${hub.token}` }),
  ...headers,
});

const baseOf = ({ hub = {} }: Asking) => (hub.endpoint ?? HUB).replace(/\/+$/, "");

/** The files of a repository; none where the hub cannot be reached. Throws what it answers. */
export async function listHub(
  repo: string,
  revision: string,
  asking: Asking,
  signal: AbortSignal,
): Promise<Listed[] | undefined> {
  const list = `${baseOf(asking)}/api/models/${repo}/tree/${encodeURIComponent(revision)}?recursive=true`;
  try {
    const timeout = AbortSignal.timeout(PATIENCE.stallMs);
    const response = await fetch(list, { headers: headersOf(asking), signal: AbortSignal.any([signal, timeout]) });
    if (!response.ok) throw refused(repo, response.status);
    return ((await response.json()) as Listed[]).filter(({ type }) => type === "file");
  } catch (cause) {
    if (cause instanceof SottoError) throw cause;
    return undefined;
  }
}

/** Throws what a hub answers, and `bad_option` for a file that it does not have; `listed`: what it has said already. */
export async function findOnHub(
  source: string,
  asking: Asking,
  signal: AbortSignal,
  listed?: Listed[],
): Promise<Found> {
  const wanted = readHubFile(source);
  const [headers, base] = [headersOf(asking), baseOf(asking)];
  const files = listed ?? (await listHub(wanted.repo, wanted.revision, asking, signal));
  if (!files) {
    // The address of a file that was named is known without the list.
    if (wanted.path) return { url: hubAddress(wanted, wanted.path, base), headers };
    const message = `The hub's list of ${wanted.repo} could not be fetched; check the connection.`;
    throw new SottoError("network", message);
  }
  const file = choose(source, files, wanted);
  return { url: hubAddress(wanted, file.path, base), headers, sha256: file.lfs?.oid };
}

/** What goes with a model, and what follows the first of its files. */
const OTHERS = /mmproj|imatrix|-(?!00001)\d{5}-of-\d{5}\./i;

function choose(source: string, files: Listed[], { repo, path, quantization }: ReturnType<typeof readHubFile>): Listed {
  const models = files.filter((file) => /\.gguf$/i.test(file.path));
  const named = path
    ? files.filter((file) => file.path === path)
    : models.filter((file) => quantizationOf(file.path) === quantization!.toUpperCase() && !OTHERS.test(file.path));
  // One in several files has a longer name than one that is whole.
  const best = named.sort((a, b) => a.path.length - b.path.length)[0];
  if (best) return best;
  const has = typesOf(files).join(", ") || "no GGUF file";
  throw new SottoError(
    "bad_option",
    `${repo} has no file for "${source}"; it has ${path ? `${models.length} GGUF files: ${has}` : has}.`,
  );
}

/** Which quantizations of a model there are. */
export function typesOf(files: readonly Listed[]): string[] {
  const types = files.flatMap(({ path }) => (OTHERS.test(path) ? [] : (quantizationOf(path) ?? [])));
  return [...new Set(types)];
}

/** `Q4_K_M` of `model-Q4_K_M.gguf`. */
function quantizationOf(path: string): string | undefined {
  return /(?:^|[-._/])((?:UD-)?(?:I?Q\d\w*|T?Q\d_\d|MXFP4\w*|B?F\d\d))(?:-00001-of-\d{5})?\.gguf$/i
    .exec(path)?.[1]
    ?.toUpperCase();
}

function refused(repo: string, status: number): SottoError {
  const why =
    status === 401 || status === 403
      ? "it is gated or private, or there is none of that name: pass hub: { token }"
      : status === 404
        ? "there is no such model or revision: check the name"
        : "try again later";
  return new SottoError("http", `The hub answered HTTP ${status} for ${repo}; ${why}.`);
}

/** Whether a source is a repository, and not a file. */
export function isRepository(source: SourceData): boolean {
  if (source.kind === "parts") return source.parts.some((part) => part.kind === "blob" && part.path === "config.json");
  if (source.kind !== "url" || /^(blob|data|store):/i.test(source.url)) return false;
  if (!isHubFile(source.url)) return new URL(source.url).pathname.endsWith("/");
  const { path, quantization } = readHubFile(source.url);
  return path === undefined && quantization === undefined;
}
