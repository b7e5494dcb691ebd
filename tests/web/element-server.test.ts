/** A server as a conversation's model: what it is asked, how its replies come in, how it fails. */
import type { ServerResponse } from "node:http";
import { afterEach, expect, test, vi } from "vitest";
import { serve } from "../../tools/serve.mjs";
import type { CreateChat } from "../../www/api/chat.js";
import { type ChatFallback, hostOf, routed } from "../../www/pieces/element/chat/server.js";
import type { ChatModel } from "../../www/pieces/element/chat/session.js";
import { Session, type Settings } from "../../www/pieces/element/chat/session.js";
import type { AssistantTurn, Call } from "../../www/pieces/element/chat/turns.js";
import { createFetch } from "../../www/pieces/openai/index.js";

vi.mock("sotto", async () => ({ runTools: (await import("../../www/api/tools.js")).runTools }));
afterEach(() => vi.unstubAllGlobals());

const FAR = { baseURL: "https://far.test/v1/" };
const chunk = (delta: object, finish_reason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason }],
});
const event = (data: unknown) => `data: ${JSON.stringify(data)}\n\n`;
const whole = (...texts: string[]) =>
  `: hello\n\n${texts.map((content) => event(chunk({ content }))).join("")}${event(chunk({}, "stop"))}data: [DONE]\n\n`;

/** A server that answers with these one after the other; what it was asked. */
function answering(...answers: (string | Response | Error)[]) {
  const asked: { url: string; headers: Headers; body: { messages?: unknown }; signal: AbortSignal | null }[] = [];
  vi.stubGlobal("fetch", async (url: URL, init: RequestInit) => {
    const { headers, body, signal } = init;
    asked.push({ url: url.href, headers: headers as Headers, body: JSON.parse(String(body)), signal: signal ?? null });
    const next = answers.shift()!;
    if (next instanceof Error) throw next;
    return typeof next === "string" ? new Response(inPieces(next)) : next;
  });
  return asked;
}

/** Seven bytes at a time: characters and events are cut. */
function inPieces(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  const bytes = new TextEncoder().encode(text);
  let at = 0;
  return new ReadableStream({
    pull(controller) {
      if (at >= bytes.length) return controller.close();
      controller.enqueue(bytes.slice(at, at + 7));
      at += 7;
    },
  });
}

async function reply(model: ChatModel, text = "hi", options: object = {}): Promise<string> {
  const messages: CreateChat["messages"] = [{ role: "user", content: text }];
  let all = "";
  for await (const { choices } of await model.chat.completions.create(
    { messages, overflow: "trim", temperature: 0.5, stream: true },
    options,
  ))
    all += choices[0]?.delta.content ?? "";
  return all;
}

/** A conversation, with what it told. */
function talking(tools: Settings["tools"] = []) {
  const calls: Call[] = [];
  const errors: unknown[] = [];
  const quiet = { added() {}, removed() {}, read() {}, part() {}, begun() {}, text() {}, thought() {}, forgotten() {} };
  const called = (_: unknown, call: Call) => void calls.push({ ...call });
  const ended = (_: unknown, error: unknown) => void errors.push(error);
  const settings = { system: "", params: {}, goOn: "", tools };
  return Object.assign(new Session({ ...quiet, called, ended }, () => settings), { calls, errors });
}

const server = (fallback: ChatFallback = FAR) => routed(undefined, fallback, () => {});

test("it is asked as OpenAI's API has it, and its events are read however they are cut", async () => {
  const asked = answering(whole("Grüße ", "🚲", " 你好"));
  const headers = async () => ({ authorization: "Bearer x" });
  expect(await reply(server({ ...FAR, model: "large", headers }))).toBe("Grüße 🚲 你好");
  const [{ url, headers: sent, body }] = asked as [(typeof asked)[0]];
  expect([url, sent.get("authorization"), sent.get("content-type")]).toEqual([
    "https://far.test/v1/chat/completions",
    "Bearer x",
    "application/json",
  ]);
  // What only Sotto knows stays here.
  expect(body).toEqual({ messages: [{ role: "user", content: "hi" }], temperature: 0.5, stream: true, model: "large" });
  expect(hostOf(FAR)).toBe("far.test");
});

test.each([
  ["network", "far.test was not reached", new TypeError("Failed to fetch")],
  ["http", "status 401: No key.", Response.json({ error: { message: "No key." } }, { status: 401 })],
  ["http", "status 502", new Response("<html>", { status: 502 })],
  ["http", "broke off: Too busy.", event(chunk({ content: "a" })) + event({ error: { message: "Too busy." } })],
  ["network", "broke off its reply", `${event(chunk({ content: "a" }))}data: {"choi\n\n`],
])("a failure has a code and a sentence: %s, %s", async (code, said, answer) => {
  answering(answer);
  const error = await reply(server()).catch((thrown) => thrown);
  expect([error.code, error.message]).toEqual([code, expect.stringContaining(said)]);
});

const said = (data: string) => `${data}\n\n`;
const half = event(chunk({ content: "half" }));
const json = (body: object) => Response.json(body);

test.each([
  ["a whole answer", "http", "streamed chat", json({ choices: [{ message: { content: "all" } }] })],
  ["an error as a good answer", "http", "status 200: quota", json({ error: { message: "quota" } })],
  ["a page", "http", "streamed chat", new Response("<p>", { headers: { "content-type": "text/html" } })],
  ["an empty body", "http", "streamed chat", ""],
  ["no body", "http", "streamed chat", new Response(null, { status: 204 })],
  ["rubbish", "http", "streamed chat", "\u0000\u0001 what\n\n\u0002"],
  ["the end alone", "http", "streamed chat", said("data: [DONE]")],
  ["objects of other kinds", "http", "streamed chat", event({}) + event(5) + event("x") + event({ choices: null })],
  ["nothing", "network", "broke off its reply", event(null)],
  ["a stream that ends early", "network", "broke off its reply", half],
  ["one that ends in an event", "network", "broke off its reply", `${half}data: {"choices":[{"del`],
  ["one event without an end", "network", "broke off its reply", new Response(`${half}data: ${"x".repeat(5 << 20)}`)],
])("what is no whole reply is a failure: %s", async (_, code, words, answer) => {
  answering(answer);
  const session = talking();
  await session.send(server(), "hi");
  const turn = session.turns.at(-1) as AssistantTurn;
  expect([turn.end, turn.error]).toEqual(["failed", expect.stringContaining(words)]);
  expect(session.errors).toMatchObject([{ code }]);
});

test("the words of a failure are short", async () => {
  for (const error of ["x".repeat(56_000), { message: "x".repeat(56_000) }]) {
    answering(Response.json({ error }, { status: 500 }), half + event({ error }));
    for (let i = 0; i < 2; i++)
      expect((await reply(server()).catch((thrown) => thrown)).message).toMatch(/^far.test .*: x{200}…$/);
  }
});

test("what is not of a reply is left out of it", async () => {
  const call = (index: unknown, more: object) => chunk({ tool_calls: [null, 5, { index, ...more }] });
  answering(
    said(`data: ${JSON.stringify({ choices: [null] })}`) +
      event({ choices: [{ delta: null }], dropped: "abc" }) +
      event({ ...chunk({ content: [{ type: "text", text: "hi" }, null] }), dropped: 5 }) +
      event(chunk({ content: { a: 1 }, reasoning_content: 7 })) +
      event({ ...chunk({}, {} as never), usage: "x" }) +
      event({ ...chunk({}, "stop"), usage: { completion_tokens: "many", prompt_tokens: {} } }) +
      said("data: [DONE]"),
    event(call(3, { id: 1, function: { name: "now", arguments: { a: 1 } } })) +
      event(call(7, { id: "b", function: { name: {}, arguments: "x" } })) +
      event(chunk({ tool_calls: "all" }, "tool_calls")),
    whole("done"),
  );
  const plain = talking();
  await plain.send(server(), "hi");
  expect(plain.turns.at(-1)).toMatchObject({ text: "hi", end: "whole", took: { tokens: 1 } });
  const session = talking([{ name: "now", parameters: { type: "object" }, run: () => "noon" }]);
  await session.send(server(), "hi");
  expect(session.turns.at(-1)).toMatchObject({
    text: "done",
    end: "whole",
    calls: [{ name: "now", result: "noon" }, {}],
  });
});

test("a reply of calls alone is cut", async () => {
  const call = { index: 0, id: "1", type: "function", function: { name: "now", arguments: "{}" } };
  answering(...Array.from({ length: 10 }, () => event(chunk({ tool_calls: [call] }, "tool_calls"))));
  const session = talking([{ name: "now", parameters: { type: "object" }, run: () => "noon" }]);
  await session.send(server(), "hi");
  expect(session.turns.at(-1)).toMatchObject({ text: "", end: "cut" });
});

test("a server that sends elsewhere is not followed: the chat says where the words go", async () => {
  const other = await serve({ "/": (_: unknown, response: ServerResponse) => void response.end(whole("elsewhere")) });
  const first = await serve({
    "/": (_: unknown, response: ServerResponse) => void response.writeHead(307, { location: other.url }).end(),
  });
  try {
    const error = await reply(server({ baseURL: first.url })).catch((thrown) => thrown);
    expect([error.code, error.message]).toEqual(["network", expect.stringContaining("was not reached")]);
    const tab = createFetch(undefined, { fallback: { baseURL: first.url } });
    await expect(tab("/v1/chat/completions", { method: "POST", body: "{}" })).rejects.toThrow("fetch failed");
  } finally {
    await Promise.all([first.close(), other.close()]);
  }
});

test("what fails in the page's own headers is not said of the server", async () => {
  const asked = answering(whole("never"));
  const headers = () => Promise.reject(new Error("No token today."));
  await expect(reply(server({ ...FAR, headers }))).rejects.toThrow("No token today.");
  expect(asked).toEqual([]);
});

test("a reply that is stopped keeps what it has", async () => {
  let cut: ((error: unknown) => void) | undefined;
  const stuck = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      controller.enqueue(new TextEncoder().encode(event(chunk({ content: "one " }))));
      cut = (error) => controller.error(error);
    },
  });
  answering(new Response(stuck));
  const stop = new AbortController();
  setTimeout(() => {
    stop.abort();
    // As the browser's fetch does.
    cut?.(stop.signal.reason);
  }, 20);
  expect(await reply(server(), "hi", { signal: stop.signal, onAbort: "result" })).toBe("one ");
});

const NEVER = new Promise<never>(() => {});

test.each([
  ["headers", () => server({ ...FAR, headers: () => NEVER })],
  ["a rule", () => routed({ info: {} } as ChatModel, { ...FAR, when: () => NEVER }, () => {})],
  ["a model", () => ({ info: { chatTemplate: true }, chat: { completions: { create: () => NEVER } } }) as never],
  ["a model in a reply", () => endless],
])("a reply is stopped where %s never comes to an end", async (_, model: () => ChatModel) => {
  vi.useFakeTimers();
  try {
    const session = talking();
    const sent = session.send(model(), "hi");
    await vi.advanceTimersByTimeAsync(10);
    session.stop();
    await vi.runAllTimersAsync();
    await sent;
    expect([session.busy, session.turns.at(-1)]).toMatchObject([false, { end: "stopped" }]);
    go?.();
    await vi.runAllTimersAsync();
    expect(session.turns.at(-1)!.text).not.toContain("late");
  } finally {
    vi.useRealTimers();
  }
});

let go: (() => void) | undefined;
const endless = {
  info: { chatTemplate: true },
  chat: {
    completions: {
      async *create() {
        yield chunk({ content: "early" });
        await new Promise<void>((resolve) => {
          go = resolve;
        });
        yield chunk({ content: "late" });
      },
    },
  },
} as unknown as ChatModel;

test("functions of the page are called for a server, too", async () => {
  const call = { index: 0, id: "1", type: "function", function: { name: "weather", arguments: '{"city":"Rome"}' } };
  const asked = answering(
    `${event(chunk({ tool_calls: [call] }))}${event(chunk({}, "tool_calls"))}data: [DONE]\n\n`,
    whole("Warm."),
  );
  const run = ({ city }: { city: string }) => `warm in ${city}`;
  const session = talking([{ name: "weather", parameters: { type: "object" }, run }]);
  await session.send(server(), "How is Rome?");
  expect((session.turns.at(-1) as AssistantTurn).text).toContain("Warm.");
  expect(session.calls.at(-1)).toMatchObject({ name: "weather", result: "warm in Rome" });
  expect(asked[1]!.body.messages).toHaveLength(3);
});

test("the page's rule decides for each message, and each way is told before it is taken", async () => {
  const ways: (string | undefined)[] = [];
  const local = {
    info: { name: "small", chatTemplate: true },
    chat: {
      completions: {
        async *create() {
          yield chunk({ content: "here" });
        },
      },
    },
  } as unknown as ChatModel;
  const asked = answering(whole("there"));
  const model = routed(local, { ...FAR, when: async ({ text }) => text.length > 5 }, (host) => ways.push(host));
  expect([model.info.name, await reply(model, "short"), asked.length]).toEqual(["small", "here", 0]);
  expect([await reply(model, "a long one"), asked.length]).toEqual(["there", 1]);
  expect(ways).toEqual([undefined, "far.test"]);
});
