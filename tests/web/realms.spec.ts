/** What another window made, such as an iframe, is as good as the page's own: on the engine itself. */
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

test("a model, messages and tools of an iframe, and proxies of them", async ({ blank }) => {
  const result = await blank.evaluate(async () => {
    const frame = document.createElement("iframe");
    document.body.append(frame);
    const other = frame.contentWindow as unknown as { File: typeof File; JSON: typeof JSON; eval(code: string): never };
    const bytes = await (await fetch("/tiny/llama-f32.gguf")).arrayBuffer();
    const model = await sotto.load(new other.File([bytes], "tiny.gguf"), { contextLength: 512, backend: "cpu" });
    const reactive = <T extends object>(value: T): T =>
      new Proxy(value, { get: (target, name) => wrap(Reflect.get(target, name)) });
    const wrap = (value: unknown) => (typeof value === "object" && value !== null ? reactive(value) : value);
    const own = [{ role: "user", content: "the cat" }];
    const theirs: typeof own = other.JSON.parse(JSON.stringify(own));
    const sampling = { temperature: 0, max_completion_tokens: 4 };
    const outer = new Proxy(model, {});
    const texts: string[] = [];
    for (const messages of [own, theirs, reactive(own), Object.freeze([...own])])
      texts.push((await outer.chat(messages, reactive(sampling))).text);
    const tool = { name: "now", parameters: other.JSON.parse('{"type":"object"}'), run: other.eval("() => 'noon'") };
    const reply = await outer.runTools(reactive({ messages: theirs, tools: [tool], ...sampling }));
    const tools = reactive([{ type: "function" as const, function: { name: "now" } }]);
    const taken = await outer.countTokens(theirs, { tools });
    await model.dispose();
    return { same: new Set(texts).size, sameRealm: theirs.constructor === Array, steps: reply.steps.length, taken };
  });
  expect(result).toMatchObject({ same: 1, sameRealm: false, steps: 1 });
  expect(result.taken).toBeGreaterThan(5);
});
