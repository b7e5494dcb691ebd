/**
 * A worker that ends behind each of its messages, in all that a model is asked for, and the next one in the midst of being
 * started: what comes of it is the same, each piece once.
 */
import { beforeEach, expect, test, vi } from "vitest";
import { connect, type Model } from "../../www/api/model.js";
import { SottoError } from "../../www/wire/errors.js";
import type { SourceData, Warning } from "../../www/wire/protocol.js";
import { clearLog } from "./fake-engine.js";
import * as fake from "./fake-engine.js";
import { GGUF, codeOf, fakeWorker, mortalWorker } from "./harness.js";

vi.setConfig({ testTimeout: 120_000 });
beforeEach(clearLog);

const SOURCE: SourceData = { kind: "blob", blob: GGUF };
const LONG = { max_completion_tokens: 6 };

/** What a model is asked for; each gives all that came of it. */
const ASKED: Record<string, (model: Model) => Promise<unknown>> = {
  "a reply": async (model) => {
    const pieces = [];
    for await (const { text, tokens } of model.generate("fast", { maxTokens: 6 })) pieces.push({ text, tokens });
    return pieces;
  },
  "a chat that is streamed": async (model) => {
    const parts = [];
    for await (const { choices } of await model.chat.completions.create({
      messages: [{ role: "user", content: "fast" }],
      stream: true,
      ...LONG,
    }))
      parts.push(choices);
    return parts;
  },
  "a chat": async (model) => (await model.chat("fast", LONG)).text,
  "replies of which some wait": async (model) => {
    const texts = Array.from({ length: 3 }, async (_, i) => (await model.chat(`fast ${i}`, LONG)).text);
    return Promise.all([...texts, model.score("a"), ...texts]);
  },
  "a batch": async (model) => {
    const results = await model.batch([
      { messages: [{ role: "user", content: "fast" }], ...LONG },
      { messages: [{ role: "user", content: "fast too" }], ...LONG },
    ]);
    return results.map((one) => (one.status === "fulfilled" ? one.value.choices[0]!.message.content : one));
  },
  vectors: (model) => model.embed(["a tree", "an eel"]),
  ranks: (model) => model.rerank("a b", ["a", "a b"]),
  "a score": (model) => model.score("abc"),
  "text and numbers": async (model) => [
    await model.tokenize("ab"),
    await model.detokenize([97]),
    await model.pieces([98]),
  ],
  "a turn of a session": async (model) => {
    const session = model.session({ id: "a" });
    await session.chat("fast", LONG);
    return session.messages;
  },
  adapters: async (model) => {
    await model.adapters.load(GGUF, { id: "one" });
    await model.adapters.load(GGUF, { id: "two" });
    await model.adapters.unload("one");
    return (await model.adapters.list()).map(({ id }) => id);
  },
};

interface Run {
  came: unknown;
  /** Messages of each worker that was started, to its end. */
  passed: number[];
  warnings: Warning[];
}

/** Loads a model and asks for something, where the first workers end behind so many messages. */
async function run(asked: (model: Model) => Promise<unknown>, ends: readonly number[]): Promise<Run> {
  const workers: ReturnType<typeof mortalWorker>[] = [];
  const start = () => {
    workers.push(mortalWorker(ends[workers.length] ?? Infinity));
    return workers.at(-1)!;
  };
  const warnings: Warning[] = [];
  const model = await connect(start, SOURCE, {}, { onWarning: (warning) => void warnings.push(warning) });
  const came = await asked(model);
  const passed = workers.map(({ passed }) => passed);
  await model.dispose();
  return { came, passed, warnings };
}

/** `start`, the call of `load`, and `ready`: before that the page knows of no worker. */
const FIRST = 3;

for (const [what, asked] of Object.entries(ASKED))
  test(`${what}, wherever the worker ends, and the next one too`, async () => {
    const whole = await run(asked, []);
    const messages = whole.passed[0]!;
    expect(messages).toBeGreaterThan(FIRST + 2);
    for (let at = FIRST; at <= messages; at++) {
      const { came, passed, warnings } = await run(asked, [at]);
      expect({ at, came }).toEqual({ at, came: whole.came });
      // Behind the last there was nothing more to be asked.
      if (at < messages) expect(passed.length).toBe(2);
      expect(warnings.length).toBe(passed.length - 1);
      for (const next of [1, FIRST, 4, at]) {
        const { came } = await run(asked, [at, next]);
        expect({ at, next, came }).toEqual({ at, next, came: whole.came });
      }
    }
  });

test("a model is disposed of at once, wherever its worker ends", async () => {
  for (let last = FIRST; last < 20; last++) {
    const workers: ReturnType<typeof mortalWorker>[] = [];
    const start = () => {
      workers.push(mortalWorker(workers.length === 0 ? last : Infinity));
      return workers.at(-1)!;
    };
    const model = await connect(start, SOURCE, {});
    const reply = codeOf(model.chat("fast"));
    await model.dispose();
    expect(await reply).toBe("disposed");
    expect(await codeOf(model.tokenize("x"))).toBe("disposed");
    const started = workers.length;
    await new Promise((resolve) => setTimeout(resolve, 20));
    expect(workers.length).toBe(started);
  }
});

test("a load that is stopped while it is begun anew ends", async () => {
  const stop = new AbortController();
  let workers = 0;
  const start = () => {
    if (++workers === 1) return mortalWorker(FIRST + 1);
    stop.abort();
    return mortalWorker(FIRST + 1, "silent");
  };
  expect(await codeOf(connect(start, SOURCE, {}, { signal: stop.signal }))).toBe("aborted");
  expect(workers).toBe(2);
});

test("a worker that ends before its first word is an error of the first load, and not of one that is made anew", async () => {
  expect(await codeOf(connect(() => mortalWorker(1), SOURCE, {}))).toBe("not_started");
  const lasts = [FIRST + 3, 1, 1];
  const model = await connect(() => mortalWorker(lasts.shift() ?? Infinity), SOURCE, {});
  expect(await model.tokenize("x")).toEqual([120]);
  await model.dispose();
});

test("what could not be loaded anew is tried again by the next call", async () => {
  let gone = false;
  let last: ReturnType<typeof fakeWorker> | undefined;
  const module = async () => {
    if (gone) throw new SottoError("network", "The server was not reached.");
    return fake;
  };
  const start = () => (last = fakeWorker(module));
  const warnings: string[] = [];
  const model = await connect(start, SOURCE, {}, { onWarning: ({ message }) => void warnings.push(message) });
  gone = true;
  last!.onerror!({ message: "killed" } as ErrorEvent);
  expect(await codeOf(model.tokenize("x"))).toBe("network");
  expect(await codeOf(model.tokenize("x"))).toBe("network");
  gone = false;
  expect(await model.tokenize("x")).toEqual([120]);
  expect(warnings).toEqual([expect.stringContaining("The worker stopped (killed); the model was loaded anew")]);
  await model.dispose();
});

test("an adapter of bytes, which went with the worker, says why it is not there; the model goes on", async () => {
  const workers: ReturnType<typeof mortalWorker>[] = [];
  const first = await run(async (model) => model.tokenize("x"), []);
  const start = () => {
    // Behind the call that brings the bytes.
    workers.push(mortalWorker(workers.length === 0 ? first.passed[0]! - 1 : Infinity));
    return workers.at(-1)!;
  };
  const model = await connect(start, SOURCE, {});
  expect(await codeOf(model.adapters.load(new Uint8Array(64), { id: "one" }))).toBe("internal");
  expect(await model.adapters.list()).toEqual([]);
  expect(await model.adapters.load(new Uint8Array(64), { id: "one" })).toMatchObject({ id: "one" });
  await model.dispose();
});
