/** A model's text side without its weights, and arguments of every kind on the engine itself. */
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

test("loadText gives what the whole model gives, from the header alone", async ({ blank }) => {
  const { text, whole, header } = await blank.evaluate(async () => {
    const messages = [{ role: "user", content: "Hi <|im_end|>" }];
    const use = async (
      loaded: Pick<import("../../www/api/index.js").Model, "tokenize" | "detokenize" | "pieces" | "renderChat">,
    ) => {
      const ids = await loaded.tokenize("the cat<|im_end|> 🙂", { parseSpecial: true });
      return {
        ids,
        pieces: await loaded.pieces(ids),
        back: [await loaded.detokenize(ids), await loaded.detokenize(ids, true)],
        chat: await loaded.renderChat(messages, { addGenerationPrompt: true }),
      };
    };
    const reader = await sotto.loadText("/tiny/llama-f32.gguf");
    const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 64, backend: "cpu" });
    const result = { text: await use(reader), whole: await use(model), header: reader.header };
    await reader.dispose();
    await model.dispose();
    return result;
  });
  expect(text).toEqual(whole);
  expect(text.back).toEqual(["the cat 🙂", "the cat<|im_end|> 🙂"]);
  expect(text.pieces[0]).toBe("t");
  expect(text.chat).toBe("<|im_start|>user\nHi <|im_end|><|im_end|>\n<|im_start|>assistant\n");
  expect(header).toMatchObject({ architecture: "llama", contextLength: 512, nTensors: 30 });
  expect(header.specialTokens).toContainEqual({ name: "eos", id: 2, text: "<|im_end|>" });
});

test("nothing is downloaded after the header", async ({ blank }) => {
  const architecture = await blank.evaluate(async () => {
    const reader = await sotto.loadText("/endless/llama-f32.gguf");
    const { architecture } = reader.header;
    await reader.dispose();
    return architecture;
  });
  expect(architecture).toBe("llama");
  const sent = () => blank.evaluate(async () => Number(await (await fetch("/endless-sent")).text()));
  await blank.waitForTimeout(300);
  const first = await sent();
  expect(first).toBeLessThan(64 << 20);
  await blank.waitForTimeout(300);
  expect(await sent()).toBe(first);
});

test("a template alone renders, and says that it cannot tokenize", async ({ blank }) => {
  const result = await blank.evaluate(async () => {
    const reader = await sotto.loadText({ template: "{% for m in messages %}[{{ m.content }}]{% endfor %}{{ x }}" });
    const text = await reader.renderChat([{ role: "user", content: "Hi" }], { variables: { x: 5 } });
    const code = await reader.tokenize("x").catch(({ code }) => code as string);
    await reader.dispose();
    return { text, code };
  });
  expect(result).toEqual({ text: "[Hi]5", code: "unsupported_tokenizer" });
});

test("whatever is passed, the engine lives on", async ({ blank }) => {
  const { outcomes, text } = await blank.evaluate(async () => {
    const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 64, backend: "cpu" });
    const odd = [5, undefined, null, {}, [], true, () => {}, Symbol("x"), 5n, Number.NaN, new Map(), new Proxy({}, {})];
    const calls: ((value: never) => Promise<unknown>)[] = [
      (value) => model.tokenize(value),
      (value) => model.tokenize("x", { addSpecial: value }),
      (value) => model.detokenize(value),
      (value) => model.detokenize([value]),
      (value) => model.pieces([value]),
      (value) => model.renderChat(value),
      (value) => model.renderChat([value]),
      (value) => model.renderChat([{ role: "user", content: value }], { variables: value }),
      (value) => model.generate(value, { maxTokens: 1 }).next(),
      (value) => model.generate([value], { maxTokens: 1 }).next(),
      (value) => model.generate("x", { maxTokens: 1, logitBias: { 5: value } }).next(),
      (value) => model.generate("x", { maxTokens: 1, stop: [value] }).next(),
      (value) => model.chat(value, { max_completion_tokens: 1 }),
      (value) => model.chat([value], { max_completion_tokens: 1 }),
      (value) => model.chat("x", value),
      (value) => model.chat.completions.create(value),
      (value) => model.chat.completions.create({ messages: [{ role: "user", content: value }], max_tokens: 1 }),
      (value) =>
        model.chat.completions.create({ messages: [{ role: "user", parts: [value] } as never], max_tokens: 1 }),
      (value) => model.chat.completions.create({ messages: [["human", value]], max_tokens: 1 }),
      (value) => model.completions.create({ prompt: value, max_tokens: 1 }),
      (value) => model.countTokens(value),
      (value) => model.runTools({ messages: value, tools: [], max_tokens: 1 }),
      (value) => model.runTools({ messages: "x", tools: value, max_tokens: 1 }),
      (value) => model.runTools({ messages: "x", tools: [value], max_tokens: 1 }),
      (value) => model.runTools({ messages: "x", tools: [], max_tokens: 1 }, value),
      (value) => model.score(value),
      (value) => model.bench({ promptTokens: value, genTokens: 1, runs: 1 }),
    ];
    const outcomes: string[] = [];
    for (const call of calls)
      for (const value of odd) {
        outcomes.push(
          await call(value as never).then(
            () => "fine",
            (error: { name: string; code: string }) => `${error.name} ${error.code}`,
          ),
        );
      }
    const text = await model.detokenize(await model.tokenize("still here"));
    await model.dispose();
    return { outcomes, text };
  });
  const known = ["fine", "SottoError bad_option", "SottoError bad_template"];
  expect([...new Set(outcomes)].filter((outcome) => !known.includes(outcome))).toEqual([]);
  expect(outcomes.filter((outcome) => outcome !== "fine").length).toBeGreaterThan(100);
  expect(text).toBe("still here");
});

test("hostile templates end in an error, and the next one works", async ({ blank }) => {
  const codes = await blank.evaluate(async () => {
    const messages = [{ role: "user", content: "Hi" }];
    let most = 0;
    const attempt = async (template: string) => {
      const reader = await sotto.loadText({ template }, { workerUrl: "/workers/weighed.js" });
      try {
        const text = await reader.renderChat(messages, {}).catch(({ code }) => code as string);
        const asked = new BroadcastChannel("memory");
        const answer = new Promise<number>((resolve) => (asked.onmessage = ({ data }) => resolve(data)));
        asked.postMessage("?");
        most = Math.max(most, await answer);
        asked.close();
        return text;
      } finally {
        await reader.dispose();
      }
    };
    const grown = (start: string, step: string, times: number) =>
      `{% set ns = namespace(s=${start}) %}{% for i in range(${times}) %}{% set ns.s = ${step} %}{% endfor %}{{ ns.s }}`;
    const nested = (open: string, close: string, count: number) => `${open.repeat(count)}1${close.repeat(count)}`;
    const hostile = [
      `{{ 1${"+1".repeat(20_000)} }}`,
      `{{ 1${"+1".repeat(150)}${"|abs".repeat(3000)} }}`,
      `{{ ${"not ".repeat(20_000)}1 }}`,
      `{{ ${nested("[", "]", 20)}${"[0]".repeat(200)} }}`,
      `{{ ${nested("(", ")", 50_000)} }}`,
      nested("{% if true %}", "{% endif %}", 5000),
      `{% if false %}${"{% elif false %}".repeat(5000)}{% endif %}`,
      grown("[1]", "[ns.s]", 90_000),
      grown("[1]", "[ns.s, ns.s]", 60),
      grown("'x'", "ns.s + ns.s", 90_000),
      "{{ '{:>1000000000}'.format(1) }}",
      "{{ range(100000)|map(attribute='x', default='x' * 9000000)|join }}",
      "{% macro m(x) %}{{ m([x]) }}{% endmacro %}{{ m(1) }}",
      "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
      "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
      `{% set a = 'x' * 15000000 %}{{ [${"a.find('y', 0), ".repeat(300)}]|length / 0 }}`,
      `{% set k = range(40000)|list %}{{ [${"{k: 1}, ".repeat(300)}]|length / 0 }}`,
      `{% macro m() %}{{ caller() }}{{ caller() }}{% endmacro %}${"{% call m() %}".repeat(40)}x${"{% endcall %}".repeat(40)}`,
      `{% set a = ['x'] %}${"{% set a = [a|join(a|join), a|join] %}".repeat(200)}{{ a }}`,
      "{% for i in range(9) recursive %}{{ loop(range(9)) }}{% endfor %}",
      "{{ ('\\u0001' * 15000000)|tojson }}{{ ['\\u0001' * 15000000] }}",
    ];
    const codes: string[] = [];
    for (const template of hostile) {
      const begun = performance.now();
      codes.push(await attempt(template));
      const seconds = (performance.now() - begun) / 1000;
      if (seconds > 5) codes.push(`${seconds} s: ${template.slice(0, 80)}`);
      if (most > 300 << 20) codes.push(`${most} bytes: ${template.slice(0, 80)}`);
    }
    // As deep as is allowed: the stack suffices.
    codes.push(await attempt(`{{ ${nested("(", ")", 20)}${" + 1".repeat(100)} }}`));
    codes.push(await attempt(`${"{% if true %}".repeat(48)}1${"{% endif %}".repeat(48)}`));
    codes.push(await attempt("{% macro m(n) %}{% if n %}{{ m(n - 1) }}{% endif %}{% endmacro %}{{ m(15) }}1"));
    // Numbers that have more bits than an address.
    codes.push(await attempt("{{ 'abc'[::4294967296] }}{{ 'abc'[::-9223372036854775808] }}{{ 'abc'[4294967296:] }}"));
    return codes;
  });
  expect(codes.slice(0, -4)).toEqual(codes.slice(0, -4).map(() => "bad_template"));
  expect(codes.slice(-4)).toEqual(["101", "1", "1", "ac"]);
});
