/** `sotto/search`: what it finds, by meaning and by words, what it refuses, and what it keeps. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { FakeLocks } from "./fake-locks.js";
import { Vectors } from "../../www/pieces/search/vectors.js";
import { type Document, createSearch, forgetSearch } from "../../www/pieces/search/index.js";

/** Numbers that come again with the same seed. */
function* numbers(seed: number): Generator<number, never> {
  for (let state = seed; ; ) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 31 - 1;
  }
}

const vectorsOf = (count: number, dimensions: number, seed = 1) => {
  const from = numbers(seed);
  return Array.from({ length: count }, () => Float32Array.from({ length: dimensions }, () => from.next().value));
};

const cosine = (a: ArrayLike<number>, b: ArrayLike<number>) => {
  let [both, ofA, ofB] = [0, 0, 0];
  for (let i = 0; i < a.length; i++) {
    both += a[i]! * b[i]!;
    ofA += a[i]! ** 2;
    ofB += b[i]! ** 2;
  }
  return both / Math.sqrt(ofA * ofB);
};

test("the nearest vectors are those of a loop, for any length and mask, and after some are gone", async () => {
  for (const dimensions of [1, 3, 16, 50, 384]) {
    const all = vectorsOf(300, dimensions);
    const vectors = new Vectors(dimensions);
    for (const vector of all) vectors.push(vector);
    for (const row of [0, 100, 297]) {
      vectors.remove(row);
      all[row] = all.at(-1)!;
      all.pop();
    }
    const [query] = vectorsOf(1, dimensions, 7);
    for (const keeps of [undefined, (row: number) => row % 3 === 0]) {
      const wanted = all
        .map((vector, row) => ({ row, similarity: cosine(vector, query!) }))
        .filter(({ row }) => keeps?.(row) ?? true)
        .sort((a, b) => b.similarity - a.similarity)
        .slice(0, 20);
      const found = vectors.like(query!, 20, keeps);
      expect(found.map(({ similarity }) => similarity)).toEqual(
        wanted.map(({ similarity }) => expect.closeTo(similarity, 5)),
      );
      // Of one number all are alike.
      if (dimensions > 1) expect(found.map(({ row }) => row)).toEqual(wanted.map(({ row }) => row));
    }
  }
});

/** Vectors by the letters of a text. */
const letters = (text: string) => {
  const vector = new Float32Array(26).fill(0.01);
  for (const letter of text.toLowerCase()) if (letter >= "a" && letter <= "z") vector[letter.charCodeAt(0) - 97]! += 1;
  return vector;
};

const asked: unknown[] = [];
const model = {
  info: { name: "letters" },
  embed: async (texts: string[], { prompt }: { prompt?: string }) => {
    asked.push([prompt, texts.length]);
    return texts.map(letters);
  },
  rerank: async (_query: string, texts: string[]) =>
    texts.map((text, index) => ({ index, score: -text.length })).sort((a, b) => b.score - a.score),
};
// What a search asks of a model.
const held = model as never;

const TEXTS: Document<{ year: number }>[] = [
  { id: "cat", text: "The cat sleeps on the warm roof.", data: { year: 2020 } },
  { id: "dog", text: "A dog barks at night.", data: { year: 2021 } },
  { id: "tac", text: "Tact: eh, cat!", data: { year: 2022 } },
  { id: "猫", text: "猫は屋根の上で寝ています。", data: { year: 2023 } },
];

let files: Map<string, Uint8Array>;
beforeEach(() => {
  files = new Map();
  asked.length = 0;
  const missing = () => Object.assign(new Error("no such file"), { name: "NotFoundError" });
  const folder = {
    getDirectoryHandle: async () => folder,
    getFileHandle: async (name: string, { create = false } = {}) => {
      if (!create && !files.has(name)) throw missing();
      return {
        getFile: async () => new Blob([(files.get(name) ?? new Uint8Array()) as Uint8Array<ArrayBuffer>]),
        createWritable: async () => {
          const parts: Uint8Array[] = [];
          return {
            write: async (part: Uint8Array) =>
              void parts.push(new Uint8Array(part.buffer, part.byteOffset, part.byteLength).slice()),
            close: async () => void files.set(name, new Uint8Array(Buffer.concat(parts))),
            abort: async () => {},
          };
        },
      };
    },
    removeEntry: async (name: string) => {
      if (!files.delete(name)) throw missing();
    },
  };
  vi.stubGlobal("navigator", { storage: { getDirectory: async () => folder }, locks: new FakeLocks() });
});
afterEach(() => vi.unstubAllGlobals());

const ids = (hits: { id: string }[]) => hits.map(({ id }) => id);

test("documents are found by meaning, by words and by both; a filter, a replacement and a removal hold", async () => {
  const prompts = { query: "query: ", document: "passage: " };
  const search = await createSearch<{ year: number }>({ model: held, prompts });
  const seen: number[] = [];
  await search.add(TEXTS, { onProgress: (done) => seen.push(done) });
  expect([search.size, seen, asked]).toEqual([4, [4], [["passage: ", 4]]]);
  // Where nothing has a vector, none is made of the query.
  expect(await (await createSearch({ model: held })).find("cat")).toEqual([]);
  expect(asked).toHaveLength(1);
  expect(ids(await search.find("cat", { by: "words" }))).toEqual(expect.arrayContaining(["cat", "tac"]));
  expect(ids(await search.find("cat", { by: "words", where: ({ data }) => data!.year < 2022 }))).toEqual(["cat"]);
  expect(ids(await search.find("屋根", { by: "words" }))).toEqual(["猫"]);
  const near = await search.find("tact cat", { by: "meaning", limit: 2 });
  expect(ids(near)[0]).toBe("tac");
  expect(near[0]!.similarity).toBeCloseTo(cosine(letters("tact cat"), letters(TEXTS[2]!.text)), 5);
  expect(asked.at(-1)).toEqual(["query: ", 1]);
  const [best] = await search.find("barking dogs at night");
  expect(best).toMatchObject({ id: "dog", text: TEXTS[1]!.text, data: { year: 2021 } });
  // By places alone: the first of both lists.
  expect(best!.score).toBeCloseTo(2 / 61, 5);
  await search.add([{ id: "dog", text: "It is a wolf now." }]);
  expect([search.size, search.get("dog")]).toEqual([4, { id: "dog", text: "It is a wolf now." }]);
  expect(ids(await search.find("barks", { by: "words" }))).toEqual([]);
  expect([search.remove(["cat", "none"]), search.size]).toEqual([1, 3]);
  expect(ids(await search.find("cat"))).not.toContain("cat");
  expect(ids(await search.find({ vector: letters("wolf now") }))[0]).toBe("dog");
  // Whatever is replaced and removed, each vector stays with its document.
  const words = ["alpha", "bravo", "charlie", "delta", "echo", "foxtrot", "golf", "hotel"];
  const from = numbers(3);
  const text = (id: string) => search.get(id)?.text ?? "";
  for (let turn = 0; turn < 200; turn++) {
    const [id, word] = [0, 0].map(() => words[Math.floor(Math.abs(from.next().value) * 8) % 8]!) as [string, string];
    if (turn % 3 === 0) search.remove(id);
    else await search.add([{ id, text: `${word} ${turn}` }]);
  }
  for (const id of words.filter((id) => search.get(id))) {
    const [first] = await search.find({ vector: letters(text(id)) }, { by: "meaning", limit: 1 });
    expect(first!.similarity).toBeCloseTo(1, 5);
    expect(letters(first!.text)).toEqual(letters(text(id)));
  }
});

test("a reranker has the last word", async () => {
  const search = await createSearch({ reranker: held });
  await search.add(TEXTS);
  const hits = await search.find("cat", { rerank: 5, limit: 1 });
  expect(hits).toEqual([{ id: "tac", text: "Tact: eh, cat!", data: { year: 2022 }, score: -14 }]);
  // Those that it is not asked for come behind.
  expect(ids(await search.find("cat", { rerank: 1 }))).toHaveLength(2);
});

test("what is kept is there again, and what is damaged is refused", async () => {
  const search = await createSearch({ model: held, name: "my notes/1" });
  await search.add(TEXTS);
  await search.add([{ id: "own", text: "Its own vector.", vector: letters("zzz") }]);
  search.remove("dog");
  await search.save();
  expect(Array.from(files.keys())).toEqual(["my%20notes%2F1.search"]);
  const again = await createSearch({ model: held, name: "my notes/1" });
  expect([again.size, again.get("猫")]).toEqual([4, { id: "猫", text: TEXTS[3]!.text, data: { year: 2023 } }]);
  for (const query of ["cat roof", "zzz", "猫"]) expect(await again.find(query)).toEqual(await search.find(query));
  const [name, bytes] = Array.from(files)[0]!;
  for (const cut of [3, 40, bytes.length - 4]) {
    files.set(name, bytes.slice(0, cut));
    await expect(createSearch({ name: "my notes/1" })).rejects.toMatchObject({ code: "storage" });
  }
  const documents = (...lines: string[]) => {
    const text = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    return new Uint8Array([...new Uint8Array(new Uint32Array([text.length]).buffer), ...text]);
  };
  const head = '{"version":1,"dimensions":0,"documents":1,"vectors":0}';
  for (const wrong of [["null"], [head, "null"], [head, '{"text":"x","vector":false}'], [head.replace("1", "2")]]) {
    files.set(name, documents(...wrong));
    await expect(createSearch({ name: "my notes/1" })).rejects.toMatchObject({ code: "storage" });
  }
  const bare = documents(
    '{"version":1,"dimensions":2,"documents":1,"vectors":2}',
    '{"id":"x","text":"y","vector":true}',
  );
  files.set(name, new Uint8Array([...bare, ...new Uint8Array(8)]));
  await expect(createSearch({ name: "my notes/1" })).rejects.toMatchObject({ code: "storage" });
  await forgetSearch("my notes/1");
  expect(files.size).toBe(0);
  // A file that is being written for the first time.
  files.set(name, new Uint8Array());
  expect((await createSearch({ name: "my notes/1" })).size).toBe(0);
  await again.add([{ id: "big", text: "no JSON", data: { year: 1n as never } }]);
  await expect(again.save()).rejects.toMatchObject({ code: "bad_option", message: expect.stringContaining('"big"') });
  await again.forget();
  await again.forget();
  expect((await createSearch({ name: "my notes/1" })).size).toBe(0);
});

test("every flipped bit of what is kept is refused, and what was kept without a hash is read", async () => {
  const search = await createSearch({ name: "x" });
  await search.add([{ id: "a", text: "one", vector: [1, 2] }]);
  await search.save();
  const [name, bytes] = Array.from(files)[0]!;
  for (let bit = 0; bit < 8 * bytes.length; bit++) {
    const flipped = bytes.slice();
    flipped[bit >> 3]! ^= 1 << (bit & 7);
    files.set(name, flipped);
    await expect(createSearch({ name: "x" }), `bit ${bit}`).rejects.toMatchObject({ code: "storage" });
  }
  const old = Buffer.from(bytes.slice(0, -32)).toString("latin1").replace('"version":2', '"version":1');
  files.set(name, new Uint8Array(Buffer.from(old, "latin1")));
  expect((await createSearch({ name: "x" })).get("a")).toEqual({ id: "a", text: "one" });
});

test("what another tab has kept since is not written over", async () => {
  const [one, other] = [await createSearch({ name: "x" }), await createSearch({ name: "x" })];
  await one.add([{ id: "a", text: "one" }]);
  await other.add([{ id: "b", text: "two" }]);
  // At once: one of them is the first.
  const ended = await Promise.allSettled([one.save(), other.save()]);
  expect(ended.map(({ status }) => status)).toEqual(["fulfilled", "rejected"]);
  await expect(other.save()).rejects.toMatchObject({
    code: "storage",
    message: expect.stringContaining("open it again"),
  });
  const again = await createSearch({ name: "x" });
  expect([again.size, again.get("a")?.text]).toEqual([1, "one"]);
  await Promise.all([again.save(), again.save()]);
  await again.forget();
  // Nothing is there that could be lost.
  await other.save();
  expect((await createSearch({ name: "x" })).get("b")?.text).toBe("two");
});

test("what a browser says of its files is told as storage", async () => {
  const search = await createSearch({ name: "x" });
  const folder = (await navigator.storage.getDirectory()) as unknown as Record<string, unknown>;
  const fails = async () => {
    throw new DOMException("It is locked.", "NoModificationAllowedError");
  };
  folder.removeEntry = fails;
  await expect(forgetSearch("x")).rejects.toMatchObject({ name: "SottoError", code: "storage" });
  folder.getFileHandle = async () => ({ getFile: async () => new Blob([]), createWritable: fails });
  await expect(search.save()).rejects.toMatchObject({ name: "SottoError", code: "storage" });
});

test("what does not fit is refused, and what was there stays", async () => {
  const search = await createSearch();
  await search.add([{ id: "a", text: "one", vector: [1, 0] }]);
  const document = (more: object) => [{ id: "b", text: "two", ...more }] as Document[];
  for (const [wrong, says] of [
    [document({ vector: [1, 0, 0] }), "A vector has 3 numbers and the others have 2."],
    [document({ vector: [0, 0] }), "all zeros"],
    [document({ vector: [Number.NaN, 0] }), "no number"],
    [document({ vector: { length: 1.5, 0: 1, 1: 1 } }), "no list"],
    [document({ vector: { length: 2, 0: 1, 1: 1 } }), "no list"],
    [document({ vector: new BigInt64Array(2) }), "no number"],
    [[{ id: 1, text: "two" }] as unknown as Document[], "no text or no id"],
    [[null] as unknown as Document[], "no text or no id"],
  ] as const)
    await expect(search.add(wrong)).rejects.toMatchObject({
      code: "bad_option",
      message: expect.stringContaining(says),
    });
  expect(search.size).toBe(1);
  await search.add([{ id: "a", text: "one again", vector: [0, 1] }]);
  await expect(search.add([{ id: "a", text: "three", vector: [0, 0] }])).rejects.toThrow("all zeros");
  expect(search.get("a")).toEqual({ id: "a", text: "one again" });
  for (const [query, options, says] of [
    ["x", { limit: 0 }, "limit is 0"],
    ["x", { limit: "5" as never }, 'limit is "5"'],
    ["x", { limit: 2000 }, "limit is 2000"],
    [{}, {}, "neither text nor vector"],
    ["x", { rerank: 3 }, "a model that reranks"],
    [{ vector: [1, 1] }, { rerank: 3 }, "the query's text"],
    [{ vector: [1] }, {}, "1 numbers"],
  ] as const)
    await expect(search.find(query, options)).rejects.toMatchObject({
      code: "bad_option",
      message: expect.stringContaining(says),
    });
  for (const wrong of [null, 5, [5]] as never[]) expect(() => search.remove(wrong)).toThrow("an id or a list of ids");
  await expect(search.save()).rejects.toThrow("without a name");
  for (const [query, options] of [
    [null, {}],
    [{ text: 5 }, {}],
    ["x", { rerank: 1.5 }],
    ["x", { rerank: -1 }],
    ["x", { by: "word" }],
    ["x", { by: "meaning" }],
    [{ vector: [1, 0] }, { by: "words" }],
    ["x", { where: "x" }],
    [{ vector: [1n, 0n] }, {}],
    [{ vector: "ab" }, {}],
  ] as [never, never][])
    await expect(search.find(query, options)).rejects.toMatchObject({ code: "bad_option" });
  for (const wrong of [undefined, "abc", new Set()] as never[])
    await expect(search.add(wrong)).rejects.toMatchObject({ code: "bad_option" });
  for (const name of ["", "\ud800", "x".repeat(300), 5 as never])
    await expect(createSearch({ name })).rejects.toMatchObject({ code: "bad_option" });
  vi.stubGlobal("navigator", {});
  await expect(createSearch({ name: "x" })).rejects.toMatchObject({ code: "storage" });
  const stopped = { signal: AbortSignal.abort() };
  await expect(search.add([{ id: "c", text: "" }], stopped)).rejects.toMatchObject({ name: "AbortError" });
  await expect(search.find("one", stopped)).rejects.toMatchObject({ name: "AbortError" });
});

test("what is done side by side, or by a filter, breaks nothing", async () => {
  const one = (id: string) => ({ id, text: id, vector: letters(id) });
  const search = await createSearch();
  await Promise.all(["a", "b", "c"].map((id) => search.add([one(id), one(`${id}${id}z`)])));
  for (const id of ["a", "b", "ccz"])
    expect(await search.find({ vector: letters(id) }, { limit: 1 })).toMatchObject([
      { id, similarity: expect.closeTo(1) },
    ]);
  // A filter that takes out what it sees.
  const vanish = ({ id }: { id: string }) => search.remove(id) === 1;
  expect(await search.find({ text: "a", vector: letters("a") }, { where: vanish })).toEqual([]);
  expect(search.size).toBe(0);
  // What was refused, or is gone, binds nobody to its length.
  await expect(search.add([{ id: "a", text: "a", vector: [0, 0, 0] }])).rejects.toThrow("all zeros");
  await search.add([{ id: "a", text: "a", vector: [1, 0] }]);
  expect(ids(await search.find({ vector: [1, 0] }))).toEqual(["a"]);
  const few = { ...model, embed: async (texts: string[]) => texts.slice(1).map(letters) } as never;
  const fewer = await createSearch({ model: few });
  await expect(fewer.add([one("a"), { id: "b", text: "b" }])).rejects.toThrow("0 vectors for 1 texts");
});

test("long words and long queries take little", async () => {
  const search = await createSearch();
  await search.add([
    { id: "long", text: "b".repeat(1e6) },
    { id: "cat", text: "a cat" },
  ]);
  expect(ids(await search.find("b".repeat(1e5)))).toEqual(["long"]);
  expect(ids(await search.find(`${"word ".repeat(1000)} cat`))).toEqual(["cat"]);
  // Words at the seams of the pieces that a text is cut into are whole.
  const text = Array.from({ length: 3000 }, (_, i) => `w${i}`).join(" ");
  await search.add([{ id: "many", text }]);
  for (const i of [0, 400, 401, 402, 403, 2999])
    expect(ids(await search.find(`w${i}`, { limit: 1 }))).toEqual(["many"]);
  // What comes and goes leaves nothing behind, while the index is used all the time.
  for (let turn = 0; turn < 20; turn++) {
    await search.add(Array.from({ length: 100 }, (_, i) => ({ id: `${i}`, text: `unique${turn}x${i}` })));
    search.remove(Array.from({ length: 100 }, (_, i) => `${i}`));
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  expect(await search.find("unique")).toEqual([]);
});

test("what was kept with another model is refused where that shows, and with its own model goes on", async () => {
  const search = await createSearch({ model: held, name: "own" });
  await search.add(TEXTS);
  await search.save();
  const other = { ...model, embed: async (texts: string[]) => texts.map((text) => letters(text).reverse()) };
  const wrong = await createSearch({ model: other as never, name: "own" });
  await expect(wrong.find("cat")).rejects.toMatchObject({ code: "bad_option" });
  await expect(wrong.add([{ id: "new", text: "new" }])).rejects.toMatchObject({ code: "bad_option" });
  // By words it is as good as any.
  expect(ids(await wrong.find("dog", { by: "words" }))).toEqual(["dog"]);
  const right = await createSearch({ model: held, name: "own" });
  expect(ids(await right.find("dog barks", { by: "meaning", limit: 1 }))).toEqual(["dog"]);
  await right.add([{ id: "new", text: "new" }]);
  expect(right.size).toBe(5);
});

test("options that nobody knows are refused", async () => {
  const search = await createSearch();
  for (const call of [
    () => createSearch({ Model: held } as never),
    () => createSearch({ prompts: { doc: "x" } } as never),
    () => search.find("cat", { foo: 1 } as never),
    () => search.add([], { signals: 1 } as never),
  ])
    await expect(call()).rejects.toMatchObject({ code: "bad_option" });
});
