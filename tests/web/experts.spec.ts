/** Experts that stay in the browser's store or a file, in Chromium. */
import { readFileSync } from "node:fs";
import { tinyModel } from "./servers.js";
import { expect, test } from "./site.js";

declare const sotto: typeof import("../../www/api/index.js");

for (const backend of ["cpu", "webgpu"] as const) {
  test(`${backend}: what stays in the store or a file is read when it is chosen`, async ({ site, context }) => {
    site.file.file = readFileSync(tinyModel("qwen3moe/many"));
    const page = await site.visit(context);
    for (const no of [1, 2]) {
      const body = readFileSync(tinyModel(`qwen3moe/many@${no}of2`));
      await page.route(`**/parts-0000${no}-of-00002.gguf`, (route) => route.fulfill({ body }));
    }
    const [whole, stored, picked, parts, pickedParts] = await page.evaluate(async (backend) => {
      const write = async (source: string | File | File[], experts?: number) => {
        const model = await sotto.load(source, { backend, experts, contextLength: 64 });
        let text = "";
        for await (const piece of model.generate("the cat", {
          raw: true,
          maxTokens: 12,
          temperature: 0,
          speculate: "off",
        }))
          text += piece.text;
        const { experts: counts, memory } = await model.stats();
        await model.dispose();
        return { text, counts, bytes: memory.gpuBytes + memory.wasmBytes };
      };
      const pick = async (name: string) => new File([await (await fetch(`/${name}`)).blob()], name);
      const names = [1, 2].map((no) => `parts-0000${no}-of-00002.gguf`);
      return [
        await write("/model.gguf"),
        await write("/model.gguf", 9),
        await write(await pick("model.gguf"), 9),
        await write(`/${names[0]}`, 9),
        await write(await Promise.all(names.map(pick)), 9),
      ] as const;
    }, backend);
    expect(whole.counts).toEqual({ wanted: 0, read: 0, bytes: 0 });
    expect(stored.text).toBe(whole.text);
    expect(stored.counts.wanted).toBeGreaterThanOrEqual(8 * 12);
    expect(stored.counts.read).toBeGreaterThan(8);
    for (const again of [picked, parts, pickedParts]) {
      expect(again.text).toBe(whole.text);
      expect(again.counts).toEqual(stored.counts);
    }
    // 61 of 70 experts, each of 36 kB.
    if (backend === "webgpu") expect(whole.bytes - stored.bytes).toBeGreaterThan(2_000_000);
  });
}

test("what cannot be read again, and too few, are refused by a sentence", async ({ site, context }) => {
  site.file.file = readFileSync(tinyModel("qwen3moe/many"));
  const page = await site.visit(context);
  const refused = await page.evaluate(async () => {
    const code = async (source: Parameters<typeof sotto.load>[0], experts: number) =>
      sotto.load(source, { backend: "cpu", experts }).then(
        () => "loaded",
        ({ code, message }) => `${code}: ${message}`,
      );
    const stream = (await fetch("/model.gguf")).body!;
    return [await code(stream, 9), await code("/model.gguf", 7), await code("/model.gguf", 0)];
  });
  expect(refused[0]).toMatch(/^bad_option: Experts cannot stay in a file that cannot be read again;/);
  expect(refused[1]).toBe("bad_option: experts is 7, but each token takes 8 of a layer; give at least that.");
  expect(refused[2]).toMatch(/^bad_option: /);
});
