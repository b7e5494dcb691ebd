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

/** What 200 tools have as parameters; each is short, since the model's context has to hold all. */
const SHORT = [
  { a: { type: "array", minItems: 999 } },
  { a: { pattern: "^([a-z]{1,99}x)+$" } },
  { a: { multipleOf: 9973, minimum: 0 } },
  { a: { type: "string", minLength: 9000 } },
  { a: { enum: ["a", "b", 1, null] } },
  { a: { $ref: "#" } },
];

/** The grammar of 200 tools' calls, as the engine writes it; here no prompt need tell of them. */
function called(properties: object): string {
  const all = Array.from({ length: 200 }, (_, i) => i);
  const rules = all.map((i) => {
    const owner = { "x-guidance": { lenient: true }, "x-owner": `the parameters of the tool "t${i}"` };
    const schema = { type: "object", properties, additionalProperties: false, ...owner };
    return `call_${i}: "{\\"name\\": \\"t${i}\\", " args_${i} "}"\nargs_${i}: %json ${JSON.stringify(schema)}`;
  });
  return `start: ${all.map((i) => `call_${i}`).join(" | ")}\n${rules.join("\n")}\n`;
}

const many = (count: number, schema: object) =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`property_${i}`, schema]));

const LONG = [
  many(20, { type: "string" }),
  many(20, { enum: ["one", "two", "three"] }),
  many(8, { type: "object", properties: many(3, { type: "integer", minimum: 0, maximum: 999 }) }),
  many(400, { type: "string" }),
].map(called);

test("two hundred tools are compiled or refused, and the model goes on", async ({ blank }) => {
  test.slow();
  const { told, text } = await blank.evaluate(
    async ({ short, long }) => {
      const model = await sotto.load("/models/SmolLM2-135M-Instruct.Q4_1.gguf", {
        contextLength: 8192,
        backend: "cpu",
      });
      const told: { code: string; message?: string }[] = [];
      const attempt = async (request: object) => {
        const stopping = new AbortController();
        const messages = [{ role: "user" as const, content: "Call." }];
        // It resolves once the request is taken, before the prompt is computed.
        const outcome = await model.chat.completions
          .create({ messages, ...request, stream: true }, { signal: stopping.signal })
          .then(
            () => ({ code: "taken" }),
            ({ code, message }: { code: string; message: string }) => ({ code, message }),
          );
        told.push(outcome);
        stopping.abort();
      };
      for (const properties of short) {
        const tools = Array.from({ length: 200 }, (_, i) => ({
          type: "function",
          function: { name: `t${i}`, parameters: { properties } },
        }));
        await attempt({ tools, tool_choice: "required" });
      }
      for (const grammar of long) await attempt({ response_format: { type: "grammar", syntax: "lark", grammar } });
      const { choices } = await model.chat.completions.create({
        messages: [{ role: "user", content: "Hi" }],
        response_format: { type: "regex", pattern: "yes|no" },
      });
      return { told, text: choices[0]!.message.content };
    },
    { short: SHORT, long: LONG },
  );
  for (const { code, message } of told) expect(["taken", "bad_option"], message).toContain(code);
  expect(text).toMatch(/^(yes|no)$/);
});
