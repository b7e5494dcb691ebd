/** Conversations that are saved, in a fake store, and the page's side of them. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../../www/api/model.js";
import {
  type Ask,
  forgetSession as forget,
  listSessions,
  opened,
  restoreSession,
  saveSession,
} from "../../www/worker/sessions.js";
import type { Engine } from "../../www/worker/engine.js";
import type { ChatRequest } from "../../www/wire/protocol.js";
import { type FakeFolder, fakeFolder } from "./fake-folder.js";
import { FakeLocks } from "./fake-locks.js";
import { fakeRestorer, fakeSaver } from "./fake-saved.js";
import { codeOf, loadFake } from "./harness.js";

let folder: FakeFolder;
let model: Model;
beforeEach(async () => {
  folder = fakeFolder();
  model = await loadFake();
  vi.stubGlobal("navigator", { locks: new FakeLocks() });
});
afterEach(() => {
  vi.unstubAllGlobals();
  return model.dispose();
});

const never = new AbortController().signal;
const engine = { save: fakeSaver, restore: fakeRestorer, info: () => ({ name: "Fake" }) } as unknown as Engine;
const says = (content: string) => ({ messages: [{ role: "user", content }], tools: [] }) as unknown as ChatRequest;
const ask: Ask = async (work) => work(engine);
const save = (id: string, text: string, signal = never) =>
  saveSession(ask, { id, request: says(text) }, signal, async () => folder);
const restore = (id: string, signal = never) => restoreSession(ask, id, signal, async () => folder);

const forgetSession = (folder: FakeFolder, id: string) => forget(folder, id, never);

/** Changes the last byte of the only session's data, or the one at `at`. */
function damage(at?: number) {
  const [, data] = [...folder.files].find(([name]) => !name.endsWith(".journal"))!;
  data.bytes[at ?? data.bytes.length - 1]! ^= 1;
}

test("a session comes back as it was, under its name, the last one of that name", async () => {
  expect(await save("a", "one two three")).toMatchObject({ id: "a", model: "Fake", tokens: 3 });
  await save("b", "none");
  await save("a", "one two three four");
  expect((await listSessions(folder)).map(({ id, tokens }) => [id, tokens])).toEqual(
    expect.arrayContaining([
      ["a", 4],
      ["b", 0],
    ]),
  );
  expect(folder.files.size).toBe(4);
  expect(await restore("a")).toMatchObject({ id: "a", tokens: 4, request: says("one two three four") });
  expect(await restore("b")).toMatchObject({ tokens: 0, request: says("none") });
  expect(await restore("c")).toBeNull();
  expect([await forgetSession(folder, "a"), await forgetSession(folder, "a")]).toEqual([true, false]);
  expect(await restore("a")).toBeNull();
});

test("what the engine refuses leaves the messages, and says why", async () => {
  await save("a", "an other model");
  expect(await restore("a")).toMatchObject({ tokens: 0, refused: { code: "stale_session" } });
  await save("a", "one two");
  damage();
  const found = await restore("a");
  expect(found).toMatchObject({ tokens: 0, refused: { code: "damaged_session" }, request: says("one two") });
});

test("messages that have changed are an error, wherever they did", async () => {
  for (const at of [0, 3, 4, 30]) {
    await save("a", "one two");
    damage(at);
    expect(await codeOf(restore("a"))).toBe("damaged_session");
    expect(await forgetSession(folder, "a")).toBe(true);
  }
});

test("what is not written whole leaves what was there", async () => {
  await save("a", "one two three");
  const stopped = new AbortController();
  stopped.abort();
  expect(await codeOf(save("a", "one two three four", stopped.signal))).toBe("aborted");
  folder.room = 8200;
  expect(await codeOf(save("a", "word ".repeat(1000)))).toBe("storage");
  folder.room = Infinity;
  expect(await codeOf(restore("a", stopped.signal))).toBe("aborted");
  expect(await restore("a")).toMatchObject({ tokens: 3 });
  // A browser that was killed leaves files that are not whole: they are found, and go with the next that is.
  const journal = [...folder.files].find(([name]) => name.endsWith(".journal"))![1];
  const text = new TextDecoder().decode(journal.bytes).replace('"whole":true', '"whole":false');
  new TextEncoder().encodeInto(text, journal.bytes);
  expect([await restore("a"), await listSessions(folder)]).toEqual([null, []]);
  await save("b", "one");
  expect(folder.files.size).toBe(2);
});

test("of two engines that save a session at once the later one's stays, and what deletes or restores it waits", async () => {
  const both = Promise.all([save("a", "one two"), save("a", "one two three")]);
  expect((await both).map(({ tokens }) => tokens)).toEqual([2, 3]);
  expect(await restore("a")).toMatchObject({ tokens: 3 });
  expect(folder.files.size).toBe(2);
  const [, found, gone] = await Promise.all([
    save("a", "one"),
    restore("a"),
    opened(async () => folder).then(() => forgetSession(folder, "a")),
  ]);
  expect([found, gone]).toMatchObject([{ tokens: 1 }, true]);
  expect(folder.files.size).toBe(0);
});

test("what another saves meanwhile is left alone by the list", async () => {
  const [, listed] = await Promise.all([save("a", "one two"), listSessions(folder)]);
  expect(listed).toEqual([]);
  expect(await listSessions(folder)).toMatchObject([{ id: "a", tokens: 2 }]);
});

test("a journal that cannot be read goes where it is found; data that are gone are an error", async () => {
  const broken = async (id: string) => {
    await save(id, "one two");
    [...folder.files].at(-1)![1].bytes.fill(0);
  };
  await broken("a");
  expect([await restore("a"), await listSessions(folder), folder.files.size]).toEqual([null, [], 0]);
  await broken("a");
  expect([await forgetSession(folder, "a"), folder.files.size]).toEqual([false, 0]);
  await broken("a");
  await save("a", "one");
  expect(folder.files.size).toBe(2);
  const [data] = [...folder.files.keys()];
  folder.files.delete(data!);
  expect(await codeOf(restore("a"))).toBe("damaged_session");
  expect([await forgetSession(folder, "a"), folder.files.size]).toEqual([true, 0]);
});

test("of other sessions nothing is read", async () => {
  for (const id of ["a", "b", "c"]) await save(id, "one");
  const read: string[] = [];
  const { snapshot } = folder;
  folder.snapshot = (name) => {
    read.push(name);
    return snapshot(name);
  };
  await restore("b");
  expect(new Set(read.map((name) => name.slice(0, 32))).size).toBe(1);
  await save("b", "one two");
  await forgetSession(folder, "b");
  expect(new Set(read.map((name) => name.slice(0, 32))).size).toBe(1);
});

test("what made room for others while it was saved is saved anew, or its messages are", async () => {
  let lost = 1;
  const losing = {
    ...engine,
    save: (request: ChatRequest) => {
      const saver = fakeSaver(request)!;
      const next = async () => {
        if (lost-- > 0) throw Object.assign(new Error("gone"), { name: "SottoError", code: "disposed" });
        return saver.next();
      };
      return { ...saver, next };
    },
  } as unknown as Engine;
  const saved = (id: string) =>
    saveSession(
      async (work) => work(losing),
      { id, request: says("one two") },
      never,
      async () => folder,
    );
  expect((await saved("a")).tokens).toBe(2);
  lost = Infinity;
  expect((await saved("a")).tokens).toBe(0);
  expect(await restore("a")).toMatchObject({ tokens: 0, request: says("one two") });
});

test("names as long as can be find room in a journal", async () => {
  const long = { ...engine, info: () => ({ name: "\u0001".repeat(8000) }) } as unknown as Engine;
  const id = "\ud800".repeat(500);
  const all = { id, request: says("one") };
  await saveSession(
    async (work) => work(long),
    all,
    never,
    async () => folder,
  );
  expect(await restore(id)).toMatchObject({ id, tokens: 1 });
  expect(await restore("\ud801".repeat(500))).toBeNull();
});

test("a session keeps what is said and answered, and checks what it is given", async () => {
  const session = model.session({ id: "a", messages: [{ role: "system", content: "Be kind." }] });
  expect((await session.chat("echo it all")).text).toBe("it all");
  expect(session.messages).toHaveLength(3);
  expect(await codeOf(session.chat("trap"))).toBe("internal");
  expect(session.messages).toHaveLength(3);
  const wrong = (options: unknown) => codeOf((async () => model.session(options as never))());
  for (const options of [undefined, {}, { id: "" }, { id: 5 }, { id: "x".repeat(501) }, { id: "a", message: [] }])
    expect(await wrong(options)).toBe("bad_option");
  expect(await codeOf(model.restore(""))).toBe("bad_option");
});

test("a turn goes on with what was said before it, and leaves messages that were set meanwhile", async () => {
  const session = model.session({ id: "a" });
  const [one, two] = [session.chat("echo one"), session.chat([{ role: "user", content: "echo two" }])];
  const saved = codeOf(session.save());
  expect([(await one).text, (await two).text]).toEqual(["one", "two"]);
  expect(session.messages.map((message) => "content" in message && message.content)).toEqual([
    "echo one",
    "one",
    "echo two",
    "two",
  ]);
  // It has messages by then; the store is what there is none of.
  expect(await saved).toBe("storage");
  expect(await codeOf(session.chat("echo never", { signal: AbortSignal.abort() }))).toBe("aborted");
  expect(session.messages).toHaveLength(4);
  const third = session.chat("echo three");
  await new Promise((resolve) => setTimeout(resolve, 5));
  session.messages = [{ role: "user", content: "anew" }];
  await third;
  expect(session.messages).toEqual([{ role: "user", content: "anew" }]);
});

test("what sessions are given is checked before anything is done", async () => {
  const session = model.session({ id: "a", messages: [{ role: "user", content: "hi" }] });
  const any = (value: unknown) => value as never;
  const wrong: (() => Promise<unknown>)[] = [
    () => session.chat(any(undefined)),
    () => session.chat(any(5)),
    () => session.chat("hi", any(5)),
    () => session.chat("hi", any({ signal: "x" })),
    async () => model.session({ id: "a", messages: any(5) }),
    () => session.save(any(5)),
    () => session.save(any({ foo: 1 })),
    ...[5, "x", {}].map((signal) => () => session.save(any({ signal }))),
    () => model.restore("a", any({ foo: 1 })),
    ...[5, "x", {}].map((signal) => () => model.restore("a", any({ signal }))),
    async () => model.onStats(() => {}, any({ foo: 1 })),
    () => model.batch([], { signal: any(5) }),
  ];
  for (const call of wrong) expect(await codeOf((async () => call())()), String(call)).toBe("bad_option");
  // Nothing is as good as none.
  expect([await codeOf(session.save(any(null))), await codeOf(model.restore("a", any(null)))]).toEqual([
    "storage",
    "storage",
  ]);
  model.onStats(() => {}, any(null))();
  session.messages = any(null);
  expect(await codeOf(session.chat("hi"))).toBe("bad_option");
});

test("where there is no store, saving says so", async () => {
  expect(await codeOf(model.session({ id: "a", messages: [{ role: "user", content: "hi" }] }).save())).toBe("storage");
  expect(await codeOf(model.restore("a"))).toBe("storage");
});
