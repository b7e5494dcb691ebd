/** `sotto/compress`: what it is told, where the file goes, and that nothing stays of one that was not finished. */
import { createHash } from "node:crypto";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { drain } from "../../www/pieces/compress/drain.js";
import { quantize as inPage } from "../../www/pieces/compress/index.js";
import { BLOCK } from "../../www/store/journal.js";
import { entries } from "../../www/store/kept.js";
import { SottoError } from "../../www/wire/errors.js";
import type { Progress, SourceData } from "../../www/wire/protocol.js";
import { open } from "../../www/worker/fetch.js";
import { type Requantizers, quantize } from "../../www/worker/quantize.js";
import { type FakeFolder, fakeFolder, fakeLocks } from "./fake-folder.js";
import { madeUp } from "./file-server.js";
import { GGUF, codeOf } from "./harness.js";

/** In the module's place: of each byte the other side. */
class Fake {
  static freed = 0;
  static pushed = 0;
  static fails: unknown;
  static check(type: string): void {
    if (type !== "q4_0") throw new SottoError("bad_option", "No such type.");
  }
  push(bytes: Uint8Array): Uint8Array {
    Fake.pushed += bytes.length;
    if (Fake.fails && Fake.pushed > BLOCK) throw Fake.fails;
    return bytes.map((byte) => 255 - byte);
  }
  total = () => FILE.length;
  finish(): void {}
  free(): void {
    Fake.freed++;
  }
}

const FILE = madeUp(BLOCK + 12_345);
const MADE = FILE.map((byte) => 255 - byte);
const SHA256 = createHash("sha256").update(MADE).digest("hex");
const SOURCE: SourceData = { kind: "blob", blob: new File([FILE], "model-f16.gguf") };
const never = new AbortController().signal;

let folder: FakeFolder;
let quota: number;
let told: Progress[];
beforeEach(() => {
  folder = fakeFolder();
  quota = 1e12;
  told = [];
  Object.assign(Fake, { freed: 0, pushed: 0, fails: undefined });
  const storage = { estimate: async () => ({ usage: 0, quota }) };
  vi.stubGlobal("navigator", { locks: fakeLocks(), storage, onLine: true });
});
afterEach(() => vi.unstubAllGlobals());

function run(ask: Partial<Parameters<typeof quantize>[0]> = {}, signal = never) {
  const modules = {
    startRequantizers: async () => Fake as unknown as Requantizers,
    startRepositories: () => Promise.reject(new Error("there are none")),
  };
  const args = { source: SOURCE, type: "q4_0", to: { kind: "store" as const }, ...ask };
  const emit = (event: object) => "progress" in event && told.push(event.progress as Progress);
  return quantize(args, modules, { signal, emit, openStore: async () => folder });
}

test("a file goes into the store under a name that load finds", async () => {
  const report = await run();
  const name = "model-f16-Q4_0.gguf";
  const { seconds: _, ...rest } = report;
  expect(rest).toEqual({
    name,
    url: `store:${name}`,
    read: FILE.length,
    written: MADE.length,
    sha256: SHA256,
  });
  const [entry] = await entries(folder);
  expect(entry!.facts).toMatchObject({ name, whole: true, size: MADE.length, sha256: SHA256 });
  const feed = await open({ kind: "url", url: report.url!, cache: "only" }, never, { openStore: async () => folder });
  const found: Uint8Array[] = [];
  for await (const chunk of feed.chunks) found.push(chunk.slice());
  expect(Buffer.concat(found).equals(MADE)).toBe(true);
  expect(told.at(-1)).toMatchObject({ phase: "ready", loaded: MADE.length, file: name });
  expect(told.some(({ phase, total }) => phase === "write" && total === FILE.length)).toBe(true);
  expect(Fake.freed).toBe(1);

  // Another of that name takes its place.
  await run({ name: "mine.gguf" });
  await run({ name: "mine.gguf" });
  expect((await entries(folder)).map(({ facts }) => facts.name).sort()).toEqual(["mine.gguf", name]);
});

test("a file goes into a stream of the page, piece by piece", async () => {
  const pieces: Uint8Array[] = [];
  const stream = new WritableStream<Uint8Array>({ write: (piece) => void pieces.push(piece) });
  const report = await run({ to: { kind: "port", port: drain(stream.getWriter()) } });
  expect(Buffer.concat(pieces).equals(MADE)).toBe(true);
  expect(report).toMatchObject({ name: "model-f16-Q4_0.gguf", written: MADE.length, sha256: SHA256 });
  expect(report.url).toBeUndefined();
  expect(folder.files.size).toBe(0);
});

test("a stream that fails ends it with what it failed with", async () => {
  const stream = new WritableStream<Uint8Array>({
    write: () => Promise.reject(new Error("the disk is gone")),
  });
  const failing = run({ to: { kind: "port", port: drain(stream.getWriter()) } });
  await expect(failing).rejects.toMatchObject({ code: "io", message: expect.stringContaining("the disk is gone") });
  expect(Fake.freed).toBe(1);
});

test("nothing stays in the store of what was stopped, failed or has no room", async () => {
  const stop = new AbortController();
  const write = run({}, stop.signal);
  await vi.waitFor(() => expect(folder.files.size).toBeGreaterThan(0));
  stop.abort();
  expect(await codeOf(write)).toBe("aborted");
  expect(Fake.pushed).toBeLessThan(FILE.length);
  expect([...folder.files.keys()]).toEqual([]);

  Fake.fails = new SottoError("truncated", "The file ends.");
  await expect(run()).rejects.toMatchObject({ code: "truncated" });
  expect([...folder.files.keys()]).toEqual([]);
  Fake.fails = undefined;

  quota = FILE.length - 1;
  expect(await codeOf(run())).toBe("storage");
  quota = 1e12;
  folder.room = 10_000;
  expect(await codeOf(run())).toBe("storage");
  expect([...folder.files.keys()]).toEqual([]);
});

test("a type that is none, and a model in several files, are refused before anything is read", async () => {
  await expect(run({ type: "q9" })).rejects.toMatchObject({ message: "No such type." });
  const parts: SourceData = { kind: "parts", parts: [SOURCE, SOURCE] };
  expect(await codeOf(run({ source: parts }))).toBe("bad_option");
  expect(Fake.pushed).toBe(0);
  expect(folder.files.size).toBe(0);
});

test("options are checked by name, and leave the stream as it is", async () => {
  const stream = new WritableStream<Uint8Array>();
  const good = { type: "q4_0", to: stream } as const;
  const said = (options: object) => inPage(GGUF, options as never).then(String, (error: SottoError) => error.message);
  expect(await said({})).toContain("type");
  expect(await said({ type: "q4_0" })).toContain('a WritableStream or "store"');
  expect(await said({ ...good, to: "disk" })).toContain('to is "disk"');
  expect(await said({ ...good, types: 1 })).toBe("types is not an option of quantize; did you mean type?");
  expect(await said({ ...good, importance: "some text" })).toContain("llama-imatrix");
  expect(await said({ ...good, signal: AbortSignal.abort() })).toBe("The quantising was stopped by the caller.");
  expect(stream.locked).toBe(false);
});
