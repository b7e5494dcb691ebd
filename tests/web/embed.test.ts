/** Vectors and scores of texts, on the fake engine: a vector counts vowels, a score words. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import { loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  model = await loadFake();
});
afterEach(() => model.dispose());

test("a text gives a vector, a list of texts a list", async () => {
  const one = await model.embed("banana");
  expect(one).toBeInstanceOf(Float32Array);
  expect(Array.from(one)).toEqual([3, 0, 0, 0]);
  const two = await model.embed(["tree", "oil"], { prompt: "a " });
  expect(two.map((vector) => Array.from(vector))).toEqual([
    [1, 2, 0, 0],
    [1, 0, 1, 1],
  ]);
  expect(Array.from((await model.embed(["sea"], { dimensions: 2 }))[0]!)).toEqual([1, 1]);
  expect(await model.embed([])).toEqual([]);
});

test("without pooling each token has a vector", async () => {
  const [vector, other] = await model.embed(["ae", "i"], { pooling: "none" });
  expect(vector).toHaveLength(8);
  expect(other).toHaveLength(4);
});

test("documents are ranked, and texts have labels", async () => {
  const documents = ["a cat", "a grey cat sleeps", "rain"];
  expect(await model.rerank("grey cat", documents)).toEqual([
    { index: 1, score: 2 },
    { index: 0, score: 1 },
    { index: 2, score: 0 },
  ]);
  const [labels] = await model.classify(["well done!"]);
  expect(labels!.map(({ label }) => label)).toEqual(["glad", "calm"]);
  expect(labels![0]!.score).toBeCloseTo(1 / (1 + Math.exp(-1)));
});

test("a masked word is filled in", async () => {
  expect(model.info.embedding!.mask).toBe("[MASK]");
  const words = await model.fillMask("see the [MASK] tree", { top: 2 });
  expect(words.map(({ token }) => token)).toEqual(["e", "a"]);
  expect(words[0]).toEqual({ token: "e", id: 1, score: 0.6 });
  expect(await model.fillMask("a [MASK]")).toHaveLength(4);
  await expect(model.fillMask("no mask")).rejects.toMatchObject({ code: "bad_option", message: /0 masked words/ });
  await expect(model.fillMask(["a [MASK]"] as never)).rejects.toMatchObject({ message: /text is/ });
  await expect(model.fillMask("a [MASK]", { top: 0 })).rejects.toMatchObject({ message: /top is 0/ });
  const signal = AbortSignal.timeout(20);
  await expect(model.fillMask("endless [MASK]", { signal })).rejects.toMatchObject({ code: "aborted" });
});

test("embeddings.create answers as OpenAI's API does", async () => {
  const answer = await model.embeddings.create({ input: ["ab", "e"], model: "any", encoding_format: "float" });
  expect(answer).toMatchObject({ object: "list", model: "Fake 135M Instruct" });
  expect(answer.data).toEqual([
    { object: "embedding", index: 0, embedding: [1, 0, 0, 0] },
    { object: "embedding", index: 1, embedding: [0, 1, 0, 0] },
  ]);
  expect(answer.usage).toEqual({ prompt_tokens: 3, total_tokens: 3 });
  const tokens = await model.embeddings.create({ input: [97, 101] });
  expect(tokens.data[0]!.embedding).toEqual([1, 1, 0, 0]);
  const coded = await model.embeddings.create({ input: "a", encoding_format: "base64" });
  const bytes = Uint8Array.from(atob(coded.data[0]!.embedding as unknown as string), (c) => c.charCodeAt(0));
  expect(Array.from(new Float32Array(bytes.buffer))).toEqual([1, 0, 0, 0]);
});

test("wrong arguments are named, and a signal stops the work", async () => {
  const wrong = async (call: () => Promise<unknown>, message: RegExp) =>
    expect(call()).rejects.toMatchObject({ code: "bad_option", message: expect.stringMatching(message) });
  await wrong(() => model.embed(5 as never), /texts is 5/);
  await wrong(() => model.embed(["a", 1] as never), /texts\[1\] is 1/);
  await wrong(() => model.embed("a", { pooling: "max" as never }), /pooling is "max"/);
  await wrong(() => model.embed("a", { normalise: false } as never), /normalise.*normalize/);
  await wrong(() => model.rerank("a", "b" as never), /documents is "b"/);
  await wrong(() => model.embeddings.create({ input: { a: 1 } as never }), /input is/);
  for (const [ids, message] of [
    [[-1], /input\[0\] is -1; give a whole number from 0 to 16777215/],
    [[97, 1.5], /input\[1\] is 1.5/],
    [[2 ** 24], /input\[0\] is 16777216/],
    [[[97], [NaN]], /input\[1\]\[0\] is NaN/],
    [[[1n]], /input\[0\]\[0\] is/],
    [[[]], /input\[0\] is empty/],
    [[new Uint32Array(1)], /input\[0\] is/],
  ] as [never, RegExp][])
    await wrong(() => model.embeddings.create({ input: ids }), message);
  await wrong(() => model.embeddings.create({ input: "a", encoding_format: "hex" as never }), /encoding_format/);
  const signal = AbortSignal.timeout(20);
  await expect(model.embed("endless", { signal })).rejects.toMatchObject({ code: "aborted" });
  expect(await model.embed("a")).toHaveLength(4);
});
