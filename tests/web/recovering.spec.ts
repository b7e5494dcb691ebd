/**
 * Devices, workers and the browser's GPU process that are lost in the midst of work, in Chromium: the model is loaded anew, and
 * every reply is the one that it would have been. `SOTTO_LOSSES=100` loses each kind so often, `SOTTO_SEED` says at which moments.
 */
import type { BrowserContext, Page } from "@playwright/test";
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

const LOSSES = Number(process.env.SOTTO_LOSSES ?? 8);
const SEED = Number(process.env.SOTTO_SEED ?? 1);

type Backend = "webgpu" | "cpu";

/** What is under way when something is lost. */
const PHASES = ["load", "prefill", "decode", "save"] as const;
type Phase = (typeof PHASES)[number];

interface Trial {
  /** What was different from an undisturbed run. */
  wrong: string[];
  /** Of each loss: what it fell into, and milliseconds until the model was there again. */
  recovered: { phase: Phase; ms: number }[];
}

/**
 * Loads a model, writes replies side by side and saves a conversation, and loses what `fate` names at random moments of each phase
 * in turn, until so many losses were recovered from. Without a name the page calls `lose`.
 */
function trial(
  page: Page,
  backend: Backend,
  fate: string | undefined,
  losses: number,
  phases: readonly Phase[] = PHASES,
): Promise<Trial> {
  return page.evaluate(
    async ([backend, fate, losses, seed, phases]) => {
      const channel = new BroadcastChannel("fate");
      let state = seed;
      const random = () => {
        state = (state * 48271) % 0x7fffffff;
        return state / 0x7fffffff;
      };
      const recovered: Trial["recovered"] = [];
      let now: Phase = "load";
      let lost: { phase: Phase; at: number } = { phase: now, at: 0 };
      const lose = () => {
        lost = { phase: now, at: performance.now() };
        if (fate) channel.postMessage(fate);
        else (globalThis as unknown as { lose(): void }).lose();
      };
      const load = async (onFirst = () => {}) => {
        now = "load";
        let told = 0;
        const model = await sotto.load("/tiny/llama-f32.gguf", {
          backend,
          contextLength: 256,
          workerUrl: new URL("/workers/mortal.js", location.href),
          onProgress: () => ++told === 1 && onFirst(),
          onWarning: ({ message }) => {
            const { phase, at } = lost;
            if (message.includes("loaded anew")) recovered.push({ phase, ms: performance.now() - at });
          },
        });
        now = "prefill";
        return model;
      };
      let model = await load();
      const LONG = "a dog ".repeat(60);
      const write = async (prompt: string, onFirst = () => {}) => {
        let text = "";
        const options = { raw: true, maxTokens: 40, temperature: 0, logitBias: { 2: -100 } };
        for await (const piece of model.generate(prompt, options)) {
          if (text === "") onFirst();
          text += piece.text;
        }
        return text;
      };
      /** Three replies side by side, one that is drawn by chance, and one of a conversation that was saved before. */
      const all = async (reach: (phase: Phase | undefined) => void = () => {}) => {
        const reads = () => {
          now = "decode";
          reach("decode");
        };
        now = "prefill";
        reach("prefill");
        const texts = await Promise.all([write("the cat"), write(LONG, reads), write("what is it")]);
        const chance = await model.chat("the cat", { max_completion_tokens: 30, temperature: 1, seed: 7 });
        const greedy = { temperature: 0, max_tokens: 12 };
        const session = model.session({ id: "kept" });
        await session.chat(LONG.slice(0, 200), greedy);
        now = "save";
        reach("save");
        await session.save();
        now = "decode";
        reach(undefined);
        const goesOn = await (await model.restore("kept"))!.chat("which?", greedy);
        return [...texts, chance.text, goesOn.text];
      };
      const expected = await all();
      // So long each takes undisturbed.
      const took = { load: 0, prefill: 0, decode: 0, save: 0 };
      let reached: { phase: Phase | undefined; at: number } = { phase: undefined, at: 0 };
      const reach = (phase: Phase | undefined) => {
        const at = performance.now();
        if (reached.phase) took[reached.phase] = at - reached.at;
        reached = { phase, at };
      };
      await model.dispose();
      model = await load(() => reach("load"));
      await all(reach);
      const wrong: string[] = [];
      for (let round = 0; recovered.length < losses; round++) {
        if (round > 3 * losses) throw new Error(`${recovered.length} of ${round} losses were told of`);
        const phase = phases[round % phases.length]!;
        const loseIn = (reached: Phase | undefined) => {
          if (reached === phase) setTimeout(lose, random() * took[phase]);
        };
        if (phase === "load") {
          await model.dispose();
          // From its first word on: a worker that has said none is not known to be there.
          model = await load(() => loseIn("load"));
        }
        const texts = await all(loseIn);
        for (const [i, text] of texts.entries())
          if (text !== expected[i]) wrong.push(`${phase}: ${text} instead of ${expected[i]}`);
      }
      await model.dispose();
      return { wrong, recovered };
    },
    [backend, fate, losses, SEED, phases] as const,
  );
}

function report(what: string, { recovered }: Trial): void {
  const ms = recovered.map(({ ms }) => Math.round(ms)).sort((a, b) => a - b);
  const counts = PHASES.map((phase) => `${recovered.filter((one) => one.phase === phase).length} in ${phase}`);
  const times = `shortest ${ms[0]} ms, median ${ms[Math.floor(ms.length / 2)]} ms, longest ${ms.at(-1)} ms`;
  console.log(`${what}: ${ms.length} lost and recovered from (${counts.join(", ")}); ${times}`);
}

test("a device that is lost, in loads, prompts, replies and saves", async ({ blank }) => {
  test.setTimeout(120_000 + LOSSES * 20_000);
  const found = await trial(blank, "webgpu", "device", LOSSES);
  expect(found.wrong).toEqual([]);
  report("devices", found);
});

test("a worker that ends, in loads, prompts, replies and saves", async ({ blank }) => {
  test.setTimeout(120_000 + LOSSES * 20_000);
  for (const backend of ["cpu", "webgpu"] as const) {
    const found = await trial(blank, backend, "worker", LOSSES / 2);
    expect(found.wrong).toEqual([]);
    report(`workers on ${backend}`, found);
  }
});

/** Ends the browser's GPU process, as a driver's crash does. */
async function crash(context: BrowserContext): Promise<void> {
  const cdp = await context.browser()!.newBrowserCDPSession();
  await cdp.send("Browser.crashGpuProcess").catch(() => {});
}

test("the browser's GPU process that crashes", async ({ blank, context }) => {
  test.setTimeout(120_000);
  await blank.exposeFunction("lose", () => void crash(context));
  // After three of them in a short time Chromium gives WebGPU up.
  const found = await trial(blank, "webgpu", undefined, 1, ["prefill"]);
  expect(found.wrong).toEqual([]);
  report("GPU processes", found);
});
