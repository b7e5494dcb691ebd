/**
 * Devices, workers and the browser's GPU process that are lost in the midst of work, in Chromium: the model is loaded anew, and
 * every reply is the one that it would have been. `SOTTO_LOSSES=100` loses each kind so often.
 */
import type { BrowserContext, Page } from "@playwright/test";
import { type Package, expect, test } from "./blank.js";

declare const sotto: Package;

const LOSSES = Number(process.env.SOTTO_LOSSES ?? 6);

type Backend = "webgpu" | "cpu";

interface Trial {
  /** What was different from an undisturbed run. */
  wrong: string[];
  losses: number;
  /** Seconds until the model was there again. */
  seconds: number[];
}

/**
 * Loads a model, writes replies side by side, and loses what `fate` names at moments that differ each time: in loads, in prompts,
 * in replies. Without a name the page calls `lose`.
 */
function trial(page: Page, backend: Backend, fate: string | undefined, losses: number): Promise<Trial> {
  return page.evaluate(
    async ([backend, fate, losses]) => {
      const channel = new BroadcastChannel("fate");
      const lose = () => (fate ? channel.postMessage(fate) : (globalThis as unknown as { lose(): void }).lose());
      const told: string[] = [];
      const load = (onProgress?: (progress: { phase: string }) => void) =>
        sotto.load("/tiny/llama-f32.gguf", {
          backend,
          contextLength: 256,
          workerUrl: new URL("/workers/mortal.js", location.href),
          onWarning: ({ code, message }) => void told.push(`${code}: ${message}`),
          ...(onProgress && { onProgress }),
        });
      let model = await load();
      const prompts = ["the cat", "a dog ".repeat(60), "what is it"];
      const write = async (prompt: string, onPiece: () => void = () => {}) => {
        let text = "";
        const options = { raw: true, maxTokens: 40, temperature: 0, logitBias: { 2: -100 } };
        for await (const piece of model.generate(prompt, { ...options, onProgress: onPiece })) {
          text += piece.text;
          onPiece();
        }
        return text;
      };
      const seeded = () => model.chat("the cat", { max_completion_tokens: 30, temperature: 1, seed: 7 });
      const expected = await Promise.all(prompts.map((prompt) => write(prompt)));
      const chat = (await seeded()).text;
      const wrong: string[] = [];
      let lost = 0;
      for (let round = 0; lost < losses; round++) {
        if (round % 5 === 4) {
          // In the midst of a load: at its first event, or a later one.
          await model.dispose();
          let events = 0;
          const at = 1 + (round % 3);
          model = await load(() => {
            if (++events !== at) return;
            lost++;
            lose();
          });
        }
        let pieces = 0;
        const at = 1 + ((round * 17) % 50);
        const onPiece = () => {
          if (++pieces !== at) return;
          lost++;
          lose();
        };
        const texts = await Promise.all(prompts.map((prompt) => write(prompt, onPiece)));
        for (const [i, text] of texts.entries())
          if (text !== expected[i]) wrong.push(`${text} instead of ${expected[i]}`);
        const again = (await seeded()).text;
        if (again !== chat) wrong.push(`${again} instead of ${chat}`);
      }
      await model.dispose();
      const seconds = told.map((text) => Number(/anew in ([\d.]+) s/.exec(text)?.[1]));
      return { wrong, losses: lost, seconds };
    },
    [backend, fate, losses] as const,
  );
}

function report(what: string, { losses, seconds }: Trial): void {
  const most = Math.max(...seconds);
  console.log(`${what}: ${losses} lost, ${seconds.length} loads anew, the longest ${most} s`);
}

test("a device that is lost, in loads, prompts and replies", async ({ blank }) => {
  test.setTimeout(120_000 + LOSSES * 20_000);
  const found = await trial(blank, "webgpu", "device", LOSSES);
  expect(found.wrong).toEqual([]);
  expect(found.seconds.length).toBeGreaterThan(0.6 * found.losses);
  report("devices", found);
});

test("a worker that ends, in loads, prompts and replies", async ({ blank }) => {
  test.setTimeout(120_000 + LOSSES * 20_000);
  for (const backend of ["cpu", "webgpu"] as const) {
    const found = await trial(blank, backend, "worker", LOSSES / 2);
    expect(found.wrong).toEqual([]);
    expect(found.seconds.length).toBeGreaterThan(0.6 * found.losses);
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
  const found = await trial(blank, "webgpu", undefined, 1);
  expect(found.wrong).toEqual([]);
  expect(found.seconds.length).toBeGreaterThanOrEqual(1);
  report("GPU processes", found);
});
