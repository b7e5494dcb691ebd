/** What a page passes: each argument is checked and copied before it is sent. */
import { runInNewContext } from "node:vm";
import { afterEach, expect, test } from "vitest";
import cases from "../wire/options.json" with { type: "json" };
import { readMessages, readOptions, readPrompt } from "../../www/api/arguments.js";
import type { Model } from "../../www/api/model.js";
import { absolute, describe } from "../../www/api/source.js";
import { SottoError } from "../../www/wire/errors.js";
import { codeOf, loadFake } from "./harness.js";

let model: Model | undefined;
afterEach(() => model?.dispose());

type Call = Parameters<typeof readOptions>[0];

function says(call: Call, options: unknown): string | null {
  try {
    readOptions(call, options);
    return null;
  } catch (error) {
    expect(error).toMatchObject({ name: "SottoError", code: "bad_option" });
    return (error as Error).message;
  }
}

test.each(cases)("$call($options): $says", ({ call, options, says: wanted }) => {
  expect(says(call as Call, options)).toBe(wanted);
});

test("what has a plain meaning is taken", () => {
  const given = {
    maxTokens: Infinity,
    seed: 7n,
    stop: "END",
    stopTokens: Uint32Array.of(1, 2),
    temperature: undefined,
  };
  expect(readOptions("generate", given).wire).toEqual({
    maxTokens: 2 ** 32 - 1,
    seed: 7,
    stop: "END",
    stopTokens: [1, 2],
  });
  expect(readOptions("generate", { logitBias: { 5: -Infinity } }).wire).toEqual({ logitBias: { 5: -Infinity } });
  expect(readOptions("load", undefined)).toEqual({ wire: {}, page: {} });
  expect(readOptions("score", null)).toEqual({ wire: {}, page: {} });
});

test("what JSON cannot say is refused by name too", () => {
  expect(says("generate", { temperature: Number.NaN })).toBe("temperature is NaN; give a number from 0 to 100.");
  expect(says("generate", { topK: Infinity })).toMatch(/^topK is Infinity; give a whole number from 0/);
  expect(says("generate", { maxTokens: -1 })).toMatch(/^maxTokens is -1; .*, or Infinity for no limit\.$/);
  expect(says("generate", { stop: () => {} })).toBe("stop is a function; give text or a list of texts.");
  expect(says("renderChat", { variables: { now: () => 1 } })).toBe('variables["now"] is a function; give plain data.');
  expect(says("renderChat", { tools: [{ a: { b: Symbol("x") } }] })).toBe(
    "tools[0].a.b is Symbol(x); give plain data.",
  );
  expect(says("renderChat", { variables: { map: new Map() } })).toBe('variables["map"] is a Map; give plain data.');
  const circle: Record<string, unknown> = {};
  circle.circle = circle;
  expect(says("renderChat", { variables: circle })).toMatch(/nested too deeply; give plain data\.$/);
});

test("what stays in the page is checked as well", () => {
  const { signal } = new AbortController();
  const onProgress = () => {};
  expect(readOptions("load", { signal, onProgress, headers: { a: "b" }, threads: 1 })).toEqual({
    wire: { threads: 1 },
    page: { signal, onProgress, headers: { a: "b" } },
  });
  expect(says("load", { signal: true })).toBe("signal is true; give an AbortSignal.");
  expect(says("load", { onProgress: 5 })).toBe("onProgress is 5; give a function.");
  expect(says("load", { headers: { authorization: 5 } })).toBe("headers is an object; give an object of texts.");
  expect(says("load", { hub: { Token: "x" } })).toContain("an object of nothing but an endpoint, which is a URL, and");
  expect(says("load", { workerUrl: 5 })).toBe("workerUrl is 5; give a URL.");
  expect(says("load", { onprogress: onProgress })).toBe(
    "onprogress is not an option of load; did you mean onProgress?",
  );
  expect(says("bench", { onProgress })).toBe("onProgress is not an option of bench.");
  expect(says("loadText", { contextLength: 5 })).toBe("contextLength is not an option of loadText.");
  expect(says("tokenize", { signal })).toBe("signal is not an option of tokenize.");
});

test("proxies, and objects of classes, go as plain copies", async () => {
  model = await loadFake();
  const reactive = <T extends object>(value: T): T =>
    new Proxy(value, { get: (target, name) => wrap(Reflect.get(target, name)) });
  const wrap = (value: unknown) => (typeof value === "object" && value !== null ? reactive(value) : value);
  let text = "";
  const messages = reactive([{ role: "user", content: "echo all of it" }]);
  for await (const chunk of model.generate(messages, reactive({ stop: ["x"], maxTokens: 9 }))) text += chunk.text;
  expect(text).toBe("all of it");
  class Message {
    role = "user";
    content = "Hi";
  }
  const message = new Message() as never;
  expect(await reactive(model).renderChat([message])).toBe("user: Hi\n");
});

test("a source of another realm is taken", () => {
  const { signal } = new AbortController();
  for (const made of ["new ArrayBuffer(8)", "new Uint8Array(8)", "new DataView(new ArrayBuffer(8))"]) {
    const source = runInNewContext(made);
    expect(source instanceof ArrayBuffer || source instanceof Uint8Array).toBe(false);
    expect(describe(source, {}, signal)).toMatchObject({ kind: "port", total: 8 });
  }
  class File extends Blob {
    get [Symbol.toStringTag]() {
      return "File";
    }
  }
  expect(describe(new File(), {}, signal).kind).toBe("blob");
  expect(() => describe(5 as never, {}, signal)).toThrow("this is none of them");
});

test("no argument of a wrong kind reaches the engine, and the model lives on", async () => {
  model = await loadFake();
  const calls: [(m: never) => Promise<unknown>, string][] = [
    [(m: Model) => m.tokenize(5 as never), "text is 5; give text."],
    [(m: Model) => m.tokenize(undefined as never), "text is undefined; give text."],
    [(m: Model) => m.tokenize({} as never), "text is an object; give text."],
    [(m: Model) => m.tokenize("x", { addSpecials: true } as never), "did you mean addSpecial?"],
    [(m: Model) => m.detokenize(undefined as never), "ids is undefined; give a list of whole numbers."],
    [(m: Model) => m.detokenize("12" as never), 'ids is "12"; give a list of whole numbers.'],
    [(m: Model) => m.detokenize([1, -1]), "ids[1] is -1; give a whole number from 0 to 4294967295."],
    [(m: Model) => m.detokenize([1.5]), "ids[0] is 1.5;"],
    // cspell:ignore keepspecial
    [(m: Model) => m.detokenize([1], { keepspecial: true } as never), "did you mean keepSpecial?"],
    [(m: Model) => m.pieces(5 as never), "ids is 5;"],
    [(m: Model) => m.score(5 as never), "text is 5; give text."],
    [(m: Model) => m.score("x", { temperature: 1 } as never), "temperature is not an option of score."],
    [(m: Model) => m.bench({ profile: "yes" } as never), "profile is"],
    [(m: Model) => m.renderChat("Hi" as never), "Messages should be a list"],
    [(m: Model) => m.renderChat([{ role: "user", content: () => {} }] as never), "messages[0].content is a function"],
    [(m: Model) => m.generate(5 as never).next(), "The prompt is 5; give text or a list of messages"],
    [(m: Model) => m.generate(undefined as never).next(), "The prompt is undefined;"],
    [(m: Model) => m.generate("x", { max_tokens: 5 } as never).next(), "did you mean maxTokens?"],
  ] as never;
  for (const [call, says] of calls) {
    const outcome = call(model as never);
    expect(await codeOf(outcome), says).toBe("bad_option");
    await expect(outcome).rejects.toThrow(says);
  }
  expect(await model.detokenize(await model.tokenize("still here"))).toBe("still here");
  expect(await model.detokenize(Uint32Array.of(72, 105), { keepSpecial: true })).toBe("Hi");
  expect(await model.pieces([72, 105])).toEqual(["H", "i"]);
});

test("a signal is the browser's own, or one that has all of it", () => {
  const { signal } = new AbortController();
  expect(readOptions("score", { signal }).page.signal).toBe(signal);
  const wanted = "give an AbortSignal.";
  const nothing = () => {};
  for (const fake of [
    {},
    { aborted: false, addEventListener: nothing },
    { aborted: "no", addEventListener: nothing, removeEventListener: nothing },
    new EventTarget(),
  ])
    expect(says("score", { signal: fake })).toContain(wanted);
  // As a proxy of one is in browsers.
  const copy = {
    get aborted(): boolean {
      throw new TypeError("Illegal invocation");
    },
    [Symbol.toStringTag]: "AbortSignal",
  };
  expect(says("score", { signal: copy })).toBe("signal is a AbortSignal; give the signal itself.");
  const own = new EventTarget();
  const like = {
    aborted: false,
    reason: "why",
    addEventListener: own.addEventListener.bind(own),
    removeEventListener: own.removeEventListener.bind(own),
  };
  const followed = readOptions("score", { signal: like as never }).page.signal!;
  expect(followed).toBeInstanceOf(AbortSignal);
  expect(followed.aborted).toBe(false);
  own.dispatchEvent(new Event("abort"));
  expect([followed.aborted, followed.reason]).toEqual([true, "why"]);
  const before = { ...like, aborted: true };
  expect(readOptions("score", { signal: before as never }).page.signal!.aborted).toBe(true);
});

test("headers are such as HTTP allows", () => {
  for (const headers of [{ "bad header": "x" }, { x: "a\nb" }, { x: "日本" }, { é: "x" }])
    expect(says("load", { headers })).toMatch(/^headers\[".+"\] is ".+"; give a name and a text that HTTP allows\.$/);
  expect(readOptions("load", { headers: { Authorization: "Bearer x" } }).page.headers).toEqual({
    Authorization: "Bearer x",
  });
});

test("what stands for more than can be sent is refused, and soon", () => {
  let all: unknown = "x";
  for (let i = 0; i < 60; i++) all = [all, all];
  const long = "x".repeat(1 << 20);
  for (const variables of [{ all }, { long: Array.from({ length: 1000 }, () => long) }, { sparse: Array(4e9) }])
    expect(says("renderChat", { variables })).toMatch(/too many values; give less, or the same thing fewer times\.$/);
  expect(() => readMessages([{ role: "user", content: "x", all }])).toThrow("too many values");
  const circle: Record<string, unknown> = {};
  circle.long_name_of_a_member = circle;
  expect(says("renderChat", { variables: circle })!.length).toBeLessThan(150);
});

test("half a character ends no reply", () => {
  expect(says("generate", { stop: "\ud800" })).toBe('stop is "\\ud800"; give whole characters.');
  expect(says("chat.completions.create", { messages: [], stop: ["a", "b\udc00"] })).toContain("give whole characters.");
  expect(says("generate", { stop: ["👋", ""] })).toBeNull();
});

test("half a character is part of nothing that a reply must have", () => {
  const messages = [{ role: "user", content: "half \ud800 is replaced" }];
  const named = (name: string) => [{ type: "function", function: { name } }];
  const all = { messages, tools: named("whole \u{1f642} and \\ud800"), response_format: { type: "text" } };
  expect(says("chat.completions.create", all)).toBeNull();
  expect(says("chat.completions.create", { ...all, tools: named("a\ud800") })).toBe(
    "tools has half of a character; give whole characters.",
  );
  const response_format = { type: "regex", pattern: "\\\udfff" };
  expect(says("chat.completions.create", { ...all, response_format })).toBe(
    "response_format has half of a character; give whole characters.",
  );
});

test("a member that is undefined is as good as none, however deep", () => {
  const schema = { type: "object", properties: undefined };
  const given = {
    messages: [],
    chat_template_kwargs: { enable_thinking: undefined, more: [{ a: undefined }] },
    logit_bias: { 5: undefined, 6: 1 },
    tools: [{ type: "function", function: { name: "a", description: undefined, parameters: schema } }],
    response_format: { type: "text", json_schema: undefined },
  };
  expect(readOptions("chat.completions.create", given).wire).toEqual({
    messages: [],
    chat_template_kwargs: { more: [{}] },
    logit_bias: { 6: 1 },
    tools: [{ type: "function", function: { name: "a", parameters: { type: "object" } } }],
    response_format: { type: "text" },
  });
});

test("holes count as what is missing, and the list's prototype for nothing", () => {
  // biome-ignore lint/suspicious/noSparseArray: a hole is what is tested.
  expect(says("generate", { stop: ["a", , "b"] })).toBe("stop[1] is undefined; give text.");
  const bare = Object.setPrototypeOf([{ role: "user", content: "x" }], null);
  expect(readPrompt(bare)).toEqual([{ role: "user", content: "x" }]);
  expect(says("renderChat", { now: -1.7e308 })).toMatch(
    /^now is -1.7e\+308; give a whole number from -9007199254740991 to/,
  );
});

/** Values that throw when they are looked at. */
function traps(): unknown[] {
  const thrower = () => {
    throw new Error("mine");
  };
  const { proxy, revoke } = Proxy.revocable([], {});
  revoke();
  return [
    Object.defineProperty({}, "backend", { get: thrower, enumerable: true }),
    Object.defineProperty({}, "signal", { get: thrower, enumerable: true }),
    Object.defineProperty({}, "length", { get: thrower }),
    Object.defineProperty({}, Symbol.toStringTag, { get: thrower }),
    new Proxy({}, { ownKeys: thrower }),
    new Proxy([], { get: thrower }),
    proxy,
  ];
}

test("what throws when it is read is refused, typed, wherever it is given", async () => {
  model = await loadFake();
  for (const trap of traps()) {
    const given = trap as never;
    const calls = [
      () => readOptions("load", given),
      () => readOptions("load", { headers: given }),
      () => readOptions("score", { signal: given }),
      () => readOptions("generate", { stop: given }),
      () => describe(given, {}, new AbortController().signal),
    ];
    for (const call of calls) {
      try {
        call();
      } catch (error) {
        expect(error).toMatchObject({ name: "SottoError", code: "bad_option" });
      }
    }
    const asked: (() => Promise<unknown>)[] = [
      () => model!.tokenize(given),
      () => model!.detokenize(given),
      () => model!.pieces(given),
      () => model!.renderChat([given]),
      () => model!.generate(given).next(),
      () => model!.generate([{ role: "user", content: "echo x" }, given]).next(),
      () => model!.chat(given),
      () => model!.chat([given]),
      () => model!.chat("fast", given),
      () => model!.countTokens("x", given),
      () => model!.chat.completions.create(given),
      () => model!.chat.completions.create({ messages: [{ role: "user", content: "fast" }] }, given),
    ];
    for (const ask of asked)
      expect(["bad_option", "nothing was thrown"]).toContain(await codeOf(Promise.resolve().then(ask)));
  }
  expect(await codeOf(model.generate(traps().at(-1) as never).next())).toBe("bad_option");
  expect(await codeOf(model.detokenize({ length: 1e12 }))).toBe("bad_option");
  expect(await codeOf(model.pieces({ length: 1e12 }))).toBe("bad_option");
});

test("a source that is none is refused, typed, whatever it looks like", () => {
  const { signal } = new AbortController();
  const detached = new ArrayBuffer(8);
  const views = [detached, new Uint8Array(detached), new DataView(detached)];
  structuredClone(detached, { transfer: [detached] });
  for (const view of views) expect(() => describe(view, {}, signal)).toThrow("transferred away before");
  const prototypes = [Blob, URL, ReadableStream, ArrayBuffer].map(({ prototype }) => Object.create(prototype));
  const proxies = [new URL("http://x/y"), new ArrayBuffer(8)].map((source) => new Proxy(source, {}));
  for (const none of [...prototypes, ...proxies]) {
    expect(() => describe(none, {}, signal)).toThrow(/this is none of them|cannot be read/);
    expect(() => describe(none, {}, signal)).toThrow(SottoError);
  }
});

test("an address says what it is of, and is no page's own", () => {
  const { signal } = new AbortController();
  expect(() => absolute("http://", "sotto_bg.wasm")).toThrow(
    '"http://" is not a URL; give the full address of sotto_bg.wasm.',
  );
  expect(() => absolute(Object.create(URL.prototype), "worker.js")).toThrow("The address of worker.js cannot be read");
  expect(() => describe("http://user:pw@x/y.gguf", {}, signal)).toThrow("pass it in headers");
  Object.assign(globalThis, { location: { href: "http://127.0.0.1/page" } });
  try {
    for (const own of ["", " ", "#x"]) expect(() => describe(own, {}, signal)).toThrow("is the page's own address");
    expect(absolute("a.gguf")).toBe("http://127.0.0.1/a.gguf");
  } finally {
    Object.assign(globalThis, { location: undefined });
  }
});
