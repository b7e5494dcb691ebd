/** The store: what is kept of a file, how it arrives in parts, and what happens when something goes wrong. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { BLOCK, Journal } from "../../www/store/journal.js";
import { entries } from "../../www/store/kept.js";
import type { SourceData, StoredFile } from "../../www/wire/protocol.js";
import { type Opening, SILENT, open } from "../../www/worker/fetch.js";
import { manage } from "../../www/worker/manage.js";
import { type FakeFolder, fakeFolder, fakeLocks } from "./fake-folder.js";
import { type FileServer, type Manners, madeUp, serveFile } from "./file-server.js";
import { codeOf } from "./harness.js";

const FILE = madeUp(BLOCK + 12_345);
/** One that takes several requests. */
const LARGE = madeUp(5 * BLOCK + 12_345);
const SHA256 = createHash("sha256").update(FILE).digest("hex");
const PATIENCE = { tries: 3, waitMs: 1, stallMs: 5000 };

vi.setConfig({ testTimeout: 30_000 });

let folder: FakeFolder;
let server: FileServer;
const warnings: string[] = [];
beforeEach(() => {
  folder = fakeFolder();
  warnings.length = 0;
  const storage = { estimate: async () => ({ usage: 0, quota: 1e12 }), persisted: async () => false };
  vi.stubGlobal("navigator", { locks: fakeLocks(), storage, onLine: true });
});
afterEach(() => {
  vi.unstubAllGlobals();
  server?.close();
});

const never = new AbortController().signal;

async function serve(manners: Manners = { etag: '"1"' }, file: Uint8Array = FILE): Promise<FileServer> {
  server = await serveFile(file, manners);
  return server;
}

interface Loading {
  source?: Partial<Extract<SourceData, { kind: "url" }>>;
  signal?: AbortSignal;
  onChunk?: (at: number) => void;
  tell?: Opening["tell"];
}

/** Loads the served file as a model is loaded; gives its bytes. */
async function load({ source, signal = never, onChunk, tell = SILENT }: Loading = {}): Promise<Buffer> {
  const warn = (code: string, message: string) => void warnings.push(`${code}: ${message}`);
  const opening = { tell: { ...tell, warn }, patience: PATIENCE, openStore: async () => folder };
  const feed = await open({ kind: "url", url: server.url, ...source }, signal, opening);
  const parts: Uint8Array[] = [];
  let at = 0;
  for await (const chunk of feed.chunks) {
    parts.push(chunk.slice());
    at += chunk.length;
    onChunk?.(at);
  }
  return Buffer.concat(parts);
}

const isFile = (bytes: Uint8Array, file: Uint8Array = server.file) => Buffer.compare(bytes, file) === 0;
const ask = (ask: Parameters<typeof manage>[0]) =>
  manage(
    ask,
    never,
    () => {},
    async () => folder,
  );

test("a journal is read as it was written, and knows what is missing", async () => {
  const facts = { url: "u", name: "n", size: 3 * BLOCK + 10, whole: false, added: 7 };
  const handle = await folder.open("j");
  const journal = new Journal(facts, handle);
  journal.setHave(1, BLOCK);
  journal.setHave(2, 100);
  journal.note(1);
  journal.note(2);
  journal.setHash(1, new Uint8Array(32).fill(9));
  journal.update({ validator: '"x"' });
  const again = Journal.open(handle)!;
  expect(again.facts).toEqual({ ...facts, validator: '"x"' });
  expect(again.have).toEqual([0, BLOCK, 100]);
  expect(again.hashes).toEqual([undefined, new Uint8Array(32).fill(9), undefined]);
  expect(again.gaps()).toEqual([
    { start: 0, end: BLOCK },
    { start: 2 * BLOCK + 100, end: 3 * BLOCK + 10 },
  ]);
  expect(new Journal(facts).gaps(2 * BLOCK).map(({ start, end }) => end - start)).toEqual([2 * BLOCK, BLOCK + 10]);
  for (const bad of ["", "{", '{"version":9}', '{"version":1,"url":5,"whole":true}'])
    expect(Journal.read(new TextEncoder().encode(bad))).toBeUndefined();
  expect(() => new Journal({ ...facts, url: "x".repeat(9000) })).toThrow("cannot be kept");
});

test("a file arrives in parts, and comes from the store after", async () => {
  await serve();
  expect(isFile(await load({ source: { sha256: SHA256 } }))).toBe(true);
  expect(server.sent).toBe(FILE.length);
  expect(server.asked.every((line) => line.startsWith("GET bytes="))).toBe(true);
  server.asked.length = 0;
  // What is known by its hash needs no question.
  expect(isFile(await load({ source: { sha256: SHA256 } }))).toBe(true);
  expect(server.asked).toEqual([]);
  expect(isFile(await load())).toBe(true);
  expect(server.asked).toEqual(["HEAD"]);
  expect(server.sent).toBe(FILE.length);
  expect(await ask({ what: "list" })).toMatchObject([
    { url: server.url, whole: true, sha256: SHA256, name: "model.gguf" },
  ]);
});

test("killed twenty times at random bytes, it ends whole, and at most a block a kill is fetched twice", {
  timeout: 20_000,
}, async () => {
  // As slow as a network, so that little lies between server and page, which both counts and is lost.
  await serve({ etag: '"1"', waitMs: 1 }, LARGE);
  let state = 42;
  const random = () => {
    state = (state * 48271) % 0x7fffffff;
    return state / 0x7fffffff;
  };
  const there: StoredFile[] = [];
  for (let kill = 0; kill < 20; kill++) {
    const stop = new AbortController();
    const at = server.sent + random() * (LARGE.length / 20);
    const timer = setInterval(() => server.sent >= at && stop.abort(), 0);
    expect(["aborted", "nothing was thrown"]).toContain(await codeOf(load({ signal: stop.signal })));
    clearInterval(timer);
    const [file] = (await ask({ what: "list" })) as StoredFile[];
    if (file) there.push(file);
  }
  expect(isFile(await load())).toBe(true);
  expect(server.sent).toBeLessThanOrEqual(LARGE.length + 20 * BLOCK);
  // It is one file all the while, and only grows.
  expect(new Set(there.map(({ id }) => id)).size).toBe(1);
  expect(there.map(({ loaded }) => loaded)).toEqual(there.map(({ loaded }) => loaded).sort((a, b) => a - b));
});

test("connections that are cut go on where they were", async () => {
  let cuts = 0;
  await serve({ etag: '"1"', cut: () => (cuts++ % 2 === 0 ? 700_000 : undefined) }, LARGE);
  expect(isFile(await load())).toBe(true);
  expect(cuts).toBeGreaterThan(3);
  expect(server.sent).toBeLessThanOrEqual(LARGE.length + cuts * (1 << 16));
});

test("a server that is gone is given up, and what arrived is there for the next load", async () => {
  await serve({ etag: '"1"', cut: () => 0 }, LARGE);
  expect(await codeOf(load())).toBe("network");
  server.manners.cut = (request) => (request.headers.range?.startsWith("bytes=0-") ? undefined : 0);
  expect(await codeOf(load())).toBe("network");
  server.manners.cut = undefined;
  server.sent = 0;
  expect(isFile(await load())).toBe(true);
  expect(server.sent).toBeLessThan(LARGE.length / 2);
});

test.each<[string, Manners]>([
  ["without ranges", { etag: '"1"', ranges: false }],
  ["that compresses", { gzip: true }],
  ["that says nothing of versions", {}],
])("a server %s: the file is kept all the same", async (_what, manners) => {
  await serve(manners);
  expect(isFile(await load({ source: { sha256: SHA256 } }))).toBe(true);
  const { sent } = server;
  expect(isFile(await load({ source: { sha256: SHA256 } }))).toBe(true);
  expect(isFile(await load({ source: { cache: "only" } }))).toBe(true);
  expect(server.sent).toBe(sent);
});

test("a file that changed half-way is begun anew", async () => {
  await serve();
  const stop = new AbortController();
  expect(await codeOf(load({ signal: stop.signal, onChunk: () => stop.abort() }))).toBe("aborted");
  server.file = madeUp(FILE.length - 1000, 2);
  server.manners.etag = '"2"';
  expect(isFile(await load())).toBe(true);
  expect(await ask({ what: "list" })).toMatchObject([{ whole: true, size: FILE.length - 1000 }]);
});

test("of a file that changed, the old version stays until the new one is whole", async () => {
  await serve();
  await load();
  server.file = madeUp(FILE.length, 3);
  server.manners.etag = '"2"';
  const stop = new AbortController();
  await codeOf(load({ signal: stop.signal, onChunk: () => stop.abort() }));
  expect((await entries(folder)).map(({ facts }) => facts.whole)).toEqual([false, true]);
  expect(isFile(await load({ source: { cache: "only" } }), FILE)).toBe(true);
  expect(isFile(await load())).toBe(true);
  expect((await entries(folder)).map(({ facts }) => facts.validator)).toEqual(['"2"']);
});

test("a byte that changed in the store is found, and one block is fetched again", async () => {
  await serve();
  await load();
  const data = [...folder.files].find(([name]) => name.endsWith(".gguf"))![1];
  data.bytes[7]! ^= 1;
  const { id } = (await entries(folder))[0]!;
  expect(await ask({ what: "verify", which: id })).toEqual({ ok: false, bad: [{ start: 0, end: BLOCK }] });
  expect(await codeOf(load({ source: { cache: "only" } }))).toBe("checksum");
  server.sent = 0;
  expect(isFile(await load())).toBe(true);
  expect(server.sent).toBe(BLOCK);
  expect(warnings).toEqual([expect.stringMatching(/^checksum: .* have changed in the store; they were fetched again/)]);
  expect(await ask({ what: "verify", which: server.url })).toEqual({ ok: true, bad: [] });
  // Half of it lost, as after a power cut.
  data.bytes.buffer.resize(BLOCK / 2);
  expect(isFile(await load())).toBe(true);
});

test.each<[string, (bytes: Uint8Array<ArrayBuffer>) => void]>([
  ["cut off", (bytes) => bytes.buffer.resize(8192)],
  ["cut off in the head", (bytes) => bytes.buffer.resize(2000)],
  ["cut off in the last", (bytes) => bytes.buffer.resize(bytes.length - 5)],
  ["zeroed", (bytes) => bytes.fill(0, 8192)],
  ["zeroed in part", (bytes) => bytes.fill(0, 8192 + 36, 8192 + 72)],
])("a file whose journal has its records %s is fetched again", async (how, damage) => {
  await serve();
  await load();
  const journal = [...folder.files].find(([name]) => name.endsWith(".journal"))![1];
  damage(journal.bytes);
  if (how !== "cut off in the head")
    expect(await ask({ what: "verify", which: server.url })).toMatchObject({ ok: false });
  expect(await codeOf(load({ source: { cache: "only" } }))).toBe("not_stored");
  expect(isFile(await load())).toBe(true);
  // Once: what was damaged is gone.
  server.sent = 0;
  expect(isFile(await load())).toBe(true);
  expect(server.sent).toBe(0);
  expect(await ask({ what: "list" })).toHaveLength(1);
  expect(await ask({ what: "verify", which: server.url })).toEqual({ ok: true, bad: [] });
});

test("a record that says too much of a file that was begun is no end of waiting", async () => {
  await serve();
  await load();
  const journal = [...folder.files].find(([name]) => name.endsWith(".journal"))![1];
  const head = new TextDecoder().decode(journal.bytes.subarray(0, 8192)).replace('"whole":true', '"whole":false');
  journal.bytes.set(new TextEncoder().encode(head.slice(0, 8192)));
  journal.bytes.fill(255, 8192 + 36, 8192 + 40);
  expect(isFile(await load())).toBe(true);
});

test("a file with another hash than was promised is refused, and not kept", async () => {
  await serve();
  const sha256 = "0".repeat(64);
  expect(await codeOf(load({ source: { sha256 } }))).toBe("checksum");
  expect(await ask({ what: "list" })).toEqual([]);
  expect(await codeOf(load({ source: { sha256, cache: "none" } }))).toBe("checksum");
  // What was promised when it was begun holds for the rest.
  const stop = new AbortController();
  await codeOf(load({ source: { sha256 }, signal: stop.signal, onChunk: () => stop.abort() }));
  expect(await codeOf(load())).toBe("checksum");
});

test("what is no model is not kept", async () => {
  await serve();
  server.file = new TextEncoder().encode("<!doctype html><title>Sign in</title>");
  expect(await codeOf(load())).toBe("not_gguf");
  server.manners.status = 404;
  expect(await codeOf(load())).toBe("http");
  expect((await entries(folder)).filter(({ facts }) => facts.whole)).toEqual([]);
});

test("only what is whole is there without the network", async () => {
  await serve();
  expect(await codeOf(load({ source: { cache: "only" } }))).toBe("not_stored");
  const stop = new AbortController();
  await codeOf(load({ signal: stop.signal, onChunk: () => stop.abort() }));
  expect(await codeOf(load({ source: { cache: "only" } }))).toBe("not_stored");
  await load();
  server.close();
  expect(isFile(await load({ source: { cache: "only" } }))).toBe(true);
  // A server that is not there is no reason not to load what is.
  expect(isFile(await load())).toBe(true);
});

test("without room or without a store, the load goes on, and says so", async () => {
  await serve();
  folder.room = BLOCK / 2;
  expect(isFile(await load())).toBe(true);
  expect(warnings).toEqual([expect.stringMatching(/^storage: model.gguf is not kept/)]);
  expect(await entries(folder)).toEqual([]);
  // Of unknown size, it is told in the middle.
  server.manners = { gzip: true };
  expect(isFile(await load())).toBe(true);
  expect(warnings[1]).toMatch(/^storage: model.gguf cannot be kept/);
  expect(await entries(folder)).toEqual([]);
  const none = async () => Promise.reject(new Error("no store"));
  const tell = { ...SILENT, warn: (_code: string, message: string) => void warnings.push(message) };
  const feed = await open({ kind: "url", url: server.url }, never, { tell, openStore: none });
  for await (const _ of feed.chunks);
  expect(warnings[2]).toContain("The browser's store cannot be used here (no store)");
});

test("two loads at once fetch once, and the second hears how far the first is", async () => {
  await serve({ etag: '"1"', waitMs: 6 });
  const heard: number[] = [];
  const tell = { ...SILENT, progress: (_phase: string, loaded: number) => void heard.push(loaded) };
  const first = load();
  await vi.waitFor(() => expect(server.sent).toBeGreaterThan(0));
  const [a, b] = await Promise.all([first, load({ tell })]);
  expect(isFile(a) && isFile(b)).toBe(true);
  expect(server.sent).toBe(FILE.length);
  expect(heard.filter((loaded) => loaded > 0).length).toBeGreaterThan(0);
});

test("files come in from the disk, are found by their address, and go out again", async () => {
  await serve();
  const blob = new Blob([FILE]);
  const kept = await ask({ what: "import", blob, name: "mine.gguf", url: "store:mine.gguf", sha256: SHA256 });
  expect(kept).toMatchObject({ url: "store:mine.gguf", whole: true, sha256: SHA256, loaded: FILE.length });
  expect(isFile(await load({ source: { url: "store:mine.gguf" } }))).toBe(true);
  // Whatever it is called, it is the file with this hash.
  expect(isFile(await load({ source: { sha256: SHA256 } }))).toBe(true);
  expect(server.asked).toEqual([]);
  const out = (await ask({ what: "export", which: "store:mine.gguf" })) as File;
  expect([out.name, isFile(new Uint8Array(await out.arrayBuffer()))]).toEqual(["mine.gguf", true]);
  expect(await ask({ what: "estimate" })).toMatchObject({ models: FILE.length, persisted: false });
  expect(await ask({ what: "delete", which: "store:mine.gguf" })).toBe(1);
  expect(folder.files.size).toBe(0);
  expect(await codeOf(load({ source: { url: "store:mine.gguf" } }))).toBe("not_stored");
  expect(await codeOf(ask({ what: "export", which: "x" }))).toBe("not_stored");
  const bad = { what: "import", blob: new Blob(["<html>"]), name: "x", url: "store:x" } as const;
  expect(await codeOf(ask(bad))).toBe("not_gguf");
  expect(await codeOf(ask({ ...bad, blob, sha256: "0".repeat(64) }))).toBe("checksum");
  expect(folder.files.size).toBe(0);
});

test("a file whose bytes were lost altogether is fetched again block by block", async () => {
  await serve();
  await load();
  for (const name of folder.files.keys()) if (name.endsWith(".gguf")) folder.files.delete(name);
  expect(isFile(await load())).toBe(true);
  expect(isFile(await load({ source: { cache: "only" } }))).toBe(true);
});
