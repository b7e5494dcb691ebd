/** The size of a first load in the documents. */
import { expect, test } from "vitest";
import { MAX_GZIP_BYTES, complaints, misstated } from "../../tools/first-load.mjs";

const said = (numbers: number[]) =>
  misstated("README.md", "gzipped, 800 kB on WebGPU, 810 kB on the\nCPU, 820 kB with threads.", numbers);

test("what a document says of the first load may be some kB old, not more", () => {
  expect(said([800_400, 809_000, 829_000])).toEqual([]);
  expect(said([800_400, 809_000, 831_000])).toEqual([
    "README.md states a first load of 800, 810, 820 kB; it is 800, 809, 831: write these there.",
  ]);
  expect(misstated("README.md", "It is small.", [1, 2, 3])).toEqual([expect.stringContaining("does not state")]);
});

test("README.md and PERFORMANCE.md state it, and what is too large is refused", () => {
  const all = complaints([1, 2, MAX_GZIP_BYTES + 1]);
  expect(all[0]).toContain(`over ${MAX_GZIP_BYTES}`);
  expect(all.slice(1).map((text) => text.split(" ")[0])).toEqual(["README.md", "docs/PERFORMANCE.md"]);
  for (const text of all.slice(1)) expect(text).toContain("states a first load of");
});
