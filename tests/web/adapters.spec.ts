/** LoRA adapters in the built package, on both backends, and in the commands. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "../../tools/setup.mjs";
import { type Package, expect, test } from "./blank.js";
import { json, sotto as command } from "./commands.js";
import { tinyModel } from "./servers.js";

/** The package, in the page. */
interface Page {
  sotto: Package;
}

const FOLDER = join(ROOT, "tests", "golden", "adapters");
const FILES = ["llama.gguf", "llama-other/adapter_model.safetensors", "llama-other/adapter_config.json"];
const TEXT = "the cat and the dog";

for (const backend of ["cpu", "webgpu"] as const) {
  const tag = backend === "webgpu" ? ["@swiftshader"] : [];
  test(`adapters on ${backend}: each request has its own, and they come and go`, { tag }, async ({ blank }) => {
    const bytes = FILES.map((file) => Array.from(readFileSync(join(FOLDER, file))));
    const found = await blank.evaluate(
      async ({ bytes, backend, text }) => {
        const { sotto } = globalThis as unknown as Page;
        const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 128, backend });
        const [gguf, weights, config] = bytes.map((list) => new Uint8Array(list));
        const before = (await model.score(text)).nllMean;
        const one = await model.adapters.load(gguf!, { id: "one" });
        const peft = [new File([weights!], "adapter_model.safetensors"), new File([config!], "adapter_config.json")];
        await model.adapters.load(peft, { id: "other" });
        const score = async (adapter: Record<string, number>) => (await model.score(text, { adapter })).nllMean;
        const write = async (adapter: Record<string, number>) => {
          const tokens: number[] = [];
          const options = { raw: true, maxTokens: 8, temperature: 0, adapter };
          for await (const chunk of model.generate(text, options)) tokens.push(...chunk.tokens);
          return tokens;
        };
        const blends = [{}, { one: 1 }, { other: 1 }, { one: 0.5, other: -1 }] as Record<string, number>[];
        const scores = [];
        for (const blend of blends) scores.push(await score(blend));
        const alone = [];
        for (const blend of blends) alone.push(await write(blend));
        const together = await Promise.all(blends.map(write));
        const list = (await model.adapters.list()).map(({ id }) => id);
        await model.adapters.unload("other");
        const code = await score({ other: 1 }).catch((error) => error.code);
        const again = await score({ one: 1 });
        const qwen = await sotto.load("/tiny/qwen2-f32.gguf", { contextLength: 64, backend });
        const refused = await qwen.adapters
          .load(gguf!, { id: "one" })
          .catch(({ code, message }) => ({ code, message }));
        await qwen.dispose();
        await model.dispose();
        return { before, one, scores, alone, together, list, code, again, refused };
      },
      { bytes, backend, text: TEXT },
    );
    expect(found.one).toMatchObject({ id: "one", rank: 4, tensors: 23 });
    expect(found.list).toEqual(["one", "other"]);
    expect(found.together).toEqual(found.alone);
    expect(Math.abs(found.scores[0]! - found.before)).toBeLessThan(1e-4);
    expect(new Set(found.scores.map((score) => score.toFixed(3))).size).toBe(4);
    expect([found.code, found.again]).toEqual(["bad_option", found.scores[1]]);
    expect(found.refused).toMatchObject({ code: "bad_adapter", message: expect.stringContaining("qwen2") });
    const args = ["score", "--model", tinyModel("llama-f32"), "--backend", "cpu", "--text", TEXT];
    const native = json("native", [...args, "--adapter", join(FOLDER, "llama.gguf")]) as { nll_mean: number };
    expect(Math.abs(native.nll_mean / found.scores[1]! - 1)).toBeLessThan(1e-3);
  });
}

test("--adapter means the same in the browser and natively", () => {
  const adapters = ["--adapter", `${join(FOLDER, "llama.gguf")}=0.5`, "--adapter", join(FOLDER, "llama-other")];
  const args = ["score", "--model", tinyModel("llama-f32"), "--backend", "cpu", "--text", TEXT];
  const [web, native, plain] = [
    json("web", [...args, ...adapters]),
    json("native", [...args, ...adapters]),
    json("native", args),
  ] as { nll_mean: number }[];
  expect(Math.abs(web!.nll_mean / native!.nll_mean - 1)).toBeLessThan(1e-3);
  expect(Math.abs(native!.nll_mean - plain!.nll_mean)).toBeGreaterThan(0.01);
  for (const where of ["web", "native"] as const) {
    const { stderr, status } = command(where, [...args, "--adapter", join(FOLDER, "bert")]);
    expect(status).toBe(1);
    expect(stderr).toContain("(bad_adapter)");
  }
});
