/** A model with another that guesses for it, as the page and its worker have it. */
import { beforeEach, expect, test } from "vitest";
import { nameOf } from "../../www/api/shared.js";
import { describeDraft } from "../../www/api/source.js";
import { clearLog, log } from "./fake-engine.js";
import { GGUF, codeOf, loadFake } from "./harness.js";

beforeEach(clearLog);

test("a draft is loaded behind its model, and only where one is asked for", async () => {
  await (await loadFake()).dispose();
  expect([log.drafts, log.pushed]).toEqual([0, GGUF.size]);
  const files: (string | undefined)[] = [];
  const model = await loadFake(undefined, { draft: GGUF, onProgress: ({ phase }) => files.push(phase) });
  expect([log.drafts, log.pushed]).toEqual([1, 3 * GGUF.size]);
  expect(files.filter((phase) => phase === "ready")).toHaveLength(1);
  expect((await model.chat("echo it")).text).toBe("it");
  await model.dispose();
});

test("a draft that is no model fails the load", async () => {
  const source = { kind: "blob" as const, blob: GGUF };
  expect(await codeOf(loadFake(source, { draft: GGUF }))).toBe("nothing was thrown");
  expect(await codeOf(loadFake({ kind: "blob", blob: new Blob(["not one at all"]) }, { draft: GGUF }))).toBe(
    "not_gguf",
  );
});

test("what is no source is said of the draft", () => {
  const { signal } = new AbortController();
  for (const none of [5, null, {}, []])
    expect(() => describeDraft(none as never, {}, signal)).toThrow(/^draft: A model .* this is (none of them|another)/);
});

test("tabs share a model with its draft, where all can read both", () => {
  const url = (url: string) => ({ kind: "url" as const, url });
  const names = [undefined, url("https://a/b.gguf"), url("https://a/c.gguf")].map((draft) =>
    nameOf(url("https://a/a.gguf"), {}, draft),
  );
  expect(new Set(names).size).toBe(3);
  expect(() => nameOf(url("https://a/a.gguf"), {}, { kind: "blob", blob: GGUF })).toThrow(/store.import/);
});
