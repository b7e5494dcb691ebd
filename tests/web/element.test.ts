/** The chat element's parts that need no page: its texts, sentences, conversations. Its Markdown: element-markdown.test.ts. */
import { expect, test, vi } from "vitest";
import { merged } from "../../www/pieces/element/chat/kept.js";
import { Loader, nameOf } from "../../www/pieces/element/chat/loader.js";
import { type ChatModel, type Params, Session } from "../../www/pieces/element/chat/session.js";
import { shortened } from "../../www/pieces/element/chat/shorten.js";
import { Sentences } from "../../www/pieces/element/chat/sentences.js";
import {
  type AssistantTurn,
  markdownOf,
  messagesOf,
  readTurns,
  type Turn,
} from "../../www/pieces/element/chat/turns.js";
import { LANGUAGES, Say } from "../../www/pieces/element/texts.js";
import { LoadControl } from "../../www/api/control.js";
import { loadFake } from "./harness.js";

/** The package, as the loader imports it. */
const sotto = vi.hoisted(() => ({
  load: vi.fn(),
  inspect: vi.fn(),
  store: { list: vi.fn(async () => [] as object[]) },
}));
vi.mock("sotto", () => ({ ...sotto, LoadControl }));

test("each language says everything, with the same things filled in", () => {
  const places = (text: string) => Array.from(text.matchAll(/\{\w+\}/g), ([place]) => place).sort();
  expect(Object.keys(LANGUAGES)).toHaveLength(10);
  for (const [name, texts] of Object.entries(LANGUAGES)) {
    expect([name, Object.keys(texts)]).toEqual([name, Object.keys(LANGUAGES.en!)]);
    for (const [key, text] of Object.entries(texts)) {
      expect(text, `${name}.${key}`).not.toBe("");
      expect(places(text), `${name}.${key}`).toEqual(places(LANGUAGES.en![key as "send"]));
    }
  }
});

test("texts are those of the page's language, unless the page says otherwise", () => {
  expect(new Say("de-AT").text("send")).toBe("Senden");
  expect(new Say("de", { send: "Los" }).text("send")).toBe("Los");
  expect(new Say("xx").text("send")).toBe("Send");
  expect(new Say("not a tag!").bytes(98_000_000)).toBe("98 MB");
  expect(new Say("pt-BR").text("progress", { loaded: "1", total: "2" })).toBe("1 de 2");
  expect(new Say("ar").dir).toBe("rtl");
});

test("a word that goes with a number has the form that its language gives it", () => {
  const said = (tag: string, key: "tokens" | "rate", ...counts: number[]) =>
    counts.map((n) => new Say(tag).text(key, { n })).join(", ");
  expect(said("en", "tokens", 0, 1, 2, 1000)).toBe("0 tokens, 1 token, 2 tokens, 1,000 tokens");
  // As it is told: 1.04 is "1".
  expect(said("en", "rate", 1, 1.04, 1.2, 31.4)).toBe("1 token/s, 1 token/s, 1.2 tokens/s, 31 tokens/s");
  expect(said("fr", "tokens", 0, 1, 2, 1e6)).toBe("0 jeton, 1 jeton, 2 jetons, 1\u202f000\u202f000 jetons");
  expect(said("ru", "tokens", 1, 2, 5, 11, 21)).toBe("1 токен, 2 токена, 5 токенов, 11 токенов, 21 токен");
  expect(said("ru", "rate", 2.5)).toBe("2,5 токена/с");
  expect(said("de", "tokens", 1, 2)).toBe("1 Token, 2 Token");
  expect(said("ja", "tokens", 1, 2)).toBe("1 トークン, 2 トークン");
  expect(new Say("en", { tokens: "{n} {n:one=piece|other=pieces}" }).text("tokens", { n: 1 })).toBe("1 piece");
  // Every form that a text has is one that its language knows, and there is one for each other number.
  for (const [name, texts] of Object.entries(LANGUAGES)) {
    const { pluralCategories } = new Intl.PluralRules(name).resolvedOptions();
    for (const [, forms] of Object.values(texts).flatMap((text) => Array.from(text.matchAll(/\{n:(.*?)\}/g)))) {
      const named = forms!.split("|").map((form) => form.split("=")[0]!);
      expect(pluralCategories, name).toEqual(expect.arrayContaining(named));
      expect(named.at(-1), name).toBe("other");
    }
  }
});

test("sentences are read when they are whole, without marks, and of code that it is there", () => {
  const read = new Sentences("en", "Code.");
  const heard: string[] = [];
  const text =
    "Hello **there**. This is [a link](https://example.org) for Smith. And\n\n- one `thing`\n- 3.5 more\n\n```js\nlet a = 1. Then;\n```\n\nDone";
  for (const piece of text.match(/.{1,3}/gs)!) heard.push(...read.add(piece));
  expect(heard).toEqual(["Hello there.", "This is a link for Smith.", "And", "one thing", "3.5 more", "Code."]);
  expect(read.end()).toEqual(["Done"]);
});

test("a line without an end is not read again with each word of it", () => {
  const segmented = vi.spyOn(Intl.Segmenter.prototype, "segment");
  for (const word of ["word ", "e.g. so ", "字"]) {
    segmented.mockClear();
    const read = new Sentences("en", "Code.");
    const heard: string[] = [];
    for (let i = 0; i < 3000; i++) heard.push(...read.add(word));
    heard.push(...read.end());
    expect(heard.join(" ").replace(/\s/g, "")).toBe(word.trim().replace(/\s/g, "").repeat(3000));
    const longest = Math.max(...segmented.mock.calls.map(([text]) => text.length));
    expect(longest).toBeLessThanOrEqual(1000 + word.length);
  }
  segmented.mockRestore();
  const code = new Sentences("en", "Code.");
  expect(code.add(`\`\`\`js\n${"a. B. ".repeat(1000)}`)).toEqual(["Code."]);
  expect([...code.add("\n```\nAfter."), ...code.end()]).toEqual(["After."]);
});

test("a reply that comes at once can be stopped, also one that does not hear of it", async () => {
  for (const tools of [[], [{ name: "f", parameters: { type: "object" }, run: () => "" }]]) {
    const create = async () =>
      (async function* () {
        for (let i = 0; i < 200_000; i++) yield { choices: [{ delta: { content: "a" }, finish_reason: null }] };
      })();
    const runTools = async (
      _: object,
      { onDelta, signal }: { onDelta(delta: object): unknown; signal: AbortSignal },
    ) => {
      for (let i = 0; i < 200_000 && !signal.aborted; i++) await onDelta({ content: "a" });
      return { finish_reason: "stop", steps: [] };
    };
    const model = { info: { chatTemplate: true }, chat: { completions: { create } }, runTools } as unknown as ChatModel;
    const none = () => {};
    const listener = { added: none, removed: none, begun: none, read: none, part: none, text: none, thought: none };
    const made = new Session({ ...listener, called: none, forgotten: none, ended: none }, () => ({
      system: "",
      tools: tools as never[],
      params: {},
      goOn: "",
    }));
    setTimeout(() => made.stop(), 0);
    await made.send(model, "go");
    expect(made.turns.at(-1)).toMatchObject({ role: "assistant", end: "stopped" });
  }
});

test("a conversation is data: files are fenced, what is none is left out", () => {
  const turns: Turn[] = [
    { role: "user", text: "What is it?", files: [{ name: "a.md", text: "```\nx\n```" }] },
    { role: "assistant", text: "A fence." },
  ];
  expect(messagesOf(turns[0]!)).toEqual([{ role: "user", content: "a.md:\n````\n```\nx\n```\n````\n\nWhat is it?" }]);
  expect(readTurns(JSON.parse(JSON.stringify(turns)))).toEqual([turns[0], { ...turns[1], end: "whole" }]);
  const cut: Turn = { role: "assistant", text: "x", end: "cut" };
  expect(readTurns([cut])).toEqual([cut]);
  // What is no text of how it ended is none.
  expect(readTurns([{ role: "assistant", content: "x", end: 5 }])).toEqual([{ ...cut, end: "whole" }]);
  expect(readTurns([{ role: "user", content: "x" }, { role: "tool" }, 5, null])).toEqual([{ role: "user", text: "x" }]);
  expect(readTurns("x")).toEqual([]);
  const odd = JSON.parse('[{"role":"user","text":"x","__proto__":{"a":1},"constructor":1}]');
  expect(readTurns(odd)).toEqual([{ role: "user", text: "x" }]);
  expect(readTurns([{ role: "user", text: "x", files: "y", odd: 1 }])).toEqual([{ role: "user", text: "x" }]);
  expect(markdownOf(turns, "You", "It")).toContain("**It**\n\nA fence.");
});

/** A session with the fake engine, and what it told. */
async function session(system = "", tools: never[] | object[] = [], params: Params = {}) {
  const model = await loadFake();
  const told: string[] = [];
  const tell = (what: string) => (turn: unknown) => void told.push(`${what} ${(turn as Turn).role}`);
  const made = new Session(
    {
      added: tell("added"),
      removed: (turns) => void told.push(`removed ${turns.length}`),
      begun: tell("begun"),
      read: (_, loaded, total) => void told.push(`read ${loaded} of ${total}`),
      part: () => {},
      text: () => {},
      thought: () => {},
      called: (_, call) => void told.push(`called ${call.name}${call.result === undefined ? "" : ` = ${call.result}`}`),
      forgotten: (turns) => void told.push(`forgotten ${turns.length}`),
      ended: ({ end }) => void told.push(`ended ${end}`),
    },
    () => ({ system, tools: tools as never, params, goOn: "echo , and more" }),
  );
  return { model: model as unknown as ChatModel & { dispose(): Promise<void> }, session: made, told };
}

test("a conversation: asked, asked otherwise, answered again, gone on with", async () => {
  const { model, session: chat, told } = await session();
  await chat.send(model, "echo one");
  await chat.send(model, "echo two");
  expect(chat.turns.map(({ text }) => text)).toEqual(["echo one", "one", "echo two", "two"]);
  await chat.edit(model, chat.turns[2] as never, "echo three");
  expect(chat.turns.map(({ text }) => text)).toEqual(["echo one", "one", "echo three", "three"]);
  await chat.regenerate(model, chat.turns[3] as AssistantTurn);
  expect(chat.turns.at(-1)!.text).toBe("three");
  await chat.continue(model, chat.turns[3] as AssistantTurn);
  expect(chat.turns.map(({ text }) => text)).toEqual(["echo one", "one", "echo three", "three, and more"]);
  expect(told.filter((what) => what.startsWith("removed"))).toEqual(["removed 2", "removed 1"]);
  // Two tokens: the continuation's own.
  expect((chat.turns[3] as AssistantTurn).took).toMatchObject({ tokens: 3 });
  expect(told).toContain("read 8 of 8");
  await model.dispose();
  await chat.send(model, "echo four");
  expect(chat.turns.at(-1)).toMatchObject({ end: "failed", text: "" });
});

test("a reply that is stopped keeps what there is of it; tools are called and told", async () => {
  const { model, session: chat } = await session("Be kind.");
  const reply = chat.send(model, "tell me");
  await new Promise((resolve) => setTimeout(resolve, 80));
  chat.stop();
  await reply;
  expect(chat.turns[1]).toMatchObject({ end: "stopped" });
  expect(chat.busy).toBe(false);
  await model.dispose();
  const parameters = { type: "object", properties: { city: { type: "string" } } };
  const weather = { name: "weather", parameters, run: ({ city }: { city: string }) => `warm in ${city}` };
  const second = await session("", [weather]);
  await second.session.send(second.model, "Is it warm?");
  expect(second.told).toContain("called weather = warm in Paris");
  const turn = second.session.turns[1] as AssistantTurn;
  expect(turn).toMatchObject({ end: "whole", text: "warm in Paris" });
  expect(messagesOf(turn).map((message) => "role" in message && message.role)).toEqual([
    "assistant",
    "tool",
    "assistant",
  ]);
  await second.model.dispose();
});

test("what the model has no room for is not sent again; a reply can be had without what was said before", async () => {
  const { model, session: chat, told } = await session();
  const asked = vi.spyOn(model.chat.completions, "create");
  const long = `echo ${"word ".repeat(20).trim()}`;
  for (const text of [long, long, "echo three", "echo four"]) await chat.send(model, text);
  expect(told.filter((what) => what.startsWith("forgotten"))).toEqual(["forgotten 2"]);
  expect(chat.turns.filter((turn) => chat.forgotten.has(turn))).toEqual(chat.turns.slice(0, 2));
  const sent = () => asked.mock.lastCall![0].messages.map((message) => "content" in message && message.content);
  expect(sent()).toEqual([long, long.slice(5), "echo three", "three", "echo four"]);
  await chat.regenerate(model, chat.turns.at(-1) as AssistantTurn, true);
  expect(sent()).toEqual(["echo four"]);
  expect(chat.older()).toEqual([]);
  await model.dispose();
});

test("a text that is too long is cut between words to what leaves room for a reply", async () => {
  const model = (await loadFake()) as unknown as ChatModel & { dispose(): Promise<void> };
  const text = `echo ${"word ".repeat(150).trim()}`;
  const turn = { role: "user" as const, text };
  // Of a hundred words: half for the reply at most, or what it is given.
  expect((await shortened(model, "", turn, 1000)).split(" ")).toHaveLength(49);
  expect((await shortened(model, "Be kind.", turn, 10)).split(" ")).toHaveLength(87);
  expect(await shortened(model, "", { ...turn, text: "short" })).toBe("short");
  await model.dispose();
});

test("a base model goes on with the text, with what the page has set for it", async () => {
  const params = { temperature: 0.5, max_completion_tokens: 9, reasoning_effort: "low" as const };
  const { session: chat } = await session("", [], params);
  const create = vi.fn(async function* (_: object) {
    yield { choices: [{ text: "on and on", finish_reason: "length" as const }] };
  });
  const model = { info: { chatTemplate: false }, chat: {}, completions: { create } } as unknown as ChatModel;
  await chat.send(model, "Once upon");
  expect(chat.turns[1]).toMatchObject({ text: "on and on", end: "cut" });
  expect(create.mock.lastCall![0]).toEqual({
    prompt: "Once upon",
    stream: true,
    stream_options: { include_usage: true },
    temperature: 0.5,
    max_tokens: 9,
  });
});

test("a model is looked for in the browser, judged where the page wants that, paused, and gone on with", async () => {
  vi.stubGlobal("document", { baseURI: "https://example.org/a/page" });
  const told: string[] = [];
  const loader = new Loader(
    {
      phase: (phase) => void told.push(phase),
      facts: ({ bytes, stored, part, findings }) => void told.push(`${bytes} ${part ?? stored} ${findings}`),
      progress: ({ loaded }) => void told.push(`${loaded}`),
      loaded: () => void told.push("loaded"),
    },
    () => ({ contextLength: 2048 }),
  );
  sotto.store.list.mockResolvedValue([{ url: "https://example.org/a/model.gguf", size: 98, whole: false, loaded: 29 }]);
  sotto.inspect.mockResolvedValue({ fileBytes: 98, verdict: { runs: false, findings: [{ sentence: "Too large." }] } });
  loader.choose("model.gguf");
  await loader.look(false);
  expect(told).toEqual(["asking", "98 29 undefined"]);
  await loader.look(true);
  expect(told.splice(0).at(-1)).toBe("98 29 Too large.");
  let done = (_: object) => {};
  let tell = (_: object) => {};
  sotto.load.mockImplementationOnce((_, { onProgress }) => {
    tell = onProgress;
    return new Promise((resolve) => {
      done = resolve;
    });
  });
  const first = loader.start();
  await vi.waitFor(() => expect(sotto.load).toHaveBeenCalled());
  const { control } = sotto.load.mock.lastCall![1] as { control: LoadControl };
  tell({ phase: "download", loaded: 5, total: 98 });
  loader.pause();
  expect(control.isPaused()).toBe(true);
  // What was on its way arrives; the same load goes on.
  tell({ phase: "download", loaded: 6, total: 98 });
  await loader.start();
  expect(control.isPaused()).toBe(false);
  // What is no download cannot be held up.
  loader.pause();
  tell({ phase: "upload", loaded: 7, total: 98 });
  done({});
  await first;
  expect(sotto.load).toHaveBeenCalledTimes(1);
  expect(told.splice(0)).toEqual([
    "loading",
    "5",
    "paused",
    "6",
    "loading",
    "paused",
    "loading",
    "7",
    "loaded",
    "ready",
  ]);
  loader.choose("model.gguf");
  told.length = 0;
  sotto.load.mockRejectedValueOnce(new Error("offline"));
  await loader.start();
  sotto.load.mockResolvedValueOnce({});
  await loader.start();
  expect(told).toEqual(["loading", "failed", "98 29 undefined", "loading", "loaded", "ready"]);
  expect(sotto.load.mock.lastCall![1]).toMatchObject({ contextLength: 2048 });
  vi.unstubAllGlobals();
});

test("a model's name is that of its file or of its repository", () => {
  expect(nameOf("hf:HuggingFaceTB/SmolLM2-135M-Instruct-GGUF:Q8_0")).toBe("SmolLM2-135M-Instruct");
  expect(nameOf("https://example.org/x/My%20Model.Q4_K_M.gguf?download=1")).toBe("My Model.Q4_K_M");
  expect(nameOf("https://example.org/50%.gguf")).toBe("50%");
  expect(nameOf(new ArrayBuffer(1))).toBe("");
});

test("what another has written is not lost where one writes that has not seen it", () => {
  const [base, mine, theirs] = ["base", "mine", "theirs"].map((text): Turn => ({ role: "user", text }));
  const seen = [JSON.stringify(base)];
  expect(merged([base!], seen, [base!, mine!])).toEqual([base, mine]);
  expect(merged([base!, theirs!], seen, [base!, mine!])).toEqual([base, theirs, mine]);
  expect(merged([base!, theirs!], seen, [base!])).toEqual([base, theirs]);
  // Said by both, and deleted by the other.
  expect(merged([base!, mine!], seen, [base!, mine!])).toEqual([base, mine]);
  expect(merged([], seen, [base!, mine!])).toEqual([mine]);
});
