/** Conversations that are saved, in a fake store, and the page's side of them. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import { forgetSession, listSessions, restoreSession, saveSession } from "../../www/worker/sessions.js";
import type { Engine } from "../../www/worker/engine.js";
import type { ChatRequest } from "../../www/wire/protocol.js";
import { type FakeFolder, fakeFolder } from "./fake-folder.js";
import { fakeRestorer, fakeSaver } from "./fake-saved.js";
import { codeOf, loadFake } from "./harness.js";

let folder: FakeFolder;
let model: Model;
beforeEach(async () => {
  folder = fakeFolder();
  model = await loadFake();
});
afterEach(() => model.dispose());

const never = new AbortController().signal;
const engine = { save: fakeSaver, restore: fakeRestorer, info: () => ({ name: "Fake" }) } as unknown as Engine;
const says = (content: string) => ({ messages: [{ role: "user", content }], tools: [] }) as unknown as ChatRequest;
const save = (id: string, text: string, signal = never) =>
  saveSession(engine, { id, request: says(text) }, signal, async () => folder);
const restore = (id: string, signal = never) => restoreSession(engine, id, signal, async () => folder);

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
  // A browser that was killed leaves files that are not whole: they go with the next that is.
  const journal = [...folder.files].find(([name]) => name.endsWith(".journal"))![1];
  const text = new TextDecoder().decode(journal.bytes).replace('"whole":true', '"whole":false');
  new TextEncoder().encodeInto(text, journal.bytes);
  expect([await restore("a"), await listSessions(folder)]).toEqual([null, []]);
  await save("b", "one");
  expect(folder.files.size).toBe(2);
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

test("where there is no store, saving says so", async () => {
  expect(await codeOf(model.session({ id: "a", messages: [{ role: "user", content: "hi" }] }).save())).toBe("storage");
  expect(await codeOf(model.restore("a"))).toBe("storage");
});
