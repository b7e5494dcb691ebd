/** Models in several files, named as gguf-split names them: `model-00001-of-00003.gguf`. */
import { hubPath, isHubFile, readHubFile } from "../wire/hub.js";
import type { Verdict } from "../wire/generated.js";
import type { SourceData } from "../wire/protocol.js";
import { type Opening, open } from "./fetch.js";
import { isRepository } from "./hub.js";
import type { Feed } from "./stored.js";

/** In the name of the first, before how many there are. */
const FIRST = /-00001-of-(\d{5})(?=\.gguf)/i;

/** The model's other files; `address`: where the first was found, if it has one. */
export function othersOf(source: SourceData, address: string | undefined): SourceData[] {
  if (isRepository(source)) return [];
  if (source.kind === "parts") return source.parts.slice(1);
  if (source.kind !== "url") return [];
  const { url, sha256: _, ...rest } = source;
  // What a hub says of its files goes by their names there.
  const path = isHubFile(url) && address !== undefined ? hubPath(address, readHubFile(url)) : undefined;
  const { repo, revision } = path === undefined ? {} : readHubFile(url);
  const first = path === undefined ? (address ?? url) : `hf:${repo}/${path}@${revision}`;
  const count = Number(FIRST.exec(first)?.[1] ?? 1);
  const name = (part: number) => first.replace(FIRST, (_, of) => `-${String(part).padStart(5, "0")}-of-${of}`);
  return Array.from({ length: Math.max(0, count - 1) }, (_, i) => ({ ...rest, url: name(i + 2) }));
}

/** Gives a file's first bytes to `push` until that says that they are enough. */
export async function readHead(
  source: SourceData,
  signal: AbortSignal,
  push: (chunk: Uint8Array) => boolean | Promise<boolean>,
  opening: Opening = {},
): Promise<Pick<Feed, "address" | "total">> {
  // What comes after the header is not read: leaving the loop ends the request.
  const feed = await open(source, signal, { ...opening, keep: false });
  for await (const chunk of feed.chunks) if (await push(chunk)) break;
  return feed;
}

/** Ends what was opened and is not wanted: its request, its hold on the store. */
export async function leave({ chunks }: Pick<Feed, "chunks">): Promise<void> {
  for await (const _ of chunks) break;
}

/** A verdict that says so where a model's files, of `there` bytes as far as is known, are less than the header wants. */
export function ofWhole(verdict: Verdict, wanted: number, there: number | undefined): Verdict {
  if (there === undefined || there >= wanted) return verdict;
  const sentence = `The file has ${there} of ${wanted} bytes: it ends before its tensors do; download it again.`;
  return { ...verdict, runs: false, findings: [{ code: "truncated", sentence }, ...verdict.findings] };
}
