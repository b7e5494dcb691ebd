/**
 * Each call of the store fails once, and is once the last of its page: what is served is the old file or the new one, never a mix,
 * and the next page finds a store that it can go on with. It prints how many points there are.
 */
import { afterAll, afterEach, beforeEach, expect, test, vi } from "vitest";
import { BLOCK } from "../../www/store/journal.js";
import { entries } from "../../www/store/kept.js";
import { SottoError } from "../../www/wire/errors.js";
import type { ChatRequest, StoreAsk } from "../../www/wire/protocol.js";
import type { Engine } from "../../www/worker/engine.js";
import { SILENT, open } from "../../www/worker/fetch.js";
import { manage } from "../../www/worker/manage.js";
import { restoreSession, saveSession } from "../../www/worker/sessions.js";
import { type FakeFolder, copyOf, fakeFolder, fakeLocks } from "./fake-folder.js";
import { fakeRestorer, fakeSaver } from "./fake-saved.js";
import { FAULTS, type FaultyFolder, faultyFolder } from "./faulty-folder.js";
import { madeUp } from "./file-server.js";

vi.setConfig({ testTimeout: 300_000 });

const SERVED = "https://example.org/model.gguf";
interface Served {
  etag: string;
  file: Uint8Array;
}
const OLD: Served = { etag: '"1"', file: madeUp(BLOCK + 12_345, 1) };
const NEW: Served = { etag: '"2"', file: madeUp(BLOCK + 23_456, 2) };
/** Bytes that come at a time. */
const PIECE = 3 << 19;
const PATIENCE = { tries: 1, waitMs: 1, stallMs: 5000 };

/** What the server has. */
let served = OLD;

async function answer(_url: string, { method = "GET", headers = {} }: RequestInit = {}): Promise<Response> {
  const { file, etag } = served;
  const asked = new Headers(headers);
  const fits = !asked.has("if-range") || asked.get("if-range") === etag;
  const [, first, last] = (fits && /^bytes=(\d+)-(\d*)$/.exec(asked.get("range") ?? "")) || [];
  const start = Number(first ?? 0);
  const end = last ? Math.min(Number(last) + 1, file.length) : file.length;
  const told = {
    etag,
    "content-length": String(end - start),
    "content-range": `bytes ${start}-${end - 1}/${file.length}`,
  };
  let at = start;
  const body = new ReadableStream<Uint8Array>({
    pull(controller) {
      if (at >= end) return controller.close();
      controller.enqueue(file.slice(at, Math.min(at + PIECE, end)));
      at += PIECE;
    },
  });
  return new Response(method === "HEAD" ? null : body, { status: first === undefined ? 200 : 206, headers: told });
}

/** A page that has ended holds no locks. */
function newPage(): void {
  const storage = { estimate: async () => ({ usage: 0, quota: 1e12 }), persisted: async () => false };
  vi.stubGlobal("navigator", { locks: fakeLocks(), storage, onLine: true });
}
beforeEach(() => vi.stubGlobal("fetch", answer));
afterEach(() => vi.unstubAllGlobals());

const never = new AbortController().signal;

/** What a load gave, though it failed. */
interface Loaded {
  bytes: Buffer;
  error?: unknown;
}

/** Stopped at its first chunk where it is to be. */
async function load(
  page: FaultyFolder,
  cache: "auto" | "only" = "auto",
  url = SERVED,
  stopped = false,
): Promise<Loaded> {
  const parts: Uint8Array[] = [];
  const stop = new AbortController();
  try {
    const opening = { tell: SILENT, patience: PATIENCE, openStore: async () => page };
    const feed = await open({ kind: "url", url, cache }, stop.signal, opening);
    for await (const chunk of feed.chunks) {
      parts.push(chunk.slice());
      if (stopped) stop.abort();
    }
    return { bytes: Buffer.concat(parts) };
  } catch (error) {
    return { bytes: Buffer.concat(parts), error };
  }
}

const ask = (page: FaultyFolder, asked: StoreAsk) =>
  manage(
    asked,
    never,
    () => {},
    async () => page,
  );
const is = (bytes: Uint8Array, { file }: Served) => Buffer.compare(bytes, file) === 0;
const begins = (bytes: Uint8Array, { file }: Served) => Buffer.compare(bytes, file.subarray(0, bytes.length)) === 0;

/** Of an error that is not one of ours. */
const untyped = (error: unknown): string[] => {
  const code = error instanceof SottoError ? error.code : String(error);
  return /^(storage|not_stored|io|checksum|network|damaged_session)$/.test(code) ? [] : [`the error ${code}`];
};

interface Scene {
  /** What was there before. */
  before: (page: FaultyFolder, disk: FakeFolder) => Promise<unknown>;
  /** What is struck; gives what is wrong with what came of it. */
  does: (page: FaultyFolder) => Promise<string[]>;
  /** What is wrong with what the next page finds. */
  after: (page: FaultyFolder) => Promise<string[]>;
}

/** What a load gives is right as far as it goes, and where it ends before its end it says why. */
async function loads(page: FaultyFolder): Promise<string[]> {
  const { bytes, error } = await load(page);
  if (!begins(bytes, served) && !begins(bytes, OLD)) return ["wrong bytes"];
  if (page.ended) return [];
  if (error !== undefined) return untyped(error);
  return is(bytes, served) || is(bytes, OLD) ? [] : ["a part"];
}

/** Offline there is one of both versions, if it `must` be there; then a load brings what is served, and nothing else is left. */
const findsOneOf =
  (must: boolean) =>
  async (page: FaultyFolder): Promise<string[]> => {
    const wrong: string[] = [];
    const offline = await load(page, "only");
    if (offline.error === undefined) {
      if (!is(offline.bytes, OLD) && !is(offline.bytes, served)) wrong.push("wrong bytes offline");
    } else if (must) wrong.push(`offline ${offline.error}`);
    else wrong.push(...untyped(offline.error));
    const { bytes, error } = await load(page);
    if (error !== undefined) wrong.push(`then ${error}`);
    else if (!is(bytes, served)) wrong.push("then wrong bytes");
    return [...wrong, ...(await left(page))];
  };

/** One file is left, whole, and nothing beside it. */
async function left(page: FaultyFolder): Promise<string[]> {
  const { length } = await page.names();
  const whole = (await entries(page)).filter(({ facts }) => facts.whole);
  return length === 2 && whole.length === 1 ? [] : [`${length} files are left, ${whole.length} whole`];
}

const MINE = "store:mine.gguf";
const [OLD_MINE, NEW_MINE] = [3, 4].map((seed) => ({ etag: "", file: madeUp(10_000 + seed, seed) })) as [
  Served,
  Served,
];
const take = (page: FaultyFolder, { file }: Served) =>
  ask(page, { what: "import", blob: new Blob([file as Uint8Array<ArrayBuffer>]), name: "mine.gguf", url: MINE });

const says = (content: string) => ({ messages: [{ role: "user", content }] }) as unknown as ChatRequest;
const engine = { save: fakeSaver, restore: fakeRestorer, info: () => ({ name: "Fake" }) } as unknown as Engine;
const save = (page: FaultyFolder, text: string) =>
  saveSession(
    async (work) => work(engine),
    { id: "a", request: says(text) },
    never,
    async () => page,
  );
const restore = (page: FaultyFolder) =>
  restoreSession(
    async (work) => work(engine),
    "a",
    never,
    async () => page,
  );
const TEXTS = ["what was said before", "what was said then, and more"] as const;

/** What is asked of the store fails by an error of ours, if it does. */
async function typed(page: FaultyFolder, work: Promise<unknown>): Promise<string[]> {
  try {
    await work;
    return [];
  } catch (error) {
    return page.ended ? [] : untyped(error);
  }
}

/** What was saved comes back as one of both, and with all that belongs to it. */
function sessionIsOneOf(found: Awaited<ReturnType<typeof restore>>): string[] {
  if (!found) return ["no session"];
  const { request, tokens, refused } = found;
  const text = String((request.messages as { content: string }[])[0]!.content);
  if (!TEXTS.some((one) => one === text)) return [`the session says ${text}`];
  return refused || tokens !== text.split(" ").length ? [`the session has ${tokens} tokens, ${refused?.message}`] : [];
}

const SCENES: Record<string, Scene> = {
  "a first load": { before: async () => {}, does: loads, after: findsOneOf(false) },
  "a load from the store": { before: (page) => load(page), does: loads, after: findsOneOf(true) },
  "a load of a new version": {
    before: async (page) => {
      await load(page);
      served = NEW;
    },
    does: loads,
    after: findsOneOf(true),
  },
  "a load that goes on": {
    before: (page) => load(page, "auto", SERVED, true),
    does: loads,
    after: findsOneOf(false),
  },
  "a load that mends": {
    before: async (page, disk) => {
      await load(page);
      const [, data] = [...disk.files].find(([name]) => name.endsWith(page.data))!;
      data.bytes[77]! ^= 1;
    },
    does: loads,
    after: findsOneOf(false),
  },
  "an import in the place of another": {
    before: (page) => take(page, OLD_MINE),
    does: (page) => typed(page, take(page, NEW_MINE)),
    after: async (page) => {
      const { bytes, error } = await load(page, "only", MINE);
      const isOne = is(bytes, OLD_MINE) || is(bytes, NEW_MINE);
      const wrong = error === undefined && isOne ? [] : [`offline ${error ?? "wrong bytes"}`];
      await take(page, NEW_MINE);
      return [
        ...wrong,
        ...(is((await load(page, "only", MINE)).bytes, NEW_MINE) ? await left(page) : ["not the new one"]),
      ];
    },
  },
  "a deletion": {
    before: (page) => take(page, OLD_MINE),
    does: (page) => typed(page, ask(page, { what: "delete", which: MINE })),
    after: async (page) => {
      const { bytes, error } = await load(page, "only", MINE);
      const wrong = error === undefined ? (is(bytes, OLD_MINE) ? [] : ["wrong bytes"]) : untyped(error);
      await take(page, NEW_MINE);
      return [...wrong, ...(await left(page))];
    },
  },
  "a session saved in the place of another": {
    before: (page) => save(page, TEXTS[0]),
    does: (page) => typed(page, save(page, TEXTS[1])),
    after: async (page) => {
      const wrong = sessionIsOneOf(await restore(page));
      await save(page, TEXTS[1]);
      return [...wrong, ...sessionIsOneOf(await restore(page)), ...(await left(page))];
    },
  },
  "a session that is put back": {
    before: (page) => save(page, TEXTS[0]),
    does: async (page) => {
      let found: string[] = [];
      const wrong = await typed(
        page,
        restore(page).then((session) => (found = sessionIsOneOf(session))),
      );
      return page.ended ? [] : [...wrong, ...found];
    },
    after: async (page) => sessionIsOneOf(await restore(page)),
  },
};

let all = 0;
afterAll(() => console.log(`${all} faults of the store in all`));

for (const [what, { before, does, after }] of Object.entries(SCENES))
  test(`${what}, struck at each call of the store`, async () => {
    served = OLD;
    newPage();
    const old = fakeFolder();
    await before(faultyFolder(old), old);
    const prepare = () => {
      newPage();
      return copyOf(old);
    };
    const counted = faultyFolder(prepare());
    expect(await does(counted)).toEqual([]);
    const wrong: string[] = [];
    let faults = 0;
    for (const fault of FAULTS)
      for (const [index, call] of counted.calls.entries()) {
        // Only a write can be short.
        if (fault === "short" && !call.startsWith("write")) continue;
        faults++;
        const disk = prepare();
        const page = faultyFolder(disk, fault, index + 1);
        const found = await does(page);
        page.leave();
        newPage();
        found.push(...(await after(faultyFolder(disk))));
        wrong.push(...found.map((text) => `${text}: call ${index + 1}, ${call}, ${fault}`));
      }
    all += faults;
    console.log(`${what}: ${counted.calls.length} calls, ${faults} faults`);
    expect(wrong).toEqual([]);
  });
