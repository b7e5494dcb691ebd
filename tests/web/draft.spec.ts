/** A second model that guesses for the first, in Chromium; and many conversations in one cache. */
import { expect, test } from "./site.js";

declare const sotto: typeof import("../../www/api/index.js");

for (const backend of ["cpu", "webgpu"] as const) {
  test(`${backend}: with a draft replies are the same, and take fewer passes`, async ({ site, context }) => {
    const page = await site.visit(context);
    const [alone, guessed] = await page.evaluate(async (backend) => {
      const write = async (draft: string | undefined) => {
        const phases: string[] = [];
        const onProgress = ({ phase }: { phase: string }) => phases.push(phase);
        const model = await sotto.load("/model.gguf", { backend, contextLength: 256, draft, onProgress });
        let text = "";
        const options = { raw: true, maxTokens: 40, temperature: 0, speculate: draft ? 3 : "off" } as const;
        for await (const piece of model.generate("the cat", options)) text += piece.text;
        const { batch, speculation } = await model.stats();
        await model.dispose();
        return {
          text,
          passes: batch.passes,
          ...speculation,
          ready: phases.filter((phase) => phase === "ready").length,
        };
      };
      return [await write(undefined), await write("/model.gguf")] as const;
    }, backend);
    expect(guessed.text).toBe(alone.text);
    expect([alone.ready, guessed.ready, alone.drafted]).toEqual([1, 1, 0]);
    expect(guessed.drafted).toBeGreaterThan(20);
    // It is the same model: on the CPU its guesses are right to the last.
    expect(guessed.accepted).toBeGreaterThan(0.8 * guessed.drafted);
    expect(guessed.passes).toBeLessThan(0.5 * alone.passes);
  });
}

test("twelve conversations in a cache for eight: 500 turns, and memory does not grow", async ({ site, context }) => {
  const page = await site.visit(context);
  const { wrong, evictions, hits, memory } = await page.evaluate(async () => {
    const options = { backend: "cpu", contextLength: 64 } as const;
    const shared = await sotto.load("/model.gguf", { ...options, cacheTokens: 288 });
    const alone = await sotto.load("/model.gguf", options);
    const reply = async (model: typeof shared, prompt: string) => {
      let text = "";
      const options = { raw: true, maxTokens: 4, temperature: 0 } as const;
      for await (const piece of model.generate(prompt, options)) text += piece.text;
      return text;
    };
    const start = (which: number, turn: number) => `${which} ${turn} the cat and the dog`;
    const all = Array.from({ length: 12 }, (_, i) => start(i, 0));
    const memory: number[] = [];
    let wrong = 0;
    let state = 7;
    for (let turn = 0; turn < 500; turn++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
      const which = (state >>> 16) % all.length;
      all[which] += ` a ${turn % 9}?`;
      if ((await shared.tokenize(all[which]!)).length > 50) all[which] = start(which, turn);
      const text = await reply(shared, all[which]!);
      // Every tenth is compared with what a model writes that knows of no other conversation.
      if (turn % 10 === 0 && text !== (await reply(alone, all[which]!))) wrong++;
      all[which] += text;
      if (turn % 100 === 99) memory.push((await shared.stats()).memory.wasmBytes);
    }
    const { cache, tokens } = await shared.stats();
    await Promise.all([shared.dispose(), alone.dispose()]);
    return { wrong, evictions: cache.evictions, hits: tokens.cached, memory };
  });
  expect(wrong).toBe(0);
  expect(evictions).toBeGreaterThan(50);
  expect(hits).toBeGreaterThan(1000);
  expect(new Set(memory).size, String(memory)).toBe(1);
});
