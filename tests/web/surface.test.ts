/** Whatever holds a page's chats (Vue, Svelte, MobX, Immer, another window), every call takes it, and the model too. */
import { runInNewContext } from "node:vm";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import { loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  model = await loadFake();
});
afterEach(() => model.dispose());

/** As Vue's `reactive` and Svelte's `$state`: whatever is read out of it is a proxy too. */
function reactive<T>(value: T): T {
  const isData = typeof value === "object" && value !== null;
  return isData ? new Proxy(value, { get: (target, name) => reactive(Reflect.get(target, name)) }) : value;
}

function frozen<T>(value: T): T {
  if (typeof value === "object" && value !== null) Object.values(Object.freeze(value)).forEach(frozen);
  return value;
}

const isolated = <T>(value: T): T => runInNewContext(`(${JSON.stringify(value)})`);

/** Functions are the page's own. */
const withRun = <T extends object>(tool: T) => ({ ...tool, run: ({ city }: { city: string }) => `warm in ${city}` });

const TOOL = { name: "weather", parameters: { type: "object", properties: { city: { type: "string" } } } };
const WIRE_TOOL = { type: "function" as const, function: TOOL };

const holders: [string, <T>(value: T) => T][] = [
  ["proxies", reactive],
  ["frozen objects", frozen],
  ["another realm's objects", isolated],
  ["objects without a prototype", (value) => Object.assign(Object.create(null), value)],
];

for (const [what, held] of holders) {
  const list =
    what === "objects without a prototype"
      ? <T>(value: T[]) => value.map((item) => (typeof item === "object" ? held(item) : item))
      : held;

  test(`${what}: messages, tools and options of every call`, async () => {
    const messages = list([{ role: "user" as const, content: "echo all of it" }]);
    const tools = list([WIRE_TOOL]);
    const options = held({ stop: ["never"], temperature: 0 });
    expect((await model.chat(messages, options)).text).toBe("all of it");
    expect((await model.chat.completions.create(held({ messages, tools, seed: 5 }))).choices).toHaveLength(1);
    let text = "";
    for await (const piece of model.generate(messages, held({ stop: ["never"], maxTokens: 9 }))) text += piece.text;
    expect(text).toBe("all of it");
    expect(await model.renderChat(messages, held({ addGenerationPrompt: true }))).toBe("user: echo all of it\n");
    expect(await model.countTokens(messages, held({ tools }))).toBe(4);
    const asked = list([{ role: "user" as const, content: "Is it warm in Paris?" }]);
    // A copy by JSON has no functions.
    const request = { messages: asked, tools: [withRun(TOOL)] };
    const own = what === "another realm's objects" ? { ...request, tools: [withRun(held(TOOL))] } : held(request);
    expect((await model.runTools(own)).text).toBe("warm in Paris");
    expect((await model.completions.create(held({ prompt: "echo x", max_tokens: 5 }))).choices[0]!.text).toBe("x");
    expect(await model.detokenize(list([72, 105]), held({ keepSpecial: true }))).toBe("Hi");
    expect(await model.tokenize("Hi", held({ addSpecial: false }))).toEqual([72, 105]);
  });
}

test("every public member works through a proxy of the model", async () => {
  const outer = reactive(model);
  const messages = [{ role: "user" as const, content: "echo yes" }];
  expect(await outer.renderChat(messages)).toBe("user: echo yes\n");
  expect(await outer.countTokens(messages)).toBe(2);
  expect(await outer.tokenize("a")).toEqual([97]);
  expect(await outer.detokenize([97])).toBe("a");
  expect(await outer.pieces([97])).toEqual(["a"]);
  expect((await outer.score("ab")).tokens).toEqual([97, 98]);
  expect((await outer.bench({ runs: 1 })).prefillTps).toBe(1);
  expect((await outer.stats()).cache.cells).toBe(100);
  expect(await outer.prime("Be brief.")).toBe(3);
  await expect(outer.prime("Be brief.", { temperature: 0 } as object)).rejects.toThrow(
    "temperature is not an option of prime; chat.completions.create takes it.",
  );
  expect((await new Proxy(model, {}).chat(messages)).text).toBe("yes");
  expect((await new Proxy(model, {}).chat.completions.create({ messages })).object).toBe("chat.completion");
  expect((await new Proxy(model, {}).runTools({ messages, tools: [withRun(TOOL)] })).text).toBe("yes");
  let text = "";
  for await (const piece of outer.generate(messages)) text += piece.text;
  expect(text).toBe("yes");
  expect(outer.info.name).toBe("Fake 135M Instruct");
  await outer.dispose();
  await expect(model.tokenize("a")).rejects.toMatchObject({ code: "disposed" });
});

test("what a page changes after a call does not reach it", async () => {
  const messages = [{ role: "user" as const, content: "echo before" }];
  const reply = model.chat(messages);
  messages[0]!.content = "echo after";
  expect((await reply).text).toBe("before");
});
