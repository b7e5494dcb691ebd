// What a page fetches before its first reply: how much that may be, and whether the documents say what it is.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./setup.mjs";

/** Scripts and the wasm file of whichever engine, compressed. */
export const MAX_GZIP_BYTES = 1_000_000;

/** The documents that state it, in these words, and by how much they may be wrong. */
const DOCUMENTS = ["README.md", "docs/PERFORMANCE.md"];
const WORDS = /(\d+) kB on WebGPU, (\d+) kB on the CPU, (\d+) kB\s+with\s+threads/;
const SLACK = 10_000;

/** Sentences on what a text of `name` says wrongly of the bytes on WebGPU, on the CPU and with threads. */
export function misstated(name, text, bytes) {
  const said = WORDS.exec(text.replaceAll("\n", " "))?.slice(1);
  if (!said) return [`${name} does not state the first load in the words that tools/first-load.mjs looks for.`];
  const now = bytes.map((bytes) => Math.round(bytes / 1000));
  const wrong = said.some((kB, i) => Math.abs(1000 * kB - bytes[i]) > SLACK);
  return wrong
    ? [`${name} states a first load of ${said.join(", ")} kB; it is ${now.join(", ")}: write these there.`]
    : [];
}

/** All that is wrong with first loads of so many bytes on WebGPU, on the CPU and with threads. */
export function complaints(bytes) {
  const most = Math.max(...bytes);
  const large = most > MAX_GZIP_BYTES ? [`A first load is ${most} bytes compressed, over ${MAX_GZIP_BYTES}.`] : [];
  return [...large, ...DOCUMENTS.flatMap((name) => misstated(name, readFileSync(join(ROOT, name), "utf8"), bytes))];
}
