/** Every example of the guides runs, on the fake engine. */
import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import type { Model } from "../../www/api/model.js";
import schemas from "../../www/wire/schema.json" with { type: "json" };
import { loadFake } from "./harness.js";

const GUIDES = ["CHAT.md", "TOOLS.md", "STRUCTURED.md", "REASONING.md", "CONTEXT.md", "EMBEDDINGS.md"];

const AsyncFunction = (async () => {}).constructor as new (...parts: string[]) => (...args: unknown[]) => Promise<void>;

let model: Model | undefined;
afterEach(() => model?.dispose());

for (const guide of GUIDES) {
  const text = readFileSync(new URL(`../../docs/${guide}`, import.meta.url), "utf8");
  const examples = Array.from(text.matchAll(/^```js\n([\s\S]*?)^```/gm), ([, code]) => code!);
  test(`${guide} has examples`, () => expect(examples.length).toBeGreaterThan(0));
  for (const code of examples) {
    // A member that requests do not have yet.
    const isEarly = code.includes("reasoning: {") && !("reasoning" in schemas["chat.completions.create"].properties);
    test.skipIf(isEarly)(`${guide}: ${code.split("\n")[0]}`, async () => {
      model = await loadFake();
      const printed: unknown[] = [];
      const console = { log: (...values: unknown[]) => printed.push(...values) };
      await new AsyncFunction("model", "console", code)(model, console);
      expect(printed).not.toContain(undefined);
    });
  }
}
