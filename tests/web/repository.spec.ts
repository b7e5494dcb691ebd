/** Repositories of safetensors in Chromium, by the built package: what they compute is what their twins in GGUF do. */
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

const MODULE = "sotto_repository_bg.wasm";

for (const backend of ["webgpu", "cpu"] as const)
  test(`on ${backend} a repository computes what the file of the same numbers does`, async ({ blank }) => {
    const asked: string[] = [];
    blank.on("request", (request) => asked.push(new URL(request.url()).pathname));
    const run = (source: string, quantize?: "f32" | "q8_0" | "q4_0") =>
      blank.evaluate(
        async ({ source, backend, quantize }) => {
          const options = { backend, contextLength: 64, ...(quantize && { quantize }) };
          const model = await sotto.load(source, options);
          const { nllMean } = await model.score("Hello world, what is the user's 2024 in it?");
          const { text } = await model.chat("Hello", { temperature: 0, max_tokens: 8 });
          const { quantization } = model.info;
          await model.dispose();
          return { nllMean, text, quantization };
        },
        { source, backend, quantize },
      );
    const twin = await run("/tiny/llama-f32.gguf");
    expect(asked.some((path) => path.endsWith(MODULE))).toBe(false);
    expect(await run("/repositories/llama-f32/", "f32")).toEqual(twin);
    expect(asked.filter((path) => path.endsWith(MODULE))).toHaveLength(1);

    // What was fetched is in the store: with another type nothing of the weights is fetched again.
    const fetched = () => asked.filter((path) => path.endsWith(".safetensors")).length;
    const before = fetched();
    const coarse = await run("/repositories/llama-f32/", "q4_0");
    expect(coarse.quantization.split(", ").sort()).toEqual(["F32", "Q4_0", "Q8_0"]);
    expect(coarse.nllMean).not.toBe(twin.nllMean);
    expect(Math.abs(coarse.nllMean - twin.nllMean) / twin.nllMean).toBeLessThan(0.2);
    expect(fetched() - before).toBeLessThanOrEqual(2);
  });

test("an encoder's vectors are those of its twin, and inspect judges by what quantize makes", async ({ blank }) => {
  const found = await blank.evaluate(async () => {
    const vectors = [];
    for (const source of ["/tiny/bert.gguf", "/repositories/bert/"]) {
      const quantize = source.endsWith("/") ? ({ quantize: "f32" } as const) : {};
      const model = await sotto.load(source, { backend: "cpu", ...quantize });
      const [vector] = await model.embed(["the quick brown fox"]);
      vectors.push(Array.from(vector!));
      await model.dispose();
    }
    const inspect = (quantize: "f16" | "q4_0") =>
      sotto.inspect("/repositories/qwen2-f32/", { backend: "cpu", quantize });
    const [half, small] = [await inspect("f16"), await inspect("q4_0")];
    const text = await sotto.loadText("/repositories/qwen2-f32/");
    const ids = await text.tokenize("Hello world");
    await text.dispose();
    const refused = await sotto.load("/tiny/llama-f32.gguf", { quantize: "q4_0" }).catch((error) => error.code);
    const missing = await sotto.load("/repositories/qwen2-f32/none/").catch((error) => error.code);
    return { vectors, half, small, ids, refused, missing };
  });
  const { vectors, half, small, ids, refused, missing } = found;
  expect(vectors[0]!.length).toBeGreaterThan(90);
  expect(vectors[1]).toEqual(vectors[0]);
  expect([half.verdict.runs, small.verdict.runs, half.architecture]).toEqual([true, true, "qwen2"]);
  expect(half.fileBytes).toBeGreaterThan(1.5 * small.fileBytes);
  expect(ids.length).toBeGreaterThan(0);
  expect([refused, missing]).toEqual(["bad_option", "missing_part"]);
});

test("weights that a package has quantised are read as they are, from a server, the store and files", async ({
  blank,
}) => {
  const found = await blank.evaluate(async () => {
    const url = "/repositories/packed-gptq/";
    const files = ["config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json"];
    const weights = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    const picked = await Promise.all(
      [...files, ...weights].map(async (name) => new File([await (await fetch(url + name)).blob()], name)),
    );
    const run = async (source: string | File[], quantize?: "f32") => {
      const model = await sotto.load(source, { backend: "cpu", contextLength: 64, ...(quantize && { quantize }) });
      const { nllMean } = await model.score("Hello world, what is the user's 2024 in it?");
      const { quantization } = model.info;
      await model.dispose();
      return { nllMean, types: quantization.split(", ").sort() };
    };
    const inspected = await sotto.inspect(url, { backend: "cpu" });
    const [first, again, ofFiles, floats] = [await run(url), await run(url), await run(picked), await run(url, "f32")];
    return { first, again, ofFiles, floats, runs: inspected.verdict.runs };
  });
  const { first, again, ofFiles, floats, runs } = found;
  expect(runs).toBe(true);
  expect(first.types).toEqual(["F32", "Q5_0", "Q8_0"]);
  expect([again, ofFiles]).toEqual([first, first]);
  expect(floats.types).toEqual(["F32"]);
  expect(Math.abs(first.nllMean - floats.nllMean) / floats.nllMean).toBeLessThan(0.01);
});
