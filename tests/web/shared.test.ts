/** A shared model whose engine dies again and again, or does not start: nobody waits for ever. The rest is shared.spec.ts's. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Model, connect } from "../../www/api/model.js";
import type { Endpoint } from "../../www/api/workers.js";
import { SottoError } from "../../www/wire/errors.js";
import type { LoadOptions, Method, ToPage, ToWorker, Warning } from "../../www/wire/protocol.js";
import { FakeLocks } from "./fake-locks.js";
import { codeOf } from "./harness.js";

beforeEach(() => vi.stubGlobal("navigator", { locks: new FakeLocks() }));
afterEach(() => vi.unstubAllGlobals());

/** A worker that dies of a call of `deadly`, and answers all others. */
function worker(deadly?: Method): Endpoint {
  const post = (data: ToPage) => queueMicrotask(() => endpoint.onmessage?.({ data } as MessageEvent<ToPage>));
  let die!: () => void;
  const dead = new Promise<void>((resolve) => (die = resolve));
  const endpoint: Endpoint = {
    onmessage: null,
    onerror: null,
    postMessage(message: ToWorker) {
      if (message.type === "start" && message.lock)
        void navigator.locks.request(message.lock, () => {
          post({ type: "ready" });
          return dead;
        });
      if (message.type !== "call") return;
      if (message.method === deadly) die();
      else post({ type: "done", id: message.id, result: message.method === "tokenize" ? [1, 2] : {} });
    },
    terminate: () => die(),
  };
  return endpoint;
}

let address = 0;
/** In a tab of its own, as it were. */
function load(start: () => Endpoint, options: LoadOptions = {}, url = `https://site.example/${++address}.gguf`) {
  return connect(start, { kind: "url", url }, {}, { shared: true, ...options } as never);
}

test("two tabs have one engine, and each lets go by itself", async () => {
  const start = vi.fn(() => worker());
  const [one, two] = (await Promise.all([1, 2].map(() => load(start, {}, "https://site.example/m.gguf")))) as [
    Model,
    Model,
  ];
  expect(start).toHaveBeenCalledTimes(1);
  await one.dispose();
  expect(await codeOf(one.tokenize("x"))).toBe("disposed");
  expect(await two.tokenize("x")).toEqual([1, 2]);
  await two.dispose();
});

test("what ends each engine is not asked again and again", async () => {
  const start = vi.fn(() => worker("score"));
  const model = await load(start);
  expect(await codeOf(model.score("deadly"))).toBe("internal");
  // The next engine is there.
  expect(await model.tokenize("x")).toEqual([1, 2]);
  // The first, the same twice, with less, on the CPU, and the next.
  expect(start.mock.calls.length).toBeLessThanOrEqual(6);
  await model.dispose();
});

test("a load that ends the engine fails, in all tabs", async () => {
  const start = vi.fn(() => worker("load"));
  const loads = [1, 2].map(() => codeOf(load(start, {}, "https://site.example/d.gguf")));
  expect(await Promise.all(loads)).toEqual(["internal", "internal"]);
  // The first, the same twice, with less, on the CPU.
  expect(start.mock.calls.length).toBeLessThanOrEqual(5);
});

test("so does one whose worker cannot be started", async () => {
  const refuse = () => {
    throw new SottoError("not_started", "No.");
  };
  expect(await codeOf(load(refuse))).toBe("not_started");
});

test("where tabs cannot find each other the model is this tab's", async () => {
  vi.stubGlobal("navigator", {});
  const warnings: Warning[] = [];
  const model = await load(() => worker(), { onWarning: (warning) => warnings.push(warning) });
  expect(warnings).toMatchObject([{ code: "not_shared" }]);
  await model.dispose();
});
