/** The built package on tiny models, on the CPU and on Chromium's software adapter: the API, the page, bad files. */
import { spawnSync } from "node:child_process";
import { ROOT } from "../../tools/setup.mjs";
import { type Package, expect, test } from "./blank.js";
import { tinyModel } from "./servers.js";

declare const sotto: Package;

const MODELS = [
  "llama-f32",
  "llama-f16",
  "llama3-f32",
  "llama-spm-f32",
  "llama-mixed",
  "qwen2-f32",
  "qwen2-mixed",
  "gemma3-f32",
  "gemma3-mixed",
];

const RUNS = [
  ...MODELS.map((name) => [name, "cpu"] as const),
  ["llama-f32", "webgpu"] as const,
  ["qwen2-mixed", "webgpu"] as const,
  ["gemma3-mixed", "webgpu"] as const,
];

for (const [name, backend] of RUNS) {
  const tag = backend === "webgpu" ? ["@swiftshader"] : [];
  test(`${name} on ${backend}: loads, counts its memory, writes the same greedy text twice`, { tag }, async ({
    blank,
  }) => {
    const result = await blank.evaluate(
      async ([name, backend]) => {
        const model = await sotto.load(`/tiny/${name}.gguf`, { contextLength: 128, backend });
        const greedy = async () => {
          const tokens: number[] = [];
          let text = "";
          let last: import("../../www/api/index.js").Chunk | undefined;
          for await (const chunk of model.generate("the cat and the dog", {
            raw: true,
            maxTokens: 12,
            temperature: 0,
          })) {
            tokens.push(...chunk.tokens);
            text += chunk.text;
            last = chunk;
          }
          return { tokens, text, last };
        };
        const [first, second] = [await greedy(), await greedy()];
        const back = await model.detokenize(await model.tokenize("Grüße, 世界 🙂"));
        const { info } = model;
        await model.dispose();
        return { first, second, info, back };
      },
      [name, backend] as const,
    );
    const { first, second, info, back } = result;
    expect(name.startsWith(info.architecture)).toBe(true);
    expect(info).toMatchObject({ backend, threads: 1, backendReason: expect.stringContaining("was asked for.") });
    if (backend === "webgpu") expect(info.adapter).toMatchObject({ isSoftware: true, subgroups: true, dot: true });
    else expect(info.adapter).toBeNull();
    expect(info.memory.gpuBytes > 0).toBe(backend === "webgpu");
    expect(info.memory.wasmBytes).toBeLessThan(64e6);
    expect(info.contextLength).toBe(128);
    expect(first.tokens.length).toBeGreaterThan(0);
    expect(first.tokens).toEqual(second.tokens);
    expect(first.text).toBe(second.text);
    expect(first.last!.usage!.completionTokens).toBe(first.tokens.length);
    expect(["stop", "length"]).toContain(first.last!.finishReason);
    expect(back).toContain("🙂");
  });
}

test("what an option keeps off is off, and precision is asked of WebGPU too", async ({ blank }) => {
  test.setTimeout(240_000);
  const { off, fast, text } = await blank.evaluate(async () => {
    const options = { contextLength: 128, backend: "webgpu" as const };
    const plain = await sotto.load("/tiny/qwen2-mixed.gguf", { ...options, dot: false, subgroups: false });
    const off = plain.info.adapter!;
    await plain.dispose();
    const model = await sotto.load("/tiny/qwen2-mixed.gguf", { ...options, precision: "fast", tune: true });
    let text = "";
    for await (const chunk of model.generate("one two", { raw: true, maxTokens: 8, temperature: 0 }))
      text += chunk.text;
    const fast = model.info.tuning;
    await model.dispose();
    return { off, fast, text };
  });
  expect(off).toMatchObject({ dot: false, subgroups: false });
  // What was measured within the time that there is; nothing is claimed of which kernel won.
  expect(fast.every((line) => / = mat(vec|mul)/.test(line))).toBe(true);
  expect(text).not.toBe("");
});

test("every source gives the same model", async ({ blank }) => {
  test.setTimeout(240_000);
  const texts = await blank.evaluate(async () => {
    const bytes = await (await fetch("/tiny/qwen2-f32.gguf")).arrayBuffer();
    const trickle = () => {
      let at = 0;
      return new ReadableStream<Uint8Array>({
        pull(controller) {
          // Odd sizes: fields and blocks are cut anywhere.
          controller.enqueue(new Uint8Array(bytes.slice(at, at + 7919)));
          at += 7919;
          if (at >= bytes.byteLength) controller.close();
        },
      });
    };
    const out: string[] = [];
    for (const source of ["/tiny/qwen2-f32.gguf", new Blob([bytes]), bytes, new Uint8Array(bytes), trickle()]) {
      const model = await sotto.load(source, { contextLength: 128 });
      let text = "";
      for await (const chunk of model.generate("one two", { raw: true, maxTokens: 8, temperature: 0 }))
        text += chunk.text;
      out.push(text);
      await model.dispose();
    }
    return { out, kept: bytes.byteLength };
  });
  expect(new Set(texts.out).size).toBe(1);
  expect(texts.kept).toBeGreaterThan(1000);
});

test("a seed repeats a reply; stop strings, stop tokens and limits end it", async ({ blank }) => {
  const r = await blank.evaluate(async () => {
    const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 128 });
    const say = async (options: import("../../www/api/index.js").GenerateOptions) => {
      let text = "";
      const tokens: number[] = [];
      let finish: string | undefined;
      for await (const chunk of model.generate("the cat", { raw: true, maxTokens: 16, ...options })) {
        text += chunk.text;
        tokens.push(...chunk.tokens);
        finish = chunk.finishReason ?? finish;
      }
      return { text, tokens, finish };
    };
    const greedy = await say({ temperature: 0 });
    const warm = { temperature: 2, topK: 0, topP: 1, minP: 0 };
    const seeded = [await say({ seed: 7, ...warm }), await say({ seed: 7, ...warm }), await say({ seed: 8, ...warm })];
    const one = await say({ temperature: 0, maxTokens: 1 });
    const biased = await say({ temperature: 0, maxTokens: 3, logitBias: { 65: 1000 } });
    const stopToken = await say({ temperature: 0, stopTokens: [greedy.tokens[2]!] });
    const stopText = await say({ temperature: 0, stop: [greedy.text.slice(1, 3)] });
    await model.dispose();
    return { greedy, seeded, one, biased, stopToken, stopText };
  });
  expect(r.seeded[0]).toEqual(r.seeded[1]);
  expect(r.seeded[0]!.tokens).not.toEqual(r.seeded[2]!.tokens);
  expect(r.one.tokens).toEqual(r.greedy.tokens.slice(0, 1));
  expect(r.one.finish).toBe("length");
  expect(r.biased.tokens).toEqual([65, 65, 65]);
  expect(r.stopToken.finish).toBe("stop");
  expect(r.stopToken.tokens.length).toBeLessThanOrEqual(3);
  expect(r.stopText.finish).toBe("stop");
  expect(r.stopText.text).toBe(r.greedy.text.slice(0, r.greedy.text.indexOf(r.greedy.text.slice(1, 3))));
});

for (const backend of ["webgpu", "cpu"] as const)
  test(`break, abort, concurrent replies and dispose on ${backend} leave the model usable or gone, never hanging`, async ({
    blank,
  }) => {
    const r = await blank.evaluate(async (backend) => {
      const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 256, backend });
      const options = { raw: true, temperature: 0, maxTokens: 100, stopTokens: [] };
      for await (const chunk of model.generate("the cat", options)) if (chunk.tokens.length > 0) break;
      const abort = new AbortController();
      let code = "";
      try {
        for await (const chunk of model.generate("the cat", { ...options, signal: abort.signal }))
          if (chunk.tokens.length > 0) abort.abort();
      } catch (error) {
        code = (error as { code: string }).code;
      }
      const count = async (prompt: string) => {
        const tokens: number[] = [];
        for await (const chunk of model.generate(prompt, { ...options, maxTokens: 6 })) tokens.push(...chunk.tokens);
        return tokens.join();
      };
      const alone = [await count("a"), await count("b")];
      const leaves = async () => {
        for await (const chunk of model.generate("the cat", options)) if (chunk.tokens.length > 0) break;
      };
      const [together] = await Promise.all([
        Promise.all([count("a"), count("b"), count("a"), model.tokenize("x").then(String)]),
        leaves(),
      ]);
      const messages = [{ role: "user" as const, content: "the cat" }];
      const request = { messages, temperature: 0, max_completion_tokens: 6 };
      const answers = await model.batch([request, { ...request, n: 2 }]);
      const written = answers.flatMap((answer) =>
        answer.status === "fulfilled" ? answer.value.choices.map(({ message }) => message.content) : [answer.reason],
      );
      const rejected = async (promise: Promise<unknown>) =>
        promise.then(
          () => "fine",
          (error: { code: string }) => error.code,
        );
      const running = rejected(count("the cat"));
      const disposing = model.dispose();
      return {
        code,
        alone,
        together,
        written,
        running: await running,
        after: await rejected(disposing.then(() => model.tokenize("x"))),
      };
    }, backend);
    expect(r.code).toBe("aborted");
    const [a, b] = r.alone;
    expect(r.together.slice(0, 3)).toEqual([a, b, a]);
    expect(r.written).toEqual(Array(3).fill(r.written[0]));
    // The CPU may have written six tokens before the model is disposed.
    expect(backend === "cpu" ? ["disposed", "aborted", "fine"] : ["disposed", "aborted"]).toContain(r.running);
    expect(r.after).toBe("disposed");
  });

for (const backend of ["webgpu", "cpu"] as const)
  test(`conversations that alternate on ${backend} each compute their new tokens alone`, async ({ blank }) => {
    const replies = await blank.evaluate(async (backend) => {
      const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 512, backend });
      const conversations = ["the cat and the dog", "one two three"].map((content) => ({
        messages: [{ role: "user", content }],
        // What was computed of it, and how long its last prompt was.
        known: [] as number[],
        before: 0,
      }));
      const out: { cached: number; shared: number; before: number }[] = [];
      for (let round = 0; round < 3; round++) {
        for (const conversation of conversations) {
          const { messages, known, before } = conversation;
          const tokens: number[] = [];
          let content = "";
          let last: import("../../www/api/index.js").Chunk | undefined;
          for await (const chunk of model.generate(messages, { temperature: 0, maxTokens: 8 })) {
            tokens.push(...chunk.tokens);
            content += chunk.text;
            last = chunk;
          }
          const prompt = last!.promptTokens!;
          const differs = prompt.findIndex((token, i) => token !== known[i]);
          const shared = differs < 0 ? prompt.length - 1 : differs;
          out.push({ cached: last!.timings!.cachedTokens!, shared, before });
          conversation.before = prompt.length;
          conversation.known = [...prompt, ...tokens.slice(0, -1)];
          messages.push({ role: "assistant", content }, { role: "user", content: "and then" });
        }
      }
      await model.dispose();
      return out;
    }, backend);
    expect(replies[0]!.cached).toBe(0);
    // The second has its first tokens, the template's, from the first.
    expect(replies[1]!.cached).toBeGreaterThan(0);
    for (const { cached, shared, before } of replies.slice(2)) {
      expect(cached).toBe(shared);
      expect(shared).toBeGreaterThan(before - 2);
    }
  });

for (const backend of ["cpu", "webgpu"] as const)
  test(`guesses on ${backend} change no reply, and the model tells of them`, {
    tag: backend === "webgpu" ? ["@swiftshader"] : [],
  }, async ({ blank }) => {
    const { plain, guessed, usage, stats, told } = await blank.evaluate(async (backend) => {
      const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 256, backend });
      // Of few tokens: so what is written comes again.
      const few = Object.fromEntries([40, 41, 50, 61].map((id) => [id, 40]));
      const write = async (speculate: "off" | number) => {
        const options = { raw: true, maxTokens: 40, temperature: 0.7, seed: 5, logitBias: few, speculate };
        let last: import("../../www/api/index.js").Chunk | undefined;
        let text = "";
        for await (const chunk of model.generate("the cat and the dog", options)) {
          text += chunk.text;
          last = chunk;
        }
        return { text, timings: last!.timings! };
      };
      const told: number[] = [];
      const stop = model.onStats(({ tokens }) => told.push(tokens.completion), { every: 10 });
      const [plain, guessed] = [await write("off"), await write(4)];
      const request = { prompt: "the cat", max_tokens: 40, seed: 5, logit_bias: few, speculate: 4 };
      const { usage } = await model.completions.create(request);
      stop();
      const stats = await model.stats();
      await model.dispose();
      return { plain, guessed, usage, stats, told };
    }, backend);
    expect(guessed.text).toBe(plain.text);
    expect(plain.timings.draftedTokens).toBe(0);
    expect(guessed.timings.acceptedTokens).toBeGreaterThan(5);
    const { accepted_prediction_tokens, rejected_prediction_tokens } = usage!.completion_tokens_details!;
    const accepted = guessed.timings.acceptedTokens + accepted_prediction_tokens!;
    const drafted = guessed.timings.draftedTokens + accepted_prediction_tokens! + rejected_prediction_tokens!;
    expect(stats.speculation).toEqual({ drafted, accepted });
    expect(stats.tokens.completion).toBe(120);
    expect(stats.requests).toEqual({ running: 0, waiting: 0, total: 3 });
    expect(told.length).toBeGreaterThan(1);
    expect(stats.batch.passes).toBeLessThan(120);
  });

test("prompts and options that cannot work are typed errors, and the model goes on", async ({ blank }) => {
  const codes = await blank.evaluate(async () => {
    const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 64 });
    const run = async (prompt: never, options: object) => {
      try {
        for await (const _ of model.generate(prompt, { raw: true, maxTokens: 2, ...options }));
        return "fine";
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    const out = [
      await run("the cat ".repeat(200) as never, {}),
      await run("x" as never, { temperature: -1 }),
      await run("x" as never, { topP: 7 }),
      await run("x" as never, { temperature: "hot" }),
      await run("x" as never, { maxTokens: -3 }),
      await run(7 as never, {}),
      await run([{ content: "no role" }] as never, { raw: false }),
      await run("x" as never, { maxTokens: 2 }),
    ];
    await model.dispose();
    return out;
  });
  expect(codes.slice(0, 6)).toEqual([
    "prompt_too_long",
    "bad_option",
    "bad_option",
    "bad_option",
    "bad_option",
    "bad_option",
  ]);
  expect(["fine", "bad_option", "bad_template"]).toContain(codes[6]);
  expect(codes[7]).toBe("fine");
});

test("every bad file is refused with its code, and the page goes on", async ({ blank }) => {
  test.setTimeout(400_000);
  const { stdout } = spawnSync("cargo", ["run", "-q", "--release", "-p", "tiny-models"], {
    cwd: ROOT,
    encoding: "utf8",
  });
  const files = [...stdout.matchAll(/^(bad-\S+) \((.*)\)$/gm)].map(([, name, codes]) => ({
    name: name!,
    codes: codes!.split(" or "),
  }));
  expect(files.length).toBeGreaterThan(30);
  for (const { name, codes } of files) {
    const got = await blank.evaluate(async (name) => {
      try {
        const model = await sotto.load(`/tiny/${name}.gguf`, { contextLength: 64 });
        try {
          for await (const _ of model.generate([{ role: "user", content: "hi" }], { maxTokens: 2 }));
        } finally {
          await model.dispose();
        }
        return { code: "fine", message: "" };
      } catch (error) {
        const { code, message } = error as { code: string; message: string };
        return { code, message };
      }
    }, name);
    expect.soft(codes, `${name}: ${got.message}`).toContain(got.code);
    expect.soft(got.message, name).toMatch(/^\S.*\S$/);
  }
  const fine = await blank.evaluate(async () => {
    const model = await sotto.load("/tiny/llama-f32.gguf", { contextLength: 64 });
    const ids = await model.tokenize("still here");
    await model.dispose();
    return ids.length;
  });
  expect(fine).toBeGreaterThan(0);
});

test("the chat page with the real package: loads a file, chats, stops, reloads", async ({ page, realChat }) => {
  for (let visit = 0; visit < 2; visit++) {
    await page.goto(realChat);
    await page.getByLabel("A file from this device").setInputFiles(tinyModel("llama-f32"));
    const input = page.getByRole("textbox", { name: "Write a message" });
    await expect(input).toBeFocused({ timeout: 60_000 });
    await input.fill("the cat and the dog");
    await page.keyboard.press("Enter");
    // So small a model may be done before one looks for the Stop button: chat.spec.ts looks for it, with a slow one.
    await expect(page.locator("article.assistant .figures").last()).toContainText("token");
    if (await page.getByRole("button", { name: "Stop" }).isVisible()) await page.keyboard.press("Escape");
    await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
    await page.getByRole("button", { name: "New chat" }).click();
    await input.fill("once more");
    await page.keyboard.press("Enter");
    await expect(page.locator("article.assistant .figures").last()).toContainText("token");
    await page.keyboard.press("Escape");
    await expect(page.getByRole("alert")).toBeHidden();
  }
});
