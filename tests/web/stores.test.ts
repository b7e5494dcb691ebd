/** The stores under the hooks of every framework: a load, a chat, vectors. */
import { afterEach, beforeEach, expect, test } from "vitest";
import type { LoadOptions } from "../../www/api/index.js";
import type { Model } from "../../www/api/model.js";
import { ChatStore, type ChatState } from "../../www/pieces/store/chat.js";
import { EmbeddingsStore } from "../../www/pieces/store/embeddings.js";
import { ModelStore } from "../../www/pieces/store/model.js";
import { clearLog, log } from "./fake-engine.js";
import { loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  clearLog();
  model = await loadFake();
});
afterEach(() => model.dispose());

const source = (options: LoadOptions) => loadFake(undefined, options);
const said = ({ messages }: ChatState) => messages.map(({ role, content }) => `${role}: ${content}`);
const until = async (done: () => boolean) => {
  while (!done()) await new Promise((resolve) => setTimeout(resolve, 5));
};

test("a model loads once, tells its progress, and is disposed after the last one that keeps it", async () => {
  let loads = 0;
  const store = new ModelStore((options) => {
    loads++;
    return source(options);
  });
  expect(store.get().status).toBe("idle");
  const phases: (string | undefined)[] = [];
  store.subscribe(() => phases.push(store.get().progress?.phase));
  const leave = store.keep();
  // As React's strict mode does.
  leave();
  const stay = store.keep();
  const loaded = await store.load();
  expect(store.get()).toMatchObject({ status: "ready", model: loaded });
  expect(phases.at(-1)).toBe("ready");
  expect(loads).toBe(1);
  stay();
  await until(() => store.get().status === "idle");
  expect(store.get().model).toBeUndefined();
  await expect(loaded.tokenize("a")).rejects.toMatchObject({ code: "disposed" });
});

test("a load that fails says why, and can be begun again; one that is left ends", async () => {
  let times = 0;
  const store = new ModelStore(async (options) => {
    if (times++ === 0) throw new Error("no network");
    return source(options);
  });
  const first = store.load();
  await expect(first).rejects.toThrow("no network");
  // In a render that is tried again, nothing begins by itself.
  expect(store.load()).toBe(first);
  expect(store.get()).toMatchObject({ status: "error", error: { message: "no network" } });
  await store.reload();
  expect(store.get()).toMatchObject({ status: "ready", error: undefined });
  store.dispose();

  const left = new ModelStore(
    ({ signal }) => new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  );
  const loading = left.load();
  left.dispose();
  await expect(loading).rejects.toMatchObject({ name: "AbortError" });
  expect(left.get()).toMatchObject({ status: "idle", error: undefined });
});

test("without a source nothing is loaded, and a load that is asked for fails", async () => {
  const store = new ModelStore(undefined);
  const leave = store.keep();
  expect(store.get().status).toBe("idle");
  await expect(store.load()).rejects.toMatchObject({ name: "SottoError" });
  expect(store.get()).toMatchObject({ status: "error", error: { name: "SottoError" } });
  leave();
});

test("a chat streams, is asked again, and edited", async () => {
  const replies: (string | undefined)[] = [];
  const store = new ChatStore({
    model: Promise.resolve(model),
    system: "Be brief.",
    onFinish: ({ content }) => replies.push(content),
  });
  const states = new Set<string>();
  store.subscribe(() => states.add(store.get().status));
  await store.send("echo one two three");
  expect([...states]).toEqual(["submitted", "streaming", "ready"]);
  expect(said(store.get())).toEqual(["user: echo one two three", "assistant: one two three"]);
  expect(store.get().messages[1]).toMatchObject({ finish_reason: "stop" });
  expect(store.get().usage).toMatchObject({ total_tokens: 6 });
  await store.send("echo four");
  const [first] = store.get().messages;
  await store.regenerate();
  expect(said(store.get()).slice(2)).toEqual(["user: echo four", "assistant: four"]);
  await store.edit(first!.id, "echo other");
  expect(said(store.get())).toEqual(["user: echo other", "assistant: other"]);
  expect(new Set(store.get().messages.map(({ id }) => id)).size).toBe(2);
  expect(replies).toEqual(["one two three", "four", "four", "other"]);
  await store.restart([{ role: "user", content: "echo kept" }]);
  await store.regenerate();
  expect(said(store.get())).toEqual(["user: echo kept", "assistant: kept"]);
});

test("a conversation that was saved goes on under names of its own", async () => {
  const first = new ChatStore({ model });
  await first.send("echo one");
  const saved = first.get().messages;
  const store = new ChatStore({ model, messages: saved });
  await store.send("echo two");
  expect(said(store.get()).slice(1)).toEqual(["assistant: one", "user: echo two", "assistant: two"]);
  await store.restart([...saved, { role: "user", content: "echo three" }]);
  await store.send("echo four");
  expect(said(store.get())).toEqual([
    "user: echo one",
    "assistant: one",
    "user: echo three",
    "user: echo four",
    "assistant: four",
  ]);
  expect(new Set(store.get().messages.map(({ id }) => id)).size).toBe(5);
});

test("a reply that is stopped keeps what there is; what is sent meanwhile ends it", async () => {
  const store = new ChatStore({ model });
  const sent = store.send("Hi");
  await until(() => store.get().status === "streaming");
  await store.stop();
  await sent;
  expect(store.get().status).toBe("ready");
  expect(store.get().messages[1]).toMatchObject({ content: expect.stringMatching(/^Sure/), finish_reason: "abort" });
  void store.send("Hi");
  await until(() => store.get().status === "streaming");
  await store.send("echo now");
  expect(said(store.get()).slice(-2)).toEqual(["user: echo now", "assistant: now"]);
  // One that waits for its model, too.
  const waits = new ChatStore({ model: new Promise<never>(() => {}) });
  const never = waits.send("Hi");
  await waits.stop();
  await never;
  expect(waits.get().status).toBe("ready");
  expect(log.running).toBe(0);
});

test("what fails is in the state, and the next reply begins anew", async () => {
  const store = new ChatStore({ model: undefined });
  await store.send("echo a");
  expect(store.get()).toMatchObject({ status: "error", error: { message: expect.stringContaining("no model") } });
  store.settings = { model, request: { top_p: 5 } };
  await store.regenerate();
  expect(store.get().error).toMatchObject({ code: "bad_option" });
  store.settings = { model, request: { reasoning_effort: "low" } };
  await store.regenerate();
  expect(store.get()).toMatchObject({ status: "ready", error: undefined });
  expect(store.get().messages[1]).toMatchObject({ content: "a", reasoning_content: "Let me think." });
});

test("what is no message is told in the state, and leaves the chat as it was", async () => {
  const store = new ChatStore({ model });
  await store.send("echo a");
  for (const wrong of [null, undefined, 5, {}, { content: "x" }] as never[]) {
    await store.send(wrong);
    expect(store.get()).toMatchObject({ status: "error", error: { code: "bad_option" } });
    await expect(store.restart([wrong])).rejects.toMatchObject({ code: "bad_option" });
    expect(() => new ChatStore({ model, messages: [wrong] })).toThrow("A message has no role.");
  }
  await store.send("echo b");
  expect(store.get()).toMatchObject({ status: "ready", error: undefined });
  expect(said(store.get())).toEqual(["user: echo a", "assistant: a", "user: echo b", "assistant: b"]);
});

test("a chat with functions shows calls and results", async () => {
  const weather = {
    name: "weather",
    parameters: { type: "object", properties: { city: { type: "string" } } },
    run: ({ city }: { city: string }) => `warm in ${city}`,
  };
  const store = new ChatStore({ model, tools: [weather] });
  await store.send("Is it warm?");
  expect(said(store.get())).toEqual([
    "user: Is it warm?",
    "assistant: ",
    "tool: warm in Paris",
    "assistant: warm in Paris",
  ]);
  const [, asked, told] = store.get().messages;
  expect(asked!.tool_calls![0]).toMatchObject({ function: { name: "weather", arguments: '{"city":"Paris"}' } });
  expect(told!.tool_call_id).toBe(asked!.tool_calls![0]!.id);
  await store.send("echo after");
  expect(said(store.get()).at(-1)).toBe("assistant: after");
});

test("vectors of what is new, and what is near", async () => {
  const store = new EmbeddingsStore(model, { queryPrompt: "o" });
  await store.update(model, ["banana", "tree"]);
  expect(store.get()).toMatchObject({ status: "ready", texts: ["banana", "tree"] });
  const [, tree] = store.get().vectors;
  await store.update(model, ["tree", "oo"]);
  expect(store.get().vectors[0]).toBe(tree);
  expect(await store.search("o", 1)).toEqual([{ index: 1, text: "oo", score: 4 }]);
  const before = store.get();
  await store.update(model, ["tree", "oo"]);
  expect(store.get()).toBe(before);
  const first = store.update(model, ["endless"]);
  await store.update(model, ["a"]);
  await first;
  expect(store.get()).toMatchObject({ status: "ready", texts: ["a"] });
  await store.update(undefined, []);
  expect(store.get()).toMatchObject({ status: "idle", vectors: [] });
});
