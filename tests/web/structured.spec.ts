/** Replies held to a format, by the built package: valid, with the module of grammars fetched when it is first needed. */
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

const SCHEMA = {
  type: "object",
  properties: { mood: { enum: ["calm", "merry"] }, count: { type: "integer", minimum: 0, maximum: 20 } },
  required: ["mood", "count"],
  additionalProperties: false,
};

const MODULE = "sotto_grammar_bg.wasm";

test("a reply fits its schema, and the module is fetched only for it", async ({ blank }) => {
  const fetched: string[] = [];
  blank.on("request", (request) => fetched.push(request.url().split("/").pop()!));
  const answer = (response_format?: unknown) =>
    blank.evaluate(async (response_format) => {
      const held = globalThis as unknown as { model?: Awaited<ReturnType<typeof sotto.load>> };
      held.model ??= await sotto.load("/models/SmolLM2-135M-Instruct.Q4_1.gguf", {
        contextLength: 512,
        backend: "cpu",
      });
      const completion = await held.model.chat.completions.create({
        messages: [{ role: "user", content: "How are you, and how many are you?" }],
        max_tokens: 40,
        ...(response_format ? { response_format: response_format as never } : {}),
      });
      return completion.choices[0]!.message.content!;
    }, response_format);
  await answer();
  expect(fetched).not.toContain(MODULE);
  const json_schema = { name: "state", strict: true, schema: SCHEMA };
  for (let i = 0; i < 3; i++) {
    const reply = JSON.parse(await answer({ type: "json_schema", json_schema }));
    expect(SCHEMA.properties.mood.enum).toContain(reply.mood);
    expect(reply.count >= 0 && reply.count <= 20).toBe(true);
  }
  expect(fetched.filter((name) => name === MODULE)).toHaveLength(1);
  expect(await answer({ type: "regex", pattern: "[0-9]{3}-[a-c]" })).toMatch(/^[0-9]{3}-[a-c]$/);
  expect(await answer({ type: "grammar", syntax: "gbnf", grammar: 'root ::= "(" root ")" | "yes" | "no"' })).toMatch(
    /yes|no|\(/,
  );

  // What cannot be kept says so, and the model goes on.
  const refused = (format: unknown) => answer(format).catch((error: Error) => error.message);
  const not = { name: "n", strict: true, schema: { properties: { a: { not: {} } } } };
  expect(await refused({ type: "json_schema", json_schema: not })).toContain('"not" at /properties/a/not');
  const deep = `start: a0\n${Array.from({ length: 1900 }, (_, i) => `a${i}: a${i + 1}\n`).join("")}a1900: "a"\n`;
  await refused({ type: "grammar", grammar: deep });
  const ambiguous = 'root ::= "a"+ x\nx ::= "a" | "a" x "a"';
  expect(await refused({ type: "grammar", syntax: "gbnf", grammar: ambiguous })).toContain("too deep or too large");
  expect(await answer({ type: "regex", pattern: "ab?" })).toMatch(/^ab?$/);
});

test("where the module cannot be fetched, an error says so", async ({ blank }) => {
  await blank.route(`**/${MODULE}`, (route) => route.fulfill({ status: 404 }));
  const said = await blank.evaluate(async () => {
    const model = await sotto.load("/models/SmolLM2-135M-Instruct.Q4_1.gguf", { contextLength: 256, backend: "cpu" });
    const create = (rest: object) =>
      model.chat.completions.create({ messages: [{ role: "user", content: "Hi" }], max_tokens: 4, ...rest });
    const message = await create({ response_format: { type: "json_object" } }).then(
      () => "answered",
      (error: Error) => error.message,
    );
    const { choices } = await create({});
    return { message, length: choices.length };
  });
  expect(said.message).toContain("serve sotto_grammar_bg.wasm beside worker.js");
  expect(said.length).toBe(1);
});

/** A call of a tool as small models write it: no grammar holds it, since it does not begin as calls do. */
const FENCED = '```json\n{"name": "weather", "arguments": {"city": "Paris"}}\n```';

test("a call that no grammar held is one where its arguments fit the schema", async ({ blank }) => {
  const choices = await blank.evaluate(async (fenced) => {
    const model = await sotto.load("/models/SmolLM2-135M-Instruct.Q4_1.gguf", { contextLength: 512, backend: "cpu" });
    const ask = async (type: string) => {
      const parameters = {
        type: "object",
        properties: { city: { type } },
        required: ["city"],
        additionalProperties: false,
      };
      const { choices } = await model.chat.completions.create({
        messages: [{ role: "user", content: `Repeat this text exactly, nothing else:\n${fenced}` }],
        tools: [{ type: "function", function: { name: "weather", parameters } }],
        temperature: 0,
        max_tokens: 40,
      });
      return choices[0]!.message;
    };
    return [await ask("string"), await ask("integer")];
  }, FENCED);
  expect(choices[0]!.tool_calls).toMatchObject([{ function: { name: "weather", arguments: '{"city": "Paris"}' } }]);
  expect(choices[1]!.tool_calls).toBeUndefined();
  expect(choices[1]!.content).toContain(FENCED);
});

test("two hundred forced tools are compiled or refused in five seconds, and the model goes on", async ({ blank }) => {
  test.slow();
  const told = await blank.evaluate(async () => {
    const model = await sotto.load("/models/SmolLM2-135M-Instruct.Q4_1.gguf", { contextLength: 8192, backend: "cpu" });
    const told: { seconds: number; code: string }[] = [];
    const refers = { $ref: "#/$defs/n", $defs: { n: { properties: { a: { $ref: "#/$defs/n" } } } } };
    const schemas = [
      { type: "array", minItems: 999 },
      { pattern: "^([a-z]{1,99}[0-9]+)+x$" },
      { multipleOf: 9973, minimum: 0 },
      { type: "string", minLength: 9000 },
      { enum: ["a", "b", 1, null] },
      refers,
    ];
    for (const schema of schemas) {
      const tools = Array.from({ length: 200 }, (_, i) => ({
        type: "function" as const,
        function: { name: `t${i}`, parameters: { properties: { a: schema } } },
      }));
      const stopping = new AbortController();
      const messages = [{ role: "user" as const, content: "Call." }];
      const begun = performance.now();
      // It resolves once the request is taken, before the prompt is computed.
      const code = await model.chat.completions
        .create({ messages, tools, tool_choice: "required", stream: true }, { signal: stopping.signal })
        .then(
          () => "taken",
          (error: { code: string }) => error.code,
        );
      told.push({ seconds: (performance.now() - begun) / 1000, code });
      stopping.abort();
    }
    const { choices } = await model.chat.completions.create({
      messages: [{ role: "user", content: "Hi" }],
      response_format: { type: "regex", pattern: "yes|no" },
    });
    return { told, text: choices[0]!.message.content };
  });
  console.log(JSON.stringify(told));
  for (const { seconds, code } of told.told) {
    expect(["taken", "bad_option"]).toContain(code);
    expect(seconds).toBeLessThan(5);
  }
  expect(told.text).toMatch(/^(yes|no)$/);
});
