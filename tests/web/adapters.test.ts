/** `model.adapters` on the fake engine: what is fetched for an adapter, and what is refused. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../../www/api/model.js";
import { codeOf, loadFake } from "./harness.js";

let model: Model;
let asked: string[];
beforeEach(async () => {
  asked = [];
  vi.stubGlobal("fetch", async (url: string | URL) => {
    asked.push(String(url));
    return String(url).includes("missing") ? new Response(null, { status: 404 }) : new Response(`of ${String(url)}`);
  });
  model = await loadFake();
});
afterEach(() => {
  vi.unstubAllGlobals();
  return model.dispose();
});

test("a GGUF file is fetched alone, PEFT's with the config beside it", async () => {
  const one = await model.adapters.load("https://x.test/poet.gguf?v=1", { id: "poet" });
  expect([one.id, one.baseModel]).toEqual(["poet", null]);
  expect(asked).toEqual(["https://x.test/poet.gguf?v=1"]);
  for (const [at, address] of [
    "https://x.test/a/adapter_model.safetensors",
    "https://x.test/a/",
    "https://x.test/a",
  ].entries()) {
    asked = [];
    const { baseModel } = await model.adapters.load(address, { id: `peft ${at}` });
    expect(baseModel).toBe("of https://x.test/a/adapter_config.json");
    expect(asked.sort()).toEqual([
      "https://x.test/a/adapter_config.json",
      "https://x.test/a/adapter_model.safetensors",
    ]);
  }
  expect((await model.adapters.list()).map(({ id }) => id)).toEqual(["poet", "peft 0", "peft 1", "peft 2"]);
  await model.adapters.unload("poet");
  expect(await model.adapters.list()).toHaveLength(3);
});

test("picked files are told apart by their names", async () => {
  const config = new File(["{}"], "adapter_config.json");
  const weights = new File(["weights"], "adapter_model.safetensors");
  expect(await model.adapters.load([config, weights], { id: "a" })).toMatchObject({ bytes: 7, baseModel: "{}" });
  expect(await codeOf(model.adapters.load([weights], { id: "b" }))).toBe("bad_option");
  expect(await model.adapters.load(new Blob(["GGUF"]), { id: "c" })).toMatchObject({ bytes: 4, baseModel: null });
});

test("what fails leaves no adapter", async () => {
  expect(await codeOf(model.adapters.load("https://x.test/a.gguf", {} as never))).toBe("bad_option");
  expect(await codeOf(model.adapters.load("https://x.test/a.gguf", { id: "a", scale: 1 } as never))).toBe("bad_option");
  expect(await codeOf(model.adapters.load("https://x.test/missing.gguf", { id: "a" }))).toBe("http");
  expect(await codeOf(model.adapters.load(new Blob([]), { id: "a" }))).toBe("truncated");
  const broken = [new File(["broken"], "adapter_config.json"), new File(["weights"], "adapter_model.safetensors")];
  expect(await codeOf(model.adapters.load(broken, { id: "a" }))).toBe("bad_adapter");
  const left = AbortSignal.abort();
  expect(await codeOf(model.adapters.load("https://x.test/a.gguf", { id: "a", signal: left }))).toBe("aborted");
  expect(await codeOf(model.adapters.unload("a"))).toBe("bad_option");
  expect(await model.adapters.list()).toEqual([]);
});

test("a scale is a number by a name", async () => {
  expect(await codeOf(model.score("a", { adapter: { poet: "much" } } as never))).toBe("bad_option");
  expect(await codeOf(model.embed("a", { adapter: 1 } as never))).toBe("bad_option");
  expect((await model.score("a", { adapter: { poet: 0.5 } })).tokens).toHaveLength(1);
});
