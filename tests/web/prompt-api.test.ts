/// <reference types="dom-chromium-ai" />
/** The W3C's `LanguageModel`, in its own words and types, with the fake engine. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../../www/api/model.js";
import { createLanguageModel, install } from "../../www/pieces/prompt-api/index.js";
import { clearLog, log } from "./fake-engine.js";
import { loadFake } from "./harness.js";

/** As pages have it; that it compiles is a part of the test. */
type Platform = Omit<typeof LanguageModel, "prototype">;

let model: Model;
let Own: Platform & { unload(): void };
beforeEach(async () => {
  clearLog();
  model = await loadFake();
  Own = createLanguageModel(model) as never;
});
afterEach(() => model.dispose());

const nameOf = (promise: Promise<unknown>) =>
  promise.then(
    () => "nothing",
    ({ name }) => name,
  );

async function collect(stream: ReadableStream<string>): Promise<string> {
  let text = "";
  for await (const piece of stream as never as AsyncIterable<string>) text += piece;
  return text;
}

test("a session answers, and remembers", async () => {
  const session = await Own.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
  expect(session).toBeInstanceOf(EventTarget);
  expect(session.contextWindow).toBe(100);
  expect(session.contextUsage).toBe(2);
  expect(await session.prompt("echo one two")).toBe("one two");
  expect(session.contextUsage).toBe(7);
  expect(await collect(session.promptStreaming([{ role: "user", content: "echo three" }]))).toBe("three");
  await session.append([
    {
      role: "user",
      content: [
        { type: "text", value: "echo " },
        { type: "text", value: "four" },
      ],
    },
  ]);
  expect(session.contextUsage).toBe(12);
  expect(await session.measureContextUsage("echo five six")).toBe(3);
  const clone = await session.clone();
  await clone.prompt("echo more");
  expect([session.contextUsage, clone.contextUsage]).toEqual([12, 15]);
  expect(() => new (Own as never as new () => unknown)()).toThrow(TypeError);
});

test("replies that fit a schema or an expression", async () => {
  const session = await Own.create();
  const responseConstraint = { type: "object", properties: { city: { type: "string" } } };
  expect(JSON.parse(await session.prompt("Where?", { responseConstraint }))).toEqual({ city: "Paris" });
  const told = await session.measureContextUsage("Where?", { responseConstraint });
  const bare = await session.measureContextUsage("Where?", { responseConstraint, omitResponseConstraintInput: true });
  expect([told > bare, bare]).toEqual([true, 1]);
  expect(await session.prompt("Warm?", { responseConstraint: /(yes|no)/ as never })).toBe("yes");
  expect(await nameOf(session.prompt("x", { responseConstraint: /yes/i as never }))).toBe("NotSupportedError");
  expect(await nameOf(session.prompt("x", { omitResponseConstraintInput: true }))).toBe("TypeError");
});

test("tools are called by the model", async () => {
  const asked: unknown[] = [];
  const weather: LanguageModelTool = {
    name: "weather",
    description: "The weather.",
    inputSchema: { type: "object", properties: { city: { type: "string" } } },
    execute: async (args) => {
      asked.push(args);
      return "warm";
    },
  };
  const session = await Own.create({ tools: [weather] });
  expect(await session.prompt("Is it warm?")).toBe("warm");
  expect(asked).toEqual([{ city: "Paris" }]);
  expect(await collect(session.promptStreaming("Is it warm?"))).toBe("warm");
});

test("what the draft refuses", async () => {
  const session = await Own.create();
  const wrong = (input: unknown) => nameOf(session.prompt(input as never));
  const image = [{ type: "image", value: new Blob() }];
  expect(await wrong([{ role: "user", content: image }])).toBe("NotSupportedError");
  expect(await wrong([{ role: "tool", content: "x" }])).toBe("TypeError");
  expect(await wrong([{ role: "user" }])).toBe("TypeError");
  expect(await wrong([{ role: "user", content: "x", prefix: true }])).toBe("SyntaxError");
  expect(await session.prompt([{ role: "user", content: [] }])).toMatch(/^Sure/);
  expect(await wrong([{ role: "system", content: "late" }])).toBe("TypeError");
  expect(await nameOf(Own.create({ expectedInputs: [{ type: "audio" }] }))).toBe("NotSupportedError");
  expect(await Own.availability({ expectedInputs: [{ type: "image" }] })).toBe("unavailable");
  expect(await nameOf(Own.create({ samplingMode: "creative", topK: 3 } as never))).toBe("TypeError");
  const later = {
    initialPrompts: [
      { role: "user", content: "a" },
      { role: "system", content: "b" },
    ],
  };
  expect(await nameOf(Own.create(later as never))).toBe("TypeError");
});

test("a reply goes on as the prompt says", async () => {
  const session = await Own.create();
  const prompt = [
    { role: "user", content: "fast" },
    { role: "assistant", content: "Well,", prefix: true },
  ];
  expect(await session.prompt(prompt as never)).toMatch(/^Sure/);
  expect(session.contextUsage).toBeGreaterThan(1);
});

test("a constraint is for what follows the beginning that is given, which is no part of the reply", async () => {
  const session = await Own.create();
  const after = (content: string) => [
    { role: "user", content: "Say it." },
    { role: "assistant", content, prefix: true },
  ];
  // The fake model says "yes" to every grammar, and what an expression begins with.
  const schema = { type: "string" };
  expect(await session.prompt(after("ye") as never, { responseConstraint: schema })).toBe("s");
  expect(await session.prompt(after("(Well, ") as never, { responseConstraint: /yes|no/ as never })).toBe("yes");
  const parts: string[] = [];
  for await (const part of session.promptStreaming(after("ye") as never, { responseConstraint: schema }))
    parts.push(part);
  expect(parts.join("")).toBe("s");
  const tooled = await Own.create({
    tools: [{ name: "f", description: "It does it.", inputSchema: {}, execute: () => "" }],
  } as never);
  expect(await nameOf(tooled.prompt(after("x") as never))).toBe("NotSupportedError");
});

test("a conversation that is too long loses its oldest turns, and says so; a prompt that is too long is refused", async () => {
  const session = await Own.create({ initialPrompts: [{ role: "system", content: "Be brief." }] });
  const events: string[] = [];
  session.oncontextoverflow = ({ type }) => events.push(type);
  session.addEventListener("contextoverflow", ({ type }) => events.push(type));
  const long = `echo ${"word ".repeat(29)}`.trim();
  await session.prompt(long);
  expect(events).toEqual([]);
  await session.prompt(long);
  await session.prompt(long);
  expect(events.length).toBeGreaterThanOrEqual(2);
  expect(session.contextUsage).toBeLessThanOrEqual(100);
  const failed = session.prompt("word ".repeat(150));
  await expect(failed).rejects.toMatchObject({ name: "QuotaExceededError", quota: 100 });
  expect(await nameOf(session.append("word ".repeat(150)))).toBe("QuotaExceededError");
  expect(await session.prompt("echo still here")).toBe("still here");
});

test("handlers are the page's: what they throw is reported, what is no function is none", async () => {
  const reported: unknown[] = [];
  vi.stubGlobal("reportError", (thrown: unknown) => reported.push(thrown));
  const session = await Own.create();
  let heard = 0;
  session.addEventListener("contextoverflow", () => heard++);
  const long = `echo ${"word ".repeat(29)}`.trim();
  const own = new Error("the handler's own");
  session.oncontextoverflow = () => {
    throw own;
  };
  for (let i = 0; i < 5; i++) expect(await session.prompt(long)).toContain("word");
  expect(reported[0]).toBe(own);
  const before = heard;
  for (const handler of ["str", {}, 5] as never[]) {
    session.oncontextoverflow = handler;
    expect(await session.prompt(long)).toContain("word");
  }
  expect(heard).toBe(before + 3);
  vi.unstubAllGlobals();
});

test("wrong input is told in a sentence, and null is no options", async () => {
  const session = await Own.create(null as never);
  expect(await session.prompt("echo a", null as never)).toBe("a");
  expect(await Own.availability(null as never)).toBe("available");
  await (await session.clone(null as never)).append("x", null as never);
  expect(await session.measureContextUsage("x", null as never)).toBeGreaterThan(0);
  const wrong: (() => Promise<unknown>)[] = [
    ...[5, "x"].map((options) => () => Own.create(options as never)),
    ...["initialPrompts", "tools", "expectedInputs", "expectedOutputs"].flatMap((name) =>
      [null, 5, {}, [null]].map((value) => () => Own.create({ [name]: value } as never)),
    ),
    () => Own.create({ expectedInputs: [{ type: "text", languages: null }] } as never),
    ...[[null], [5], [{ role: "user", content: [null] }]].map((input) => () => session.prompt(input as never)),
    () => session.append([null] as never),
    () => session.prompt("x", 5 as never),
  ];
  for (const call of wrong) {
    const error = (await call().catch((thrown) => thrown)) as Error;
    expect(["TypeError", "NotSupportedError"]).toContain(error.name);
    expect(error.message).toMatch(/ (is no (list|object)|is null)\.$|^The (role|type) |^Models here/);
  }
  for (const responseConstraint of [() => 1, { toJSON() {} }] as never[])
    expect(await nameOf(session.prompt("x", { responseConstraint }))).toBe("NotSupportedError");
  for (const source of [() => undefined, null, undefined] as never[])
    await expect(createLanguageModel(source).create()).rejects.toBeInstanceOf(DOMException);
  expect(await createLanguageModel(undefined as never).availability()).toBe("unavailable");
});

test("signals, and the end of a session", async () => {
  const session = await Own.create();
  expect(await nameOf(session.prompt("Hi", { signal: AbortSignal.timeout(40) }))).toBe("TimeoutError");
  expect(await nameOf(Own.create({ signal: AbortSignal.abort() }))).toBe("AbortError");
  const reader = session.promptStreaming("Hi").getReader();
  await reader.read();
  await reader.cancel();
  // What was stopped is forgotten.
  expect(session.contextUsage).toBe(0);
  const [first, second] = await Promise.all([session.prompt("echo a"), session.prompt("echo b")]);
  expect([first, second]).toEqual(["a", "b"]);
  const running = session.prompt("Hi");
  session.destroy();
  expect(await nameOf(running)).toBe("AbortError");
  expect(await nameOf(session.prompt("echo late"))).toBe("AbortError");
  expect(await (await Own.create()).prompt("echo other")).toBe("other");
  expect(log.running).toBe(0);
});

test("what is not asked for is as the model's file has it, and as Sotto has it before the file is there", async () => {
  const defaults = async (of: { params(): Promise<object | null> }) => {
    const { defaultTopK, defaultTemperature } = (await of.params()) as LanguageModelParams;
    return [defaultTopK, defaultTemperature];
  };
  const drawn = ({ topK, temperature }: LanguageModel) => [topK, temperature];
  expect(await defaults(Own)).toEqual([20, 0.6]);
  expect(drawn(await Own.create())).toEqual([20, 0.6]);
  expect(drawn(await Own.create({ topK: 3, temperature: 1.5 }))).toEqual([3, 1.5]);
  const Loads = createLanguageModel((options) => loadFake(undefined, options));
  expect(await defaults(Loads)).toEqual([40, 0.8]);
  await Loads.create();
  expect(await defaults(Loads)).toEqual([20, 0.6]);
  Loads.unload();
});

test("how words are chosen is said by a mode or by numbers, and is told", async () => {
  const modeOf = async (options: object) =>
    ((await Own.create(options)) as unknown as { samplingMode: unknown }).samplingMode;
  expect(await modeOf({})).toBe("balanced");
  expect(await modeOf({ samplingMode: "slightly-creative" })).toBe("slightly-creative");
  expect(await modeOf({ temperature: 0.5 })).toBe(null);
  const session = (await Own.create({ samplingMode: "most-predictable" } as never)) as LanguageModel;
  expect([session.temperature, (await session.clone()).temperature]).toEqual([0, 0]);
  const { topK, temperature } = await Own.create({ topK: 2.9, temperature: Infinity });
  expect([topK, temperature]).toEqual([2, 100]);
  expect((await Own.create({ topK: 1e9, temperature: 1 })).topK).toBe(1000);
  for (const wrong of [{ topK: 0 }, { topK: Number.NaN }, { temperature: -0.1 }])
    expect(await nameOf(Own.create(wrong)), JSON.stringify(wrong)).toBe("RangeError");
  expect(await nameOf(Own.create({ samplingMode: "wild" } as never))).toBe("TypeError");
  expect(await nameOf(Own.availability({ samplingMode: "balanced", topK: 3 } as never))).toBe("TypeError");
});

test("what is expected, tools and constraints are read as the draft reads them", async () => {
  const english = (languages: string[]) => ({ expectedInputs: [{ type: "text" as const, languages }] });
  for (const call of [Own.create, Own.availability] as ((options: object) => Promise<unknown>)[]) {
    expect(await nameOf(call(english(["EN"])))).toBe("nothing");
    expect(await nameOf(call(english(["en-abc-invalid"])))).toBe("RangeError");
    expect(await nameOf(call({ expectedOutputs: [{ type: "soup" }] }))).toBe("TypeError");
  }
  const tool = { name: "weather", description: "The weather.", inputSchema: {}, execute: async () => "" };
  const circular: Record<string, unknown> = {};
  circular.self = circular;
  const throws = {
    toJSON() {
      throw new EvalError("x");
    },
  };
  const withTool = (more: object) => nameOf(Own.create({ tools: [{ ...tool, ...more }] } as never));
  expect(await withTool({})).toBe("nothing");
  for (const more of [
    { inputSchema: null },
    { name: "" },
    { description: undefined },
    { execute: 1 },
    { inputSchema: circular },
  ])
    expect(await withTool(more), Object.keys(more)[0]).toBe("TypeError");
  expect(await withTool({ inputSchema: throws })).toBe("EvalError");
  const session = await Own.create();
  expect(await nameOf(session.prompt("x", { responseConstraint: circular }))).toBe("NotSupportedError");
  expect(await session.prompt(new Set([{ role: "user", content: "echo listed" }]) as never)).toBe("listed");
  const all = [
    { role: "system", content: "Be brief." },
    { role: "user", content: "Hi." },
  ];
  expect(await session.measureContextUsage(all as never)).toBe(3);
});

test("the signal of create ends what it made, and streams fail at once where they cannot begin", async () => {
  const controller = new AbortController();
  const session = await Own.create({ signal: controller.signal });
  const running = session.prompt("Hi");
  const why = new Error("enough");
  controller.abort(why);
  await expect(running).rejects.toBe(why);
  await expect(session.prompt("Hi")).rejects.toBe(why);
  expect(() => session.promptStreaming("Hi")).toThrow(why);
  const other = await Own.create();
  expect(() => other.promptStreaming("Hi", { signal: AbortSignal.abort() })).toThrow("abort");
  // Told that the model is there, one may still want no session.
  const late = new AbortController();
  const created = Own.create({
    signal: late.signal,
    monitor: (m: EventTarget) =>
      m.addEventListener("downloadprogress", (e) => {
        if ((e as ProgressEvent).loaded === 1) late.abort(why);
      }),
  });
  await expect(created).rejects.toBe(why);
});

test("progress comes in steps that do not tell the size to the byte", async () => {
  const bytes = 3_000_017;
  const Loads = createLanguageModel((options) => {
    for (const loaded of [1, 1_000_003, bytes])
      options.onProgress?.({ phase: "download", loaded, total: bytes } as never);
    return loadFake(undefined, options);
  });
  const loaded: number[] = [];
  await Loads.create({
    monitor: (m: EventTarget) =>
      m.addEventListener("downloadprogress", (e) => loaded.push((e as ProgressEvent).loaded)),
  });
  expect(loaded.length).toBeGreaterThan(2);
  expect(loaded.every((part) => Number.isInteger(part * 0x10000))).toBe(true);
  Loads.unload();
});

test("availability and progress follow the load; a failure may be tried again", async () => {
  let times = 0;
  const Loads = createLanguageModel(async (options) => {
    if (times++ === 0) throw new Error("no network");
    return loadFake(undefined, options);
  });
  expect(await Loads.availability()).toBe("downloadable");
  await expect(Loads.create()).rejects.toThrow("no network");
  expect(await Loads.availability()).toBe("downloadable");
  const loaded: number[] = [];
  const creating = Loads.create({
    monitor: (m: EventTarget) =>
      m.addEventListener("downloadprogress", (e) => loaded.push((e as ProgressEvent).loaded)),
  });
  expect(await Loads.availability()).toBe("downloading");
  expect(await (await creating).prompt("echo yes")).toBe("yes");
  expect([loaded[0], loaded.at(-1)]).toEqual([0, 1]);
  expect(await Loads.availability()).toBe("available");
  Loads.unload();
  expect(await Loads.availability()).toBe("downloadable");
  const knows = createLanguageModel("model.gguf", { availability: () => "unavailable" });
  expect(await knows.availability()).toBe("unavailable");
});

test("it stands in where the browser has none", async () => {
  const page = globalThis as { LanguageModel?: Platform };
  expect(install(model)).toBe(true);
  try {
    const session = await page.LanguageModel!.create();
    expect(await session.prompt("echo here")).toBe("here");
    const first = page.LanguageModel;
    expect(install(model)).toBe(false);
    expect(page.LanguageModel).toBe(first);
    expect(install(model, { replace: true })).toBe(true);
    expect(page.LanguageModel).not.toBe(first);
  } finally {
    Reflect.deleteProperty(globalThis, "LanguageModel");
  }
});
