/** `model.runTools`: the loop of replies, calls and results. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { NewMessage, RunTools, ToolContext } from "../../www/api/index.js";
import type { Model } from "../../www/api/model.js";
import { clearLog, log } from "./fake-engine.js";
import { codeOf, loadFake } from "./harness.js";

let model: Model;
beforeEach(async () => {
  clearLog();
  model = await loadFake();
});
afterEach(() => model.dispose());

const CITY = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };

const weather = {
  name: "weather",
  description: "The weather in a city.",
  parameters: CITY,
  run: ({ city }: { city: string }) => ({ city, degrees: 21 }),
};

const ask = (content: string) => [{ role: "user" as const, content }];

/** What the model is told of its one call. */
async function told(content: string, tools: RunTools["tools"] = [weather]): Promise<string> {
  const { steps } = await model.runTools({ messages: ask(content), tools });
  return steps[0]!.calls[0]!.content;
}

test("functions are called until the model answers, and everything new is told", async () => {
  const run = vi.fn(weather.run);
  const seen: [NewMessage["role"], number][] = [];
  let streamed = "";
  let written = "";
  const messages = ask("What is the weather in Paris?");
  const reply = await model.runTools(
    { messages, tools: [{ ...weather, run }], temperature: 0 },
    {
      onMessage: ({ role }, step) => seen.push([role, step]),
      onDelta: ({ content, tool_calls }) => {
        streamed += content ?? "";
        written += tool_calls?.[0]?.function?.arguments ?? "";
      },
    },
  );
  expect(run).toHaveBeenCalledExactlyOnceWith({ city: "Paris" }, expect.objectContaining({ id: "call_0" }));
  expect(reply.text).toBe('{"city":"Paris","degrees":21}');
  expect({ streamed, written }).toEqual({ streamed: reply.text, written: '{"city":"Paris"}' });
  expect(reply).toMatchObject({ finish_reason: "stop", usage: { prompt_tokens: 6, completion_tokens: 2 } });
  expect(reply.messages).toEqual([
    {
      role: "assistant",
      content: null,
      refusal: null,
      tool_calls: [{ id: "call_0", type: "function", function: { name: "weather", arguments: '{"city":"Paris"}' } }],
    },
    { role: "tool", tool_call_id: "call_0", content: '{"city":"Paris","degrees":21}' },
    { role: "assistant", content: '{"city":"Paris","degrees":21}', refusal: null },
  ]);
  expect(seen).toEqual([
    ["assistant", 0],
    ["tool", 0],
    ["assistant", 1],
  ]);
  expect(reply.steps.map(({ finish_reason, calls }) => [finish_reason, calls.length])).toEqual([
    ["tool_calls", 1],
    ["stop", 0],
  ]);
  expect(reply.steps[0]!.calls[0]).toMatchObject({ name: "weather", result: { city: "Paris", degrees: 21 } });
  // The request's own list is as it was, and goes on with the new ones.
  expect(messages).toHaveLength(1);
  expect((await model.chat([...messages, ...reply.messages, ...ask("echo next")])).text).toBe("next");
});

test("calls of one reply run at the same time; their results keep the order of the calls", async () => {
  const order: string[] = [];
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const tool = (name: string, work: () => unknown) => ({
    name,
    run: async () => {
      order.push(`${name} begins`);
      await work();
      order.push(`${name} ends`);
      return name;
    },
  });
  const reply = await model.runTools({
    messages: ask("call first {} + second {}"),
    tools: [tool("first", () => ended), tool("second", () => queueMicrotask(end))],
  });
  expect(order).toEqual(["first begins", "second begins", "second ends", "first ends"]);
  expect(reply.text).toBe("first second");
});

test("what fails in a call is told to the model", async () => {
  expect(await told("call climate {}")).toBe('{"error":"There is no tool \\"climate\\"; give weather."}');
  expect(await told('call weather {"city": ')).toMatch(/^\{"error":"The arguments are not JSON: .+\."\}$/);
  expect(await told("call weather [1]")).toBe('{"error":"The arguments are a list; give an object."}');
  expect(await told("call weather null")).toBe('{"error":"The arguments are null; give an object."}');
  const throws = { name: "weather", run: () => Promise.reject(new TypeError("no network")) };
  expect(await told("call weather {}", [throws])).toBe('{"error":"no network"}');
  const { steps } = await model.runTools({ messages: ask("call weather {}"), tools: [throws] });
  expect(steps[0]!.calls[0]!.error).toBeInstanceOf(TypeError);
  // What cannot be written as JSON is such an error as well.
  expect(await told("call weather {}", [{ name: "weather", run: () => 5n }])).toContain("BigInt");
});

test("whatever a function throws, the model is told and goes on", async () => {
  const bare = Object.create(null) as object;
  const says = (message: unknown) => Object.assign(new Error(), { message });
  const hidden = Object.defineProperty(new Error(), "message", { get: () => JSON.parse("{") });
  const thrown = [
    bare,
    says(5n),
    hidden,
    { toString: () => JSON.parse("{") },
    Symbol("s"),
    5n,
    undefined,
    { message: "x" },
  ];
  const contents: string[] = [];
  for (const value of thrown) {
    const run = () => {
      throw value;
    };
    contents.push(await told("call weather {}", [{ ...weather, run }]));
  }
  const unknown = "a value that cannot be shown";
  const errors = [unknown, "Error: 5", unknown, unknown, "Symbol(s)", "5", "undefined", "x"];
  expect(contents).toEqual(errors.map((error) => JSON.stringify({ error })));
});

test("what throws when it is read is refused, typed", async () => {
  const throws = (object: object, name: string) =>
    Object.defineProperty(object, name, { enumerable: true, get: () => JSON.parse("{") });
  const requests = [throws({}, "tools"), { messages: "x", tools: [throws({ run() {} }, "name")] }];
  for (const request of requests) expect(await codeOf(model.runTools(request as never))).toBe("bad_option");
  const options = throws({}, "signal");
  expect(await codeOf(model.runTools({ messages: "x", tools: [] }, options))).toBe("bad_option");
});

test("neither a function nor a callback that never ends holds up the end of the model, or a signal", async () => {
  const never = () => new Promise<never>(() => {});
  const request = { messages: ask("call weather {}"), tools: [weather] };
  for (const callback of ["onMessage", "onDelta"] as const) {
    const controller = new AbortController();
    const called = vi.fn(() => {
      setTimeout(() => controller.abort());
      return never();
    });
    const outcome = model.runTools(request, { [callback]: called, signal: controller.signal });
    expect(await codeOf(outcome)).toBe("aborted");
    expect(called).toHaveBeenCalled();
  }
  let signal: AbortSignal | undefined;
  const run = (_: unknown, context: ToolContext) => {
    ({ signal } = context);
    void model.dispose();
    return never();
  };
  expect(await codeOf(model.runTools({ ...request, tools: [{ ...weather, run }] }))).toBe("disposed");
  expect(signal!.aborted).toBe(true);
});

test("a callback that rejects fails the call", async () => {
  const onDelta = () => Promise.reject(new RangeError("mine"));
  await expect(model.runTools({ messages: ask("echo x"), tools: [] }, { onDelta })).rejects.toThrow(RangeError);
});

test("results are text as it is, or JSON", async () => {
  const given = (value: unknown) => told("call weather {}", [{ name: "weather", run: () => value }]);
  expect(await given("21 degrees")).toBe("21 degrees");
  expect(await given([1, { a: 2 }])).toBe('[1,{"a":2}]');
  expect(await given(undefined)).toBe("null");
  expect(await given(null)).toBe("null");
  expect(await told("call weather ", [{ name: "weather", run: (args: object) => args }])).toBe("{}");
});

test("the tools of OpenAI's client are taken as they are", async () => {
  const parsed = {
    type: "function" as const,
    function: { name: "weather", parameters: CITY, parse: JSON.parse, function: weather.run },
  };
  expect(await told("Weather?", [parsed])).toBe('{"city":"Paris","degrees":21}');
  async function lookUp(text: string) {
    return `given ${text}`;
  }
  const named = { type: "function" as const, function: { function: lookUp, description: "", parameters: CITY } };
  expect(await told("Weather?", [named])).toBe('given {"city":"Paris"}');
  const { name: _, ...rest } = weather;
  expect(await told("Weather?", [{ type: "function", function: { ...rest, name: "weather" } }])).toContain("degrees");
});

test("the tools of OpenAI's zodFunction are taken as they are", async () => {
  const { z } = await import("zod");
  const { zodFunction } = await import("openai/helpers/zod");
  const parameters = z.object({ city: z.string() });
  const run = ({ city }: { city: string }) => `warm in ${city}`;
  const tool = zodFunction({ name: "weather", parameters, function: run });
  expect(await told("Weather?", [tool as never])).toBe("warm in Paris");
});

test("after so many steps the loop ends, with results for all calls", async () => {
  const reply = await model.runTools(
    { messages: ask("Weather?"), tools: [weather] },
    { maxSteps: 1, onMessage: () => {} },
  );
  expect(reply).toMatchObject({ text: "", finish_reason: "tool_calls", finish_details: { type: "max_steps" } });
  expect(reply.messages.map(({ role }) => role)).toEqual(["assistant", "tool"]);
});

test("a call that is forced is so once", async () => {
  const choices = ["required", { type: "function", function: { name: "weather" } }] as const;
  for (const tool_choice of choices) {
    const reply = await model.runTools({ messages: ask("echo x"), tools: [weather], tool_choice });
    expect(reply.steps).toHaveLength(2);
    expect(reply.finish_reason).toBe("stop");
  }
  const allowed_tools = { mode: "required" as const, tools: [] };
  const tool_choice = { type: "allowed_tools" as const, allowed_tools };
  expect((await model.runTools({ messages: ask("echo x"), tools: [weather], tool_choice })).steps).toHaveLength(2);
  const none = await model.runTools({ messages: ask("echo x"), tools: [weather], tool_choice: "none" });
  expect(none.text).toBe("x");
});

test("a reply that is cut runs none of its calls, and says so", async () => {
  const run = vi.fn();
  const reply = await model.runTools({
    messages: ask('call weather {"city": "a b c d e f"}'),
    tools: [{ name: "weather", run }],
    max_completion_tokens: 2,
  });
  expect(run).not.toHaveBeenCalled();
  expect(reply).toMatchObject({ finish_reason: "length", finish_details: { type: "max_tokens" } });
  expect(reply.messages.at(-1)).toMatchObject({ role: "tool", content: expect.stringContaining("was cut") });
});

test("a signal ends it while a function runs, and is passed to it", async () => {
  const stopping = () => {
    const controller = new AbortController();
    let context: ToolContext | undefined;
    // It does not heed the signal: it is not waited for.
    const run = (_: object, given: ToolContext) => {
      context = given;
      setTimeout(() => controller.abort("enough"), 5);
      return new Promise(() => {});
    };
    const request = { messages: ask("call hangs {} + quick {}"), tools: [{ name: "hangs", run }, quick] };
    return { request, signal: controller.signal, context: () => context! };
  };
  const quick = { name: "quick", run: () => "done" };
  const first = stopping();
  expect(await codeOf(model.runTools(first.request, { signal: first.signal }))).toBe("aborted");
  expect(first.context().signal).toMatchObject({ aborted: true, reason: "enough" });
  expect(first.context().messages.at(-1)).toHaveProperty("tool_calls");

  const second = stopping();
  const kept = await model.runTools(second.request, { signal: second.signal, onAbort: "result" });
  expect(kept.finish_reason).toBe("abort");
  expect(kept.messages.map(({ content }) => content)).toEqual([
    null,
    '{"error":"The call was stopped by the caller."}',
    "done",
  ]);
  const third = stopping();
  const shaped = model.runTools(third.request, { signal: third.signal, errors: "openai" });
  await expect(shaped).rejects.toMatchObject({ name: "OpenAIError", status: 499 });
});

test("a signal ends it while the model replies, and before it begins", async () => {
  const stopped = AbortSignal.abort();
  const request = { messages: ask("Hi"), tools: [weather], tool_choice: "none" as const };
  expect(await codeOf(model.runTools(request, { signal: stopped }))).toBe("aborted");
  const none = await model.runTools(request, { signal: stopped, onAbort: "result" });
  expect(none).toMatchObject({ finish_reason: "abort", messages: [], steps: [] });

  const controller = new AbortController();
  let text = "";
  const onDelta = ({ content }: { content?: string | null }) => {
    text += content ?? "";
    if (text.length > 10) controller.abort();
  };
  expect(await codeOf(model.runTools(request, { signal: controller.signal, onDelta }))).toBe("aborted");
  const later = new AbortController();
  const stop = ({ content }: { content?: string | null }) => {
    if (content) later.abort();
  };
  const kept = await model.runTools(request, { signal: later.signal, onAbort: "result", onDelta: stop });
  expect(kept.finish_reason).toBe("abort");
  expect(kept.text).toMatch(/^Sure/);
  expect(log.running).toBe(0);
});

test("an error that a callback throws is the caller's own, and stops the model", async () => {
  const request = { messages: ask("Hi"), tools: [] };
  const onDelta = () => {
    throw new RangeError("mine");
  };
  await expect(model.runTools(request, { onDelta })).rejects.toThrow(RangeError);
  await expect(model.runTools({ messages: ask("echo x"), tools: [] }, { onMessage: onDelta })).rejects.toThrow("mine");
  expect((await model.chat("echo next")).text).toBe("next");
  expect(log.running).toBe(0);
});

test("what is wrong with the request is named", async () => {
  const quick = { name: "quick", run: () => "done" };
  const zod = { "~standard": { version: 1, vendor: "zod" } };
  const bad: [unknown, unknown, string][] = [
    [undefined, undefined, "tools is undefined; give a list of {name, parameters, run}."],
    [{ messages: ask("x"), tools: {} }, undefined, "tools is an object; give a list"],
    [{ messages: ask("x"), tools: [5] }, undefined, "tools[0] is 5; give {name, parameters, run}."],
    [{ messages: ask("x"), tools: [{ name: "a" }] }, undefined, "tools[0].run is undefined; give a function."],
    [{ messages: ask("x"), tools: [{ run: () => 1 }] }, undefined, "tools[0].name is undefined; give its name."],
    [{ messages: ask("x"), tools: [weather, weather] }, undefined, 'Two tools are named "weather"'],
    [{ messages: 5, tools: [] }, undefined, "Messages should be a list"],
    [{ messages: ask("x"), tools: [] }, { maxSteps: 0 }, "maxSteps is 0; give a whole number from 1 to 1000."],
    [{ messages: ask("x"), tools: [] }, { onMessage: 5 }, "onMessage is 5; give a function."],
    [{ messages: ask("x"), tools: [] }, { signal: true }, "signal is true; give an AbortSignal."],
    [{ messages: ask("x"), tools: [], maxTokens: 5 }, undefined, "did you mean max_tokens?"],
    // cspell:ignore Mesage desciption
    [{ messages: ask("x"), tools: [], n: 2 }, undefined, "n is not an option of runTools; chat.completions.create"],
    [
      { messages: ask("x"), tools: [] },
      { onMesage: 5 },
      "onMesage is not an option of runTools; did you mean onMessage?",
    ],
    [{ messages: ask("x"), tools: [] }, 5, "The options of runTools are 5; give an object."],
    [{ messages: ask("x"), tools: [{ ...quick, desciption: "" }] }, undefined, "tools[0] has desciption; did you mean"],
    [
      { messages: ask("x"), tools: [{ ...quick, parameters: zod }] },
      undefined,
      "is a schema of a library; give a JSON",
    ],
  ];
  for (const [request, options, says] of bad) {
    const outcome = model.runTools(request as never, options as never);
    expect(await codeOf(outcome), says).toBe("bad_option");
    await expect(outcome).rejects.toThrow(says);
  }
});

test("a conversation without room is trimmed in each step", async () => {
  const old = ask("word ".repeat(60).trim());
  const { steps, text } = await model.runTools({
    messages: [...old, { role: "assistant", content: "yes" }, ...ask("Weather?")],
    tools: [weather],
    overflow: "trim",
    max_completion_tokens: 45,
  });
  expect(steps.map(({ dropped }) => dropped)).toEqual([
    [0, 1],
    [0, 1],
  ]);
  expect(text).toContain("degrees");
});
