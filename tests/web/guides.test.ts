/** Every example of the guides runs, on the fake engine. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { Model } from "../../www/api/model.js";
import { blocksIn, placeOf, RUN } from "./blocks.js";
import { GGUF, loadFake } from "./harness.js";

const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...args: unknown[]) => Promise<void>;

/** What examples import. */
const MODULES: Record<string, () => Promise<object>> = {
  "@langchain/core/output_parsers": () => import("@langchain/core/output_parsers"),
  "@langchain/core/prompts": () => import("@langchain/core/prompts"),
  ai: () => import("ai"),
  openai: () => import("openai"),
  "sotto/ai-sdk": () => import("../../www/pieces/ai-sdk/index.js"),
  "sotto/langchain": () => import("../../www/pieces/langchain/index.js"),
  "sotto/openai": () => import("../../www/pieces/openai/index.js"),
  "sotto/prompt-api": () => import("../../www/pieces/prompt-api/index.js"),
  "sotto/search": () => import("../../www/pieces/search/index.js"),
};

/** An example as the body of a function: its imports are what `modules` holds. */
const asBody = (code: string) =>
  code.replace(/^import (\{.*\}|\w+) from "(.+)";$/gm, (_, names: string, from: string) => {
    const taken = names.startsWith("{") ? names : `{ default: ${names} }`;
    return `const ${taken} = await modules["${from}"]();`;
  });

let model: Model | undefined;
// What examples fetch.
beforeEach(() => void vi.stubGlobal("fetch", async () => new Response(GGUF)));
afterEach(() => {
  vi.unstubAllGlobals();
  // One of the examples makes it.
  Reflect.deleteProperty(globalThis, "LanguageModel");
  return model?.dispose();
});

for (const block of blocksIn(["js"], (document) => RUN.includes(document))) {
  const { code } = block;
  test(`${placeOf(block)}: ${code.split("\n")[0]}`, async () => {
    model = await loadFake();
    const printed: unknown[] = [];
    const console = { log: (...values: unknown[]) => printed.push(...values) };
    const page = { model, console, modules: MODULES, self: new EventTarget(), navigator: {} };
    await new AsyncFunction(...Object.keys(page), asBody(code))(...Object.values(page));
    expect(printed).not.toContain(undefined);
  });
}
