/** One model for all tabs, in Chromium: one download, one engine, and another tab's turn when the one that serves is gone. */
import type { BrowserContext, Page } from "@playwright/test";
import { type Site, expect, test } from "./site.js";

type Model = Awaited<ReturnType<typeof import("../../www/api/index.js").load>>;
declare const sotto: typeof import("../../www/api/index.js");
declare const model: Model;

const OPTIONS = { backend: "cpu", contextLength: 512, shared: true } as const;

/** A tab that has the shared model in `model`; what its load told. */
async function tab(site: Site, context: BrowserContext) {
  const page = await site.visit(context);
  return { page, phases: await load(page) };
}

function load(page: Page) {
  return page.evaluate(async (options) => {
    const phases = new Set<string>();
    const onProgress = ({ phase }: { phase: string }) => void phases.add(phase);
    Object.assign(globalThis, { model: await sotto.load("/model.gguf", { ...options, onProgress }) });
    return [...phases];
  }, OPTIONS);
}

/** A reply of the tab: its text, or the code of the error that it ended with. At its first piece, the tab does so. */
function reply(page: Page, maxTokens: number, atOnce?: "dispose" | "tell") {
  return page.evaluate(
    async ({ maxTokens, atOnce }) => {
      let text = "";
      try {
        // One letter again and again, so that it does not end before.
        const options = { raw: true, maxTokens, logitBias: { 65: 1000 } };
        for await (const piece of model.generate("the cat", options)) {
          if (text === "" && atOnce === "dispose") void model.dispose();
          if (text === "" && atOnce === "tell") new BroadcastChannel("begun").postMessage("");
          text += piece.text;
        }
        return text;
      } catch (error) {
        return (error as { code: string }).code;
      }
    },
    { maxTokens, atOnce },
  );
}

/** Has the tab stand still as soon as another says that its reply has begun. */
async function stands(context: BrowserContext, page: Page): Promise<{ paused: Promise<void> }> {
  const cdp = await context.newCDPSession(page);
  await cdp.send("Debugger.enable");
  const paused = new Promise<void>((resolve) => cdp.once("Debugger.paused", () => resolve()));
  await page.evaluate(
    "void (globalThis.begun = new BroadcastChannel('begun')); begun.onmessage = () => { debugger; };",
  );
  return { paused };
}

/** The tab that has the engine, and the others. */
function divided(pages: Page[]): { serving: Page; others: Page[] } {
  const [serving, ...more] = pages.filter((page) => page.workers().length > 0);
  expect(more).toEqual([]);
  return { serving: serving!, others: pages.filter((page) => page !== serving) };
}

test("three tabs chat with one download and one engine; the one that serves is closed, the next one killed", async ({
  site,
  context,
}) => {
  const { file } = site;
  const tabs = await Promise.all([tab(site, context), tab(site, context), tab(site, context)]);
  const pages = tabs.map(({ page }) => page);
  for (const { phases } of tabs) expect(phases).toContain("ready");
  expect(file.sent).toBe(file.file.length);
  const first = divided(pages);
  const texts = await Promise.all(pages.map((page) => reply(page, 30)));
  expect(texts[0]).toHaveLength(30);
  expect(new Set(texts).size).toBe(1);

  const [one, other] = first.others as [Page, Page];
  const { paused } = await stands(context, first.serving);
  const cut = reply(one, 480, "tell");
  await paused;
  // Of this nothing was delivered; the reply goes on in another tab.
  const measured = other.evaluate(async () => (await model.bench({ runs: 1 })).decodeTps);
  await first.serving.close();
  expect(await cut).toHaveLength(480);
  expect(await measured).toBeGreaterThan(0);
  expect(await reply(one, 30)).toBe(texts[0]);
  expect(file.sent).toBe(file.file.length);

  const second = divided(first.others);
  const left = second.others[0]!;
  const cdp = await context.newCDPSession(second.serving);
  void cdp.send("Page.crash").catch(() => {});
  expect(await reply(left, 30)).toBe(texts[0]);
  expect(left.workers()).toHaveLength(1);
  await left.evaluate(() => model.dispose());
  await expect.poll(() => left.workers()).toEqual([]);
});

test("a tab that lets go of the model leaves it to the others, and the last one frees it", async ({
  site,
  context,
}) => {
  const { page } = await tab(site, context);
  const late = (await tab(site, context)).page;
  const goes = reply(late, 400);
  expect(await reply(page, 480, "dispose")).toBe("disposed");
  expect(await goes).toHaveLength(400);
  expect(page.workers()).toHaveLength(1);
  // The same tab may have it again.
  await load(page);
  expect(page.workers()).toHaveLength(1);
  await Promise.all([page, late].map((of) => of.evaluate(() => model.dispose())));
  await expect.poll(() => [...page.workers(), ...late.workers()]).toEqual([]);
  expect(site.file.sent).toBe(site.file.file.length);
});

test("a tab that answers nothing, as one that the browser has put to sleep, loses its turn", async ({
  site,
  context,
}) => {
  const { page } = await tab(site, context);
  const other = (await tab(site, context)).page;
  const cdp = await context.newCDPSession(page);
  await cdp.send("Debugger.enable");
  await cdp.send("Debugger.pause");
  expect(await reply(other, 30)).toHaveLength(30);
  expect(other.workers()).toHaveLength(1);
  await cdp.send("Debugger.disable");
  await expect.poll(() => page.workers()).toEqual([]);
  expect(await reply(page, 30)).toHaveLength(30);
});

test("what other tabs cannot read is not shared", async ({ site, context }) => {
  const page = await site.visit(context);
  const code = await page.evaluate((options) => {
    const failed = (error: { code: string }) => error.code;
    return sotto.load(new Blob(["GGUF"]), options).then(() => "loaded", failed);
  }, OPTIONS);
  expect(code).toBe("bad_option");
});
