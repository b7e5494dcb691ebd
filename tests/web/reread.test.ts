/** A model's files, read again where a part of the model stays in them. */
import { expect, test } from "vitest";
import type { Loader } from "../../www/worker/engine.js";
import { open } from "../../www/worker/fetch.js";
import { fill, fixed } from "../../www/worker/fill.js";
import type { Reporter } from "../../www/worker/progress.js";
import { PATIENCE } from "../../www/worker/remote.js";
import { type Reread, readAgain } from "../../www/worker/reread.js";

const ascii = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

test("of a model in several files, bytes are read from the file that has them", async () => {
  const blobs = [new File(["GGUF-the first"], "a.gguf"), new File(["GGUF-another"], "b.gguf")];
  const source = { kind: "parts" as const, parts: blobs.map((blob) => ({ kind: "blob" as const, blob })) };
  const told: Reread[] = [];
  const loader = {
    set_reread: (read: Reread) => told.push(read),
    push_part: () => true,
    next_part: () => blobs[0]!.size,
    push: () => {},
    drain: async () => {},
    total_bytes: () => blobs[0]!.size + blobs[1]!.size,
  } as unknown as Loader;
  const { signal } = new AbortController();
  const tell = { progress: () => {}, warn: () => {} };
  const to = { reporter: { tell: () => {} } as unknown as Reporter, tell, patience: PATIENCE, warn: () => {} };
  await fill(fixed(loader), source, open(source, signal), signal, to);
  expect(ascii(await told[0]!(Float64Array.of(1, 5, 7, 0, 9, 5, 1, 0, 4)))).toBe(["another", "first", "GGUF"].join(""));
});

test("the file that is gone is named", async () => {
  const there = { name: "there", file: async () => new Blob(["abc"]) };
  const gone = { name: "gone", file: () => Promise.reject(new Error("no")) };
  const read = readAgain([there, gone, { name: "never kept" }]);
  expect(ascii(await read(Float64Array.of(0, 1, 2)))).toBe("bc");
  const error = async (index: number) => read(Float64Array.of(0, 0, 1, index, 0, 1)).catch((thrown) => thrown);
  expect(await error(1)).toMatchObject({ code: "io", message: expect.stringMatching(/^gone cannot be read/) });
  expect(await error(2)).toMatchObject({ code: "io", message: expect.stringMatching(/^never kept cannot be read/) });
});
