/** Requests in OpenAI's shapes: what a page passes, what it gets, and how a reply is stopped. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { ChatCompletionChunk, Completion } from "../../www/api/index.js";
import type { Model } from "../../www/api/model.js";
import { clearLog, log } from "./fake-engine.js";
import { codeOf, loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  clearLog();
  model = await loadFake();
});
afterEach(() => model.dispose());

const user = (content: string) => [{ role: "user" as const, content }];

async function collect<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

const textOf = (chunks: ChatCompletionChunk[]) => chunks.map(({ choices }) => choices[0]?.delta.content ?? "").join("");

test("one answer", async () => {
  const answer = await model.chat.completions.create({ model: "any", messages: user("echo one two three") });
  expect(answer).toMatchObject({
    object: "chat.completion",
    choices: [{ index: 0, message: { role: "assistant", content: "one two three" }, finish_reason: "stop" }],
    usage: { prompt_tokens: 3, completion_tokens: 3, total_tokens: 6 },
  });
});

test("a stream, with its usage", async () => {
  const parts = await model.chat.completions.create({
    messages: user("echo one two three"),
    stream: true,
    stream_options: { include_usage: true },
  });
  const chunks = await collect(parts);
  expect(chunks[0]!.choices[0]!.delta).toEqual({ role: "assistant", content: "" });
  expect(textOf(chunks)).toBe("one two three");
  expect(chunks.at(-2)!.choices[0]!.finish_reason).toBe("stop");
  expect(chunks.at(-1)).toMatchObject({ choices: [], usage: { total_tokens: 6 } });
});

test("the short way, with a text or messages", async () => {
  const { text, message, finish_reason, usage } = await model.chat("echo one two");
  expect({ text, finish_reason, total: usage.total_tokens }).toEqual({
    text: "one two",
    finish_reason: "stop",
    total: 5,
  });
  expect(message).toMatchObject({ role: "assistant", content: "one two" });
  const longer = [...user("echo one two"), message, ...user("echo three four")];
  expect((await model.chat(longer, { max_tokens: 1 })).text).toBe("three");
});

test("a batch has each answer at its request's place, and one that fails fails no other", async () => {
  const requests = ["echo a", "x".repeat(3000), "echo b c", "echo d"].map((content) => ({ messages: user(content) }));
  const seen: number[] = [];
  const none = { onProgress: null, schedule: null } as never as object;
  const results = await model.batch(requests, { onResult: (_, index) => seen.push(index), ...none });
  const texts = results.map((result) =>
    result.status === "fulfilled" ? result.value.choices[0]!.message.content : result.reason.code,
  );
  expect(texts).toEqual(["a", "prompt_too_long", "b c", "d"]);
  expect(seen.sort()).toEqual([0, 1, 2, 3]);
  expect(log.most).toBe(3);
  const stopped = await model.batch(requests, { signal: AbortSignal.abort() });
  expect(stopped.map((result) => result.status === "rejected" && result.reason.code)).toEqual(Array(4).fill("aborted"));
  expect(await codeOf(model.batch("echo a" as never))).toBe("bad_option");
  expect(await codeOf(model.batch([], { atOnce: 3 } as never))).toBe("bad_option");
  const trap = Object.defineProperty([requests[0]!], 0, { get: () => JSON.parse("{") });
  expect(await codeOf(model.batch(trap))).toBe("bad_option");
});

test("what a batch's listener throws ends the batch, and the requests under way", async () => {
  let begun = 0;
  const request = {
    get messages() {
      begun++;
      return user("slow");
    },
    max_tokens: 4,
  };
  const requests = Array.from({ length: 40 }, () => request);
  const thrown = new Error("of the page");
  let told = 0;
  const listeners = [
    () => {
      told++;
      throw thrown;
    },
    async () => {
      told++;
      throw thrown;
    },
  ];
  for (const onResult of listeners) await expect(model.batch(requests, { onResult })).rejects.toBe(thrown);
  await expect(model.batch(requests, { onProgress: listeners[1]! })).rejects.toBe(thrown);
  expect(told).toBe(3);
  await vi.waitFor(async () => expect((await model.stats()).requests).toMatchObject({ running: 0, waiting: 0 }));
  expect([told, begun]).toEqual([3, 3 * 16]);
});

test("a batch has no streams, and what cannot be read of a request is told of it", async () => {
  const streams = { messages: user("echo a"), stream: true };
  const broken = {
    get messages() {
      throw new TypeError("no");
    },
  };
  for (const schedule of ["latency", "throughput"] as const) {
    const results = await model.batch([streams, broken, { messages: user("echo b") }] as never, { schedule });
    expect(results.map((result) => (result.status === "rejected" ? result.reason.code : result.status))).toEqual([
      "bad_option",
      "bad_option",
      "fulfilled",
    ]);
  }
});

test("of requests in line those of a lower priority begin first", async () => {
  const order: number[] = [];
  const ask = (priority: number) => model.chat("echo a", { priority }).then(() => order.push(priority));
  const first = Array.from({ length: 64 }, () => model.generate("fast", { maxTokens: 3 }).next());
  await Promise.all([...first, ask(3), ask(0), ask(-2)]);
  expect(order).toEqual([-2, 0, 3]);
});

test("a batch for throughput takes the longest first, and tells how far it is", async () => {
  const requests = ["echo a", "echo b b b b", "echo c c"].map((content) => ({ messages: user(content) }));
  const told: number[] = [];
  const results = await model.batch([...requests, "hi" as never], {
    schedule: "throughput",
    onProgress: ({ done, total, completionTokens, seconds, secondsLeft }) => {
      expect([total, secondsLeft >= 0]).toEqual([4, true]);
      // Those under way count for half.
      expect(secondsLeft).toBeCloseTo((seconds * (4 - done)) / (4 + done));
      told.push(done, completionTokens);
    },
  });
  expect(results.map(({ status }) => status)).toEqual(["fulfilled", "fulfilled", "fulfilled", "rejected"]);
  expect((results[3] as PromiseRejectedResult).reason.message).toContain('A request of batch is "hi"');
  expect(told.filter((_, i) => i % 2 === 0)).toEqual([1, 2, 3, 4]);
  expect(told.at(-1)).toBe(7);
  for (const wrong of [{ schedule: "fast" }, { onProgress: 5 }])
    expect(await codeOf(model.batch(requests, wrong as never))).toBe("bad_option");
});

test("completions go on with a text", async () => {
  const answer = await model.completions.create({ prompt: "echo one two" });
  expect(answer).toMatchObject({ object: "text_completion", choices: [{ text: "one two", finish_reason: "stop" }] });
  const parts: Completion[] = await collect(await model.completions.create({ prompt: "echo one two", stream: true }));
  expect(parts.map(({ choices }) => choices[0]!.text).join("")).toBe("one two");
});

test("proxies go as plain copies, and every part works through a proxy of the model", async () => {
  const reactive = <T extends object>(value: T): T =>
    new Proxy(value, { get: (target, name, self) => wrap(Reflect.get(target, name, self)) });
  const wrap = (value: unknown) => (typeof value === "object" && value !== null ? reactive(value) : value);
  const request = reactive({ messages: [{ role: "user", content: "echo all of it" }], stop: ["x"] });
  const outer = new Proxy(model, {});
  expect((await outer.chat.completions.create(request)).choices[0]!.message.content).toBe("all of it");
  expect((await outer.chat(request.messages)).text).toBe("all of it");
  expect(await outer.countTokens(request.messages)).toBe(4);
  expect((await outer.completions.create(reactive({ prompt: "echo x" }))).choices[0]!.text).toBe("x");
});

test("null and what has no meaning here is taken; what is wrong is named, and the model lives on", async () => {
  const taken = {
    messages: user("echo yes"),
    model: "gpt-4o",
    temperature: null,
    stop: null,
    seed: 7n as never,
    max_tokens: Infinity,
    user: "me",
    store: true,
    metadata: { a: "b" },
    service_tier: "auto" as const,
    stream_options: null,
    top_k: 5,
    chat_template_kwargs: { enable_thinking: false },
  };
  expect((await model.chat.completions.create(taken)).choices[0]!.message.content).toBe("yes");
  const bad: [unknown, string][] = [
    [undefined, "The request of chat.completions.create is undefined; give {messages}."],
    [[], "The request of chat.completions.create is a list; give {messages}."],
    [{ messages: "x" }, 'messages is "x"; give a list.'],
    [{ messages: user("x"), maxTokens: 5 }, "did you mean max_tokens?"],
    [{ messages: user("x"), temperature: "0.7" }, 'temperature is "0.7"; give a number from 0 to 100.'],
    [{ messages: user("x"), n: 0 }, "n is 0; give a whole number from 1 to 128."],
    [{ messages: user("x"), logit_bias: { 5: -200 } }, 'logit_bias["5"] is -200; give a number from -100 to 100.'],
    [{ messages: user("x"), stream_options: { usage: true } }, "usage is not an option of stream_options"],
    [{ messages: user("x"), modalities: ["audio"] }, 'modalities[0] is "audio"; give "text".'],
    // cspell:ignore contnet
    [{ messages: [{ role: "user", contnet: "x" }] }, "messages[0] has contnet; did you mean content?"],
    [{ messages: [{ role: "user", content: () => {} }] }, "messages[0].content is a function; give plain data."],
    [{ messages: user("x"), overflow: "drop" }, 'overflow is "drop"; give "error", "trim", "shift" or a function.'],
  ];
  for (const [request, says] of bad) {
    const outcome = model.chat.completions.create(request as never);
    expect(await codeOf(outcome), says).toBe("bad_option");
    await expect(outcome).rejects.toThrow(says);
  }
  const options = { errors: "anthropic" } as never;
  await expect(model.chat.completions.create(taken, options)).rejects.toThrow('give "sotto" or "openai".');
  await expect(model.completions.create({ prompt: "x", best_of: 2 } as never)).rejects.toThrow("best_of is 2");
  const list = model.chat.completions.create(taken, [] as never);
  await expect(list).rejects.toThrow("The options of chat.completions.create are a list; give an object.");
  await expect(model.chat("x", { overflow: () => undefined } as never)).resolves.toBeTruthy();
  const long = model.chat("word ".repeat(90), { overflow: () => undefined } as never);
  await expect(long).rejects.toThrow("overflow gave undefined; give a list of messages that take less.");
  expect((await model.chat("echo still here")).text).toBe("still here");
});

test("short calls refuse what they do not have, and name the call that has it", async () => {
  const bad: [() => Promise<unknown>, string][] = [
    [
      () => model.chat("x", { stream: true } as never),
      "stream is not an option of chat; chat.completions.create takes it.",
    ],
    [() => model.chat("x", { n: 2 } as never), "n is not an option of chat; chat.completions.create takes it."],
    [() => model.chat("x", { messages: [] } as never), "messages is not an option of chat;"],
    [() => model.chat("x", { maxTokens: 5 } as never), "maxTokens is not an option of chat; did you mean max_tokens?"],
    [() => model.chat("x", { onprogress: 5 } as never), "did you mean onProgress?"],
    [() => model.chat("x", 5 as never), "The options of chat are 5; give an object."],
    [() => model.chat("x", [] as never), "The options of chat are a list; give an object."],
    [() => model.countTokens("x", { tool: [] } as never), "tool is not an option of countTokens; did you mean tools?"],
    [
      () => model.countTokens("x", { n: 2 } as never),
      "n is not an option of countTokens; chat.completions.create takes it.",
    ],
    [() => model.countTokens("x", { signal: AbortSignal.abort() } as never), "signal is not an option of countTokens."],
  ];
  for (const [call, says] of bad) await expect(Promise.resolve().then(call)).rejects.toThrow(says);
  expect((await model.chat("echo yes", { stream: false, n: 1 } as never)).text).toBe("yes");
  const shaped = model.chat("x", { stream: true, errors: "openai" } as never);
  await expect(shaped).rejects.toMatchObject({ name: "OpenAIError", code: "unknown_parameter", param: "stream" });
  const within = model.chat.completions.create({ messages: user("x"), top_p: 5, errors: "openai" } as never);
  await expect(within).rejects.toMatchObject({ name: "OpenAIError", param: "top_p" });
});

test("a chat's prompt can be seen", async () => {
  expect(await model.chat.prompt("echo all of it")).toEqual({ text: "user: echo all of it", tokens: 4 });
});

test("errors in OpenAI's shape, where they are asked for", async () => {
  const call = (request: object) => model.chat.completions.create(request as never, { errors: "openai" });
  await expect(call({ messages: user("x"), top_p: 5 })).rejects.toMatchObject({
    name: "OpenAIError",
    status: 400,
    type: "invalid_request_error",
    code: "invalid_value",
    param: "top_p",
    error: { message: "top_p is 5; give a number from 0 to 1.", param: "top_p" },
    cause: { name: "SottoError", code: "bad_option" },
  });
  const long = user("word ".repeat(200));
  await expect(call({ messages: long })).rejects.toMatchObject({ status: 400, code: "context_length_exceeded" });
  // That of a stream, too, is thrown before it begins; one that comes later, where it is read.
  await expect(call({ messages: long, stream: true })).rejects.toMatchObject({ code: "context_length_exceeded" });
  const parts = await model.chat.completions.create({ messages: user("lost"), stream: true }, { errors: "openai" });
  await expect(collect(parts)).rejects.toMatchObject({ status: 503, code: "device_lost", param: null });
});

test("a signal ends a reply with an error, or with what there is of it", async () => {
  const stopped = new AbortController();
  const chunks: ChatCompletionChunk[] = [];
  const { signal } = stopped;
  const throws = async () => {
    const parts = await model.chat.completions.create({ messages: user("Hi"), stream: true }, { signal });
    for await (const chunk of parts) if (chunks.push(chunk) === 4) stopped.abort();
  };
  expect(await codeOf(throws())).toBe("aborted");
  expect(chunks).toHaveLength(4);
  expect(await codeOf(model.chat.completions.create({ messages: user("Hi") }, { signal }))).toBe("aborted");

  const later = new AbortController();
  setTimeout(() => later.abort(), 100);
  const kept = await model.chat.completions.create(
    { messages: user("Hi") },
    { signal: later.signal, onAbort: "result" },
  );
  expect(kept.choices[0]!.finish_reason).toBe("abort");
  expect(kept.choices[0]!.message.content).toMatch(/^Sure/);
  expect(kept.usage!.completion_tokens).toBeGreaterThan(0);

  const generated = new AbortController();
  const pieces = [];
  for await (const piece of model.generate("Hi", { signal: generated.signal, onAbort: "result" }))
    if (pieces.push(piece) === 3) generated.abort();
  expect(pieces.at(-1)).toMatchObject({ finishReason: "abort", usage: { promptTokens: 3 } });

  const third = new AbortController();
  const parts = await model.chat.completions.create(
    { messages: user("Hi"), stream: true, stream_options: { include_usage: true } },
    { signal: third.signal, onAbort: "result" },
  );
  const all = [];
  for await (const part of parts) if (all.push(part) === 4) third.abort();
  expect(all.at(-2)!.choices[0]!.finish_reason).toBe("abort");
  expect(all.at(-1)!.usage!.completion_tokens).toBeGreaterThan(1);
  expect(log.running).toBe(0);
});

test("what is stopped before it begins has its result, too, where that was asked for", async () => {
  const stop = { signal: AbortSignal.abort(), onAbort: "result" } as const;
  const request = { messages: user("Hi"), n: 2 };
  const whole = await model.chat.completions.create(request, stop);
  expect(whole.choices.map(({ finish_reason, message }) => [finish_reason, message.content])).toEqual([
    ["abort", ""],
    ["abort", ""],
  ]);
  expect(whole.usage!.total_tokens).toBe(0);
  const parts = await collect(await model.chat.completions.create({ ...request, stream: true }, stop));
  expect(parts.map(({ choices }) => choices.map((choice) => choice.finish_reason))).toEqual([["abort", "abort"]]);
  const text = await model.completions.create({ prompt: "Hi" }, stop);
  expect(text.choices[0]).toMatchObject({ text: "", finish_reason: "abort" });
  expect((await collect(model.generate("Hi", stop))).map(({ finishReason }) => finishReason)).toEqual(["abort"]);
});

test("a function of the caller's that never settles holds up neither a signal nor dispose", async () => {
  const never = () => new Promise<never>(() => {});
  const long = [user("word ".repeat(90))[0]!];
  const stopped = (options: object, call: object = {}) => {
    const stop = new AbortController();
    setTimeout(() => stop.abort(), 50);
    return model.chat.completions.create({ messages: long, ...options }, { signal: stop.signal, ...call });
  };
  expect(await codeOf(stopped({ overflow: never }))).toBe("aborted");
  expect(await codeOf(stopped({ messages: user("Hi") }, { onProgress: never }))).toBe("aborted");
  const kept = await stopped({ overflow: never }, { onAbort: "result" as const });
  expect((kept as { choices: { finish_reason: unknown }[] }).choices[0]!.finish_reason).toBe("abort");
  const left = codeOf(model.chat.completions.create({ messages: long, overflow: never }));
  await new Promise((resolve) => setTimeout(resolve, 50));
  await model.dispose();
  expect(await left).toBe("disposed");
});

test("a stream that is left early stops the model, also before it was begun", async () => {
  const request = { messages: user("Hi"), stream: true } as const;
  for await (const _ of await model.chat.completions.create(request)) break;
  await (await model.chat.completions.create(request)).return!();
  expect((await model.chat("echo next")).text).toBe("next");
  expect(log).toMatchObject({ cancelled: 2, running: 0 });
});

test("a conversation without room is told of, and may be made shorter", async () => {
  const messages = Array.from({ length: 9 }, (_, i) => user(`${i} ${"word ".repeat(9)}end`)[0]!);
  expect(await model.countTokens(messages)).toBe(99);
  expect(await model.countTokens("one two")).toBe(2);
  const asked: object[] = [];
  const answer = await model.chat.completions.create({
    messages: [...messages, ...user("echo fits")],
    overflow: async (full) => {
      asked.push({ tokens: full.tokens, room: full.room, contextLength: full.contextLength });
      return full.messages.slice(3);
    },
  });
  expect(asked).toEqual([{ tokens: 101, room: 25, contextLength: 100 }]);
  expect(answer.choices[0]!.message.content).toBe("fits");
  // One that gives what is no shorter is asked a few times.
  let times = 0;
  const stubborn = model.chat(messages.concat(messages), {
    overflow: ({ messages }) => {
      times++;
      return messages;
    },
  });
  expect(await codeOf(stubborn)).toBe("prompt_too_long");
  expect(times).toBe(8);
  await expect(model.chat(messages, { overflow: () => 5 as never })).rejects.toThrow("overflow gave 5; give");
});

test("info says how full the context is", async () => {
  expect(model.info.contextUsage).toEqual({ tokens: 0, contextLength: 100 });
  log.tokens = 12;
  await model.chat("echo one");
  expect(model.info.contextUsage.tokens).toBe(12);
});
