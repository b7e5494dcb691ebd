/** The workers of a model, where it computes on threads: who starts them, and that all end. */
import { beforeEach, expect, test } from "vitest";
import { Connection } from "../../www/api/connection.js";
import { type Endpoint, Workers } from "../../www/api/workers.js";
import { SottoError } from "../../www/wire/errors.js";
import type { ToPage, ToWorker } from "../../www/wire/protocol.js";

/** A worker that answers what it is told to, and keeps what it was sent. */
class Stub implements Endpoint {
  onmessage: Endpoint["onmessage"] = null;
  onerror: Endpoint["onerror"] = null;
  sent: ToWorker[] = [];
  ended = 0;
  answer: (message: ToWorker) => ToPage | undefined = () => undefined;

  postMessage(message: ToWorker): void {
    this.sent.push(message);
    const data = this.answer(message);
    if (data) queueMicrotask(() => this.onmessage?.({ data } as MessageEvent<ToPage>));
  }
  terminate(): void {
    this.ended++;
  }
}

const started: Stub[] = [];
beforeEach(() => void started.splice(0));

/** Starts the next stub; the first is the engine's. */
function start(): Stub {
  const stub = new Stub();
  stub.answer = (message) => {
    if (message.type === "thread") return { type: "ready" };
    if (message.type === "call") return { type: "done", id: message.id, result: null };
    return undefined;
  };
  started.push(stub);
  return stub;
}

const gone = new SottoError("disposed", "Gone.");
const ask = (count: number) => started[0]!.onmessage!({ data: { type: "threads", count } } as MessageEvent<ToPage>);
const threadsSent = () => started[0]!.sent.find(({ type }) => type === "threads");

test("the page starts the threads that the engine asks for, and ends them with it", async () => {
  const connection = new Connection(new Workers(start));
  ask(2);
  await expect.poll(threadsSent).toMatchObject({ ports: [expect.any(MessagePort), expect.any(MessagePort)] });
  expect(started.map(({ sent }) => sent[0]!.type)).toEqual(["start", "thread", "thread"]);
  await connection.end(gone);
  expect(started.map(({ ended }) => ended)).toEqual([1, 1, 1]);
});

test("where one thread does not start, the engine hears why, and the others end", async () => {
  const connection = new Connection(
    new Workers(() => {
      const stub = start();
      if (started.length === 3) stub.answer = () => void stub.onerror!({ message: "no such file" } as ErrorEvent);
      return stub;
    }),
  );
  ask(3);
  await expect.poll(threadsSent).toEqual({ type: "threads", error: "no such file" });
  expect(started.map(({ ended }) => ended)).toEqual([0, 1, 1, 1]);
  await connection.end(gone);
  expect(started[0]!.ended).toBe(1);
});

test("a browser that starts no more workers is heard of too", async () => {
  const connection = new Connection(
    new Workers(() => {
      if (started.length === 2) throw new Error("too many workers");
      return start();
    }),
  );
  ask(3);
  await expect.poll(threadsSent).toEqual({ type: "threads", error: "too many workers" });
  expect(started.map(({ ended }) => ended)).toEqual([0, 1]);
  await connection.end(gone);
});

test("threads that start while all ends are ended too, and none start afterwards", async () => {
  const connection = new Connection(new Workers(start));
  ask(2);
  const ending = connection.end(gone);
  ask(2);
  await ending;
  ask(2);
  expect(started.map(({ ended }) => ended)).toEqual([1, 1, 1]);
});

test("an engine that crashes takes its threads with it", async () => {
  const connection = new Connection(new Workers(start));
  ask(1);
  await expect.poll(threadsSent).toBeDefined();
  started[0]!.onerror!({ message: "boom" } as ErrorEvent);
  expect(started.every(({ ended }) => ended > 0)).toBe(true);
  await expect(connection.call("tokenize", { text: "", options: {} })).rejects.toMatchObject({ code: "internal" });
});

test("a worker that says nothing is given up, and a thread that says nothing too", async () => {
  const connection = new Connection(new Workers(start, 20));
  await expect(connection.call("tokenize", { text: "", options: {} })).resolves.toBeNull();
  const silent = new Connection(
    new Workers(() => {
      const stub = start();
      stub.answer = () => undefined;
      return stub;
    }, 20),
  );
  await expect(silent.call("tokenize", { text: "", options: {} })).rejects.toMatchObject({
    code: "not_started",
    message: expect.stringContaining("said nothing"),
  });
  expect(started.at(-1)!.ended).toBe(1);
  const threads = new Connection(
    new Workers(() => {
      const stub = start();
      if (started.length > 3) stub.answer = () => undefined;
      return stub;
    }, 20),
  );
  started[2]!.onmessage!({ data: { type: "threads", count: 1 } } as MessageEvent<ToPage>);
  await expect
    .poll(() => started[2]!.sent.find(({ type }) => type === "threads"))
    .toEqual({
      type: "threads",
      error: "a worker says nothing",
    });
  await threads.end(gone);
  await connection.end(gone);
});

test("a worker whose script is not there did not start", async () => {
  const connection = new Connection(new Workers(start));
  const asked = connection.call("tokenize", { text: "", options: {} });
  started[0]!.onerror!({ message: "" } as ErrorEvent);
  await expect(asked).rejects.toMatchObject({
    code: "not_started",
    message: expect.stringContaining("pass workerUrl"),
  });
});

test("the module of grammars is where grammarUrl says, and says so where it is not", async () => {
  const grammarUrl = "http://127.0.0.1:9/grammar.3f2a.wasm";
  const connection = new Connection(new Workers(start), undefined, grammarUrl);
  expect(started[0]!.sent[0]).toMatchObject({ type: "start", grammarUrl });
  await connection.end(new SottoError("disposed", "Over."));
  const { startGrammars } = await import("../../www/worker/grammar.js");
  const failed = startGrammars(() => Promise.reject(new Error("not asked for")), grammarUrl, undefined);
  await expect(failed).rejects.toMatchObject({
    code: "not_started",
    message: expect.stringMatching(/^The module of grammars did not start .* pass grammarUrl/),
  });
});
