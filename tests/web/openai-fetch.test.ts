/** OpenAI's own client, answered in the tab. */
import OpenAI from "openai";
import { afterEach, beforeEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import { createFetch, type Fetch, type FetchOptions, type Route, ROUTE } from "../../www/pieces/openai/index.js";
import { clearLog, log } from "./fake-engine.js";
import { loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  clearLog();
  model = await loadFake();
});
afterEach(() => model.dispose());

function client(options?: FetchOptions, given: { model?: Parameters<typeof createFetch>[0] } = { model }): OpenAI {
  const fetch = createFetch(given.model, options) as typeof globalThis.fetch;
  return new OpenAI({ apiKey: "none", fetch, dangerouslyAllowBrowser: true });
}

const user = (content: string) => [{ role: "user" as const, content }];
const say = (content: string) => ({ model: "any", messages: user(content) });

test("a chat, whole and streamed", async () => {
  const answer = await client().chat.completions.create(say("echo one two"));
  expect(answer.choices[0]!.message.content).toBe("one two");
  expect(answer.usage).toMatchObject({ prompt_tokens: 3, completion_tokens: 2 });
  const stream_options = { include_usage: true };
  const parts = await client().chat.completions.create({ ...say("echo one two"), stream: true, stream_options });
  let text = "";
  let total: number | undefined;
  for await (const { choices, usage } of parts) {
    text += choices[0]?.delta.content ?? "";
    total = usage?.total_tokens ?? total;
  }
  expect({ text, total }).toEqual({ text: "one two", total: 5 });
  const helper = client().chat.completions.stream(say("echo by the helper"));
  expect(await helper.finalContent()).toBe("by the helper");
});

test("the client's own loop of tools", async () => {
  const weather = {
    type: "function" as const,
    function: {
      name: "weather",
      description: "The weather.",
      parameters: { type: "object", properties: { city: { type: "string" } } },
      parse: JSON.parse as (text: string) => { city: string },
      function: ({ city }: { city: string }) => `warm in ${city}`,
    },
  };
  const request = { ...say("Is it warm?"), tools: [weather] };
  expect(await client().chat.completions.runTools(request).finalContent()).toBe("warm in Paris");
  const runner = client().chat.completions.runTools({ ...request, stream: true });
  expect(await runner.finalContent()).toBe("warm in Paris");
});

test("objects by a schema, read by the client's helper", async () => {
  const schema = { type: "object", properties: { city: { type: "string" }, warm: { type: "boolean" } } };
  const response_format = { type: "json_schema" as const, json_schema: { name: "place", schema, strict: true } };
  const { choices } = await client().chat.completions.parse({ ...say("Where?"), response_format });
  expect(choices[0]!.message.parsed).toEqual({ city: "Paris", warm: true });
});

test("texts that go on, vectors, and the model that there is", async () => {
  const answer = await client().completions.create({ model: "any", prompt: "echo on" });
  expect(answer.choices[0]!.text).toBe("on");
  // The client asks for base64 by itself, and reads it.
  const { data, usage } = await client().embeddings.create({ model: "any", input: ["banana", "tree"] });
  expect(data.map(({ embedding }) => Array.from(embedding))).toEqual([
    [3, 0, 0, 0],
    [0, 2, 0, 0],
  ]);
  expect(usage.total_tokens).toBe(10);
  const names: string[] = [];
  for await (const { id } of client().models.list()) names.push(id);
  expect(names).toEqual(["Fake 135M Instruct"]);
  expect((await client().models.retrieve(names[0]!)).owned_by).toBe("sotto");
  await expect(client().models.retrieve("gpt-4o")).rejects.toMatchObject({ status: 404, code: "model_not_found" });
});

test("a signal stops the model, also by leaving the loop", async () => {
  const stop = new AbortController();
  const parts = await client().chat.completions.create({ ...say("Hi"), stream: true }, { signal: stop.signal });
  let count = 0;
  // The client ends a stream that was stopped without an error.
  for await (const _ of parts) if (++count === 3) stop.abort();
  expect(count).toBe(3);
  for await (const _ of await client().chat.completions.create({ ...say("Hi"), stream: true })) break;
  const late = client().chat.completions.create(say("Hi"), { signal: AbortSignal.timeout(50) });
  await expect(late).rejects.toBeInstanceOf(OpenAI.APIUserAbortError);
  expect((await client().chat.completions.create(say("echo next"))).choices[0]!.message.content).toBe("next");
  expect(log).toMatchObject({ cancelled: 3, running: 0 });
});

const NEVER = new Promise<never>(() => {});

test.each([
  ["the model", () => createFetch(NEVER)],
  ["the page's rule", () => createFetch(model, { fallback: { baseURL: "https://far.test", when: () => NEVER } })],
  ["headers", () => createFetch(undefined, { fallback: { baseURL: "https://far.test", headers: () => NEVER } })],
  ["who is told the way", () => createFetch(model, { onRoute: () => NEVER })],
  ["the server", () => createFetch(undefined, { fallback: { baseURL: "https://far.test", fetch: () => NEVER } })],
])("a signal ends a request that waits for %s, and so does the client's timeout", async (_, make) => {
  const stop = new AbortController();
  const asked = make()("/v1/models", { signal: stop.signal });
  stop.abort();
  await expect(asked).rejects.toBe(stop.signal.reason);
  const fetch = make() as typeof globalThis.fetch;
  const patient = new OpenAI({ apiKey: "none", fetch, dangerouslyAllowBrowser: true, timeout: 20, maxRetries: 0 });
  await expect(patient.chat.completions.create(say("x"))).rejects.toBeInstanceOf(OpenAI.APIConnectionTimeoutError);
});

test("a request that was stopped while the page's rule was asked is not sent", async () => {
  const { fetch, asked } = server();
  const stop = new AbortController();
  let decide!: (there: boolean) => void;
  const when = () =>
    new Promise<boolean>((resolve) => {
      decide = resolve;
    });
  const sent = createFetch(model, { fallback: { baseURL: "https://far.test", fetch, when } });
  const answer = sent("/v1/models", { signal: stop.signal });
  while (!decide) await new Promise((resolve) => setTimeout(resolve));
  stop.abort();
  decide(true);
  await expect(answer).rejects.toThrow();
  await new Promise((resolve) => setTimeout(resolve, 5));
  expect(asked).toEqual([]);
});

test("a function gives the model; what is none is told as that", async () => {
  for (const given of [() => model, async () => model, () => Promise.resolve(model)])
    expect(
      (await client({}, { model: given }).chat.completions.create(say("echo a"))).choices[0]!.message.content,
    ).toBe("a");
  for (const wrong of [{}, "x", () => undefined, Promise.resolve(null)] as never[]) {
    const answer = await createFetch(wrong)("/v1/models");
    expect([answer.status, await answer.json()]).toMatchObject([400, { error: { code: "invalid_value" } }]);
  }
  expect((await createFetch(model, null as never)("/v1/models")).status).toBe(200);
  expect((await createFetch(model)("/v1/models/%E0%A4%A")).status).toBe(404);
});

test("failures are OpenAI's, and are not asked again", async () => {
  const wrong = client().chat.completions.create({ ...say("x"), top_p: 5 });
  await expect(wrong).rejects.toBeInstanceOf(OpenAI.BadRequestError);
  await expect(wrong).rejects.toMatchObject({ status: 400, param: "top_p", type: "invalid_request_error" });
  const long = client().chat.completions.create(say("word ".repeat(200)));
  await expect(long).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
  const later = async () => {
    for await (const _ of await client().chat.completions.create({ ...say("lost"), stream: true }));
  };
  await expect(later()).rejects.toMatchObject({ code: "device_lost" });
  await expect(client().images.generate({ prompt: "x" })).rejects.toBeInstanceOf(OpenAI.NotFoundError);
  await expect(client().embeddings.create({ model: "any", input: 5 as never })).rejects.toMatchObject({ status: 400 });
  await model.dispose();
  await expect(client().chat.completions.create(say("x"))).rejects.toMatchObject({ status: 503, code: "disposed" });
});

test("requests by hand: bodies, methods, addresses", async () => {
  const fetch = createFetch(model);
  const status = async (path: string, init?: RequestInit) => (await fetch(`http://tab.test${path}`, init)).status;
  const body = JSON.stringify(say("echo hello"));
  expect(await status("/v1/chat/completions", { method: "POST", body })).toBe(200);
  expect(await status("/any/v1/chat/completions/", { method: "POST", body: new Blob([body]) })).toBe(200);
  expect(await status("/v1/chat/completions", { method: "POST", body: "{" })).toBe(400);
  expect(await status("/v1/chat/completions", { method: "POST" })).toBe(400);
  expect(await status("/v1/chat/completions")).toBe(405);
  expect(await status("/v1/responses", { method: "POST", body })).toBe(404);
  const answer = await fetch(new Request("http://tab.test/v1/chat/completions", { method: "POST", body }));
  expect(await answer.json()).toMatchObject({ choices: [{ message: { content: "hello" } }] });
  const { body: events } = await fetch("http://tab.test/v1/completions", {
    method: "POST",
    body: JSON.stringify({ prompt: "echo on", stream: true }),
  });
  expect(await new Response(events).text()).toMatch(/^data: \{.*\n\ndata: \[DONE\]\n\n$/s);
});

/** A server that says what it was asked. */
function server(): { fetch: Fetch; asked: { url: string; body: string; headers: Headers }[] } {
  const asked: { url: string; body: string; headers: Headers }[] = [];
  return {
    asked,
    fetch: async (url, init) => {
      asked.push({ url: String(url), body: String(init?.body), headers: new Headers(init?.headers) });
      return Response.json({ choices: [{ message: { content: "from afar" } }] });
    },
  };
}

test("a server answers where the page says so, and never else; the way of each request is told", async () => {
  const { fetch, asked } = server();
  const routes: Route[] = [];
  const when = ({ body }: { body: unknown }) => JSON.stringify(body).includes("hard");
  const headers = { authorization: "Bearer page" };
  const fallback = { baseURL: "https://far.test/v1/", headers, model: "large", when, fetch };
  const asks = client({ fallback, onRoute: (route) => routes.push(route) });
  const near = await asks.chat.completions.create(say("echo easy")).withResponse();
  expect(near.response.headers.get(ROUTE)).toBe("tab");
  expect(asked).toEqual([]);
  const far = await asks.chat.completions.create(say("hard")).withResponse();
  expect(far.data.choices[0]!.message.content).toBe("from afar");
  expect(far.response.headers.get(ROUTE)).toBe("https://far.test/v1/chat/completions");
  expect(asked[0]!.url).toBe("https://far.test/v1/chat/completions");
  expect(JSON.parse(asked[0]!.body)).toEqual({ ...say("hard"), model: "large" });
  // The client's own key stays here.
  expect(asked[0]!.headers.get("authorization")).toBe("Bearer page");
  expect(routes.map(({ to }) => to)).toEqual(["tab", "server"]);
  const refuses = client({
    fallback,
    onRoute: ({ to }) => {
      if (to === "server") throw new Error("not today");
    },
  });
  await expect(refuses.chat.completions.create(say("hard"), { maxRetries: 0 })).rejects.toThrow();
  expect(asked).toHaveLength(1);
});

test("without a model: the server, where there is one, else an error", async () => {
  const { fetch, asked } = server();
  const tooLarge = Promise.reject(Object.assign(new Error("too large"), { name: "SottoError", code: "out_of_memory" }));
  // One that fails before anything is asked, too.
  createFetch(tooLarge);
  const fallback = { baseURL: "https://far.test", fetch };
  for (const given of [{}, { model: tooLarge }]) {
    const answer = await client({ fallback }, given).chat.completions.create(say("x"));
    expect(answer.choices[0]!.message.content).toBe("from afar");
    await expect(client({}, given).chat.completions.create(say("x"))).rejects.toBeInstanceOf(
      OpenAI.InternalServerError,
    );
  }
  expect(asked).toHaveLength(2);
});
