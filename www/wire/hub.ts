/** Addresses on a hub: Hugging Face, or what serves files as it does. */
import { SottoError } from "./errors.js";

export const HUB = "https://huggingface.co";

/** Another hub, and what lets its users in. */
export interface Hub {
  /** By default Hugging Face's. */
  endpoint?: string;
  /** For models that are not open to all. */
  token?: string;
}

/** A file on a hub, by its path or by its quantization; without either, a repository. */
export interface HubFile {
  repo: string;
  revision: string;
  path?: string;
  quantization?: string;
}

export const isHubFile = (source: string): boolean => /^hf:/i.test(source);

/** Reads `hf:owner/name`, `hf:owner/name/file.gguf` and `hf:owner/name:Q4_K_M`, each with or without `@revision`. */
export function readHubFile(source: string): HubFile {
  const found =
    /^hf:(?:\/\/)?([\w.-]+\/[\w.-]+)(?:\/([^@]+\.(?:gguf|safetensors|json|jinja))|:([\w.-]+))?(?:@([\w./-]+))?$/i.exec(
      source,
    );
  if (!found)
    throw new SottoError(
      "bad_option",
      `"${source}" names no file on a hub; write hf:owner/name, hf:owner/name/file.gguf or hf:owner/name:Q4_K_M.`,
    );
  const [, repo = "", path, quantization, revision = "main"] = found;
  return { repo, revision, ...(path && { path }), ...(quantization && { quantization }) };
}

export function hubAddress({ repo, revision }: HubFile, path: string, endpoint = HUB): string {
  const encoded = path.split("/").map(encodeURIComponent).join("/");
  return `${endpoint.replace(/\/+$/, "")}/${repo}/resolve/${encodeURIComponent(revision)}/${encoded}`;
}

/** The path of a file in its repository, by its address there. */
export function hubPath(address: string, { repo, revision }: HubFile): string | undefined {
  const before = `/${repo}/resolve/${encodeURIComponent(revision)}/`;
  const at = address.indexOf(before);
  return at < 0 ? undefined : decodeURIComponent(address.slice(at + before.length).split(/[?#]/)[0]!);
}

/** The address of the file or repository that a hub's page is about; any other address as it is. */
export function ofPage(address: string, endpoint = HUB): string {
  const url = new URL(address);
  const hosts = ["huggingface.co", "hf.co", new URL(endpoint).host];
  if (!hosts.includes(url.host)) return address;
  const repository = /^\/([\w.-]+\/[\w.-]+)(?:\/tree\/([\w.-]+))?\/?$/.exec(url.pathname);
  if (repository && !/\.gguf$/i.test(url.pathname))
    return `hf:${repository[1]}${repository[2] ? `@${repository[2]}` : ""}`;
  url.pathname = url.pathname.replace(/^(.*?\/[^/]+\/[^/]+)\/blob\//, "$1/resolve/");
  return url.href;
}
