/** The hooks of React, Vue and Svelte: drawn, and in their ways. */
import "./dom.js";
import { StrictMode, Suspense, createElement as h, use, useState } from "react";
import { type Root, createRoot } from "react-dom/client";
import { renderToString } from "react-dom/server";
import { get } from "svelte/store";
import { afterEach, beforeEach, expect, test } from "vitest";
import { createApp, createSSRApp, defineComponent, h as v, nextTick, ref } from "vue";
import { renderToString as renderVue } from "vue/server-renderer";
import type { LoadOptions } from "../../www/api/index.js";
import type { Model } from "../../www/api/model.js";
import * as react from "../../www/pieces/react/index.js";
import * as svelte from "../../www/pieces/svelte/index.js";
import * as vue from "../../www/pieces/vue/index.js";
import { loadFake } from "./harness.js";

const models: Model[] = [];
/** Loads, and says how often. */
const source = async (options: LoadOptions) => {
  const model = await loadFake(undefined, options);
  models.push(model);
  return model;
};
const body = () => document.body.textContent;
const until = async (done: () => boolean) => {
  for (let i = 0; i < 400 && !done(); i++) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(done(), body() ?? "").toBe(true);
};
const isDisposed = (model: Model) =>
  model.tokenize("a").then(
    () => false,
    () => true,
  );

const untilDisposed = async (model: Model) => {
  while (!(await isDisposed(model))) await new Promise((resolve) => setTimeout(resolve, 5));
};

let root: Root | undefined;
beforeEach(() => {
  models.length = 0;
  document.body.innerHTML = "<div></div>";
});
afterEach(async () => {
  root?.unmount();
  root = undefined;
  await Promise.all(models.map((model) => model.dispose()));
});

function draw(component: () => unknown): void {
  root = createRoot(document.body.firstElementChild!);
  root.render(h(StrictMode, null, h(component as never)));
}

let said: (text: string) => Promise<void>;

function Chat() {
  const { ready, status, progress } = react.useModel(source);
  const chat = react.useChat({ model: ready });
  said = chat.send;
  const words = chat.messages.map(({ role, content }) => `${role}=${content};`).join("");
  return h("p", null, `${status} ${progress?.phase ?? ""} ${chat.status} ${words}`);
}

test("React: in strict mode a model loads once; a chat answers when it is there", async () => {
  draw(Chat);
  // Sent before there is a model.
  await until(() => body() !== "");
  void said("echo one two");
  // No message.
  await said(" \n");
  await until(() => body() === "ready ready ready user=echo one two;assistant=one two;");
  expect(models).toHaveLength(1);
  root!.unmount();
  root = undefined;
  await untilDisposed(models[0]!);
});

test("React: on a server nothing is loaded", () => {
  expect(renderToString(h(Chat as never))).toBe("<p>idle  ready </p>");
  expect(models).toHaveLength(0);
});

test("React: Suspense waits for a model that was made outside", async () => {
  const shared = react.createModel(source);
  const Inner = () => h("p", null, use(shared.load()).info.name);
  const Outer = () => h(Suspense, { fallback: "waiting" }, h(Inner));
  draw(Outer);
  await until(() => body() === "Fake 135M Instruct");
  expect(models).toHaveLength(1);
  root!.unmount();
  root = undefined;
  // It is its maker's.
  expect(await isDisposed(models[0]!)).toBe(false);
});

test("React: another source loads another model; a failure is in the state", async () => {
  const file = (text: string) => new Blob([text]);
  let show!: (blob: Blob | undefined) => void;
  let first: Blob | undefined;
  const seen: string[] = [];
  const Loads = () => {
    const [blob, set] = useState(first);
    show = set;
    const { status, error } = react.useModel(blob);
    seen.push(status);
    return h("p", null, `${status} ${(error as Error | undefined)?.name ?? ""}`);
  };
  draw(Loads);
  await until(() => body() === "idle ");
  show(file("a"));
  await until(() => body()!.startsWith("error"));
  seen.length = 0;
  show(file("b"));
  await until(() => seen.includes("loading") && body()!.startsWith("error"));
  expect(body()).toContain("SottoError");
});

test("React: vectors of a list that changes", async () => {
  let search!: (query: string, top?: number) => Promise<{ text: string }[]>;
  const Notes = () => {
    const { ready } = react.useModel(source);
    const found = react.useEmbeddings(ready, ["banana", "tree"]);
    search = found.search;
    return h("p", null, `${found.status} ${found.vectors.length}`);
  };
  draw(Notes);
  await until(() => body() === "ready 2");
  expect((await search("eel", 1))[0]!.text).toBe("tree");
});

test("Vue: a model, a chat and vectors, until the app is gone", async () => {
  const texts = ref(["banana"]);
  const Page = defineComponent({
    setup() {
      const model = vue.useModel(source);
      const chat = vue.useChat(() => ({ model: model.ready }));
      const notes = vue.useEmbeddings(() => model.ready, texts);
      said = chat.send;
      return () =>
        v("p", `${model.status} ${chat.messages.map(({ content }) => content).join(";")} ${notes.vectors.length}`);
    },
  });
  expect(await renderVue(createSSRApp(Page))).toContain("<p>");
  models.length = 0;
  const app = createApp(Page);
  app.mount(document.body.firstElementChild!);
  await said("echo one two");
  await said("");
  texts.value = [...texts.value, "tree"];
  await until(() => body() === "ready echo one two;one two 2");
  await nextTick();
  app.unmount();
  await untilDisposed(models.at(-1)!);
});

test("Svelte: stores that begin with their first subscriber and end with the last", async () => {
  const model = svelte.modelStore(source);
  const chat = svelte.chatStore({ model: model.load });
  const notes = svelte.embeddingsStore(model.load);
  expect(get(chat).messages).toEqual([]);
  const seen: string[] = [];
  const leave = model.subscribe(({ status }) => seen.push(status));
  await chat.send("echo one two");
  await chat.send("");
  await chat.send({ role: "user", content: " " });
  await chat.edit(get(chat).messages[0]!.id, "");
  expect(get(chat).messages.map(({ content }) => content)).toEqual(["echo one two", "one two"]);
  await notes.update(["banana", "tree"]);
  expect((await notes.search("eel", 1))[0]!.text).toBe("tree");
  expect([...new Set(seen)]).toEqual(["loading", "ready"]);
  chat.configure({ request: { max_tokens: 1 } });
  await chat.regenerate();
  expect(get(chat).messages[1]!.content).toBe("one");
  leave();
  await untilDisposed(models[0]!);
});
