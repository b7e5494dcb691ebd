/** Sessions of the built package in Chromium: saved, the browser killed, and gone on with. */
import type { BrowserContext, Page } from "@playwright/test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "./site.js";

declare const sotto: typeof import("../../www/api/index.js");

type LoadOptions = Pick<import("../../www/api/index.js").LoadOptions, "backend" | "kvType">;

const GREEDY = { temperature: 0, max_tokens: 12 };

/** A conversation of two turns that is saved, and how a third goes on. */
const told = (page: Page, options: LoadOptions) =>
  page.evaluate(
    async ({ options, greedy }) => {
      const model = await sotto.load("/model.gguf", { contextLength: 512, ...options });
      const session = model.session({ id: "trip", messages: [{ role: "system", content: "the cat ".repeat(20) }] });
      await session.chat("and the dog?", greedy);
      await session.chat("a cat", greedy);
      const saved = await session.save();
      const { text, usage } = await session.chat("which?", greedy);
      return { saved, text, usage };
    },
    { options, greedy: GREEDY },
  );

/** The session that was saved, and its third turn. */
const goesOn = (page: Page, options: LoadOptions) =>
  page.evaluate(
    async ({ options, greedy }) => {
      const model = await sotto.load("/model.gguf", { contextLength: 512, ...options });
      const session = (await model.restore("trip"))!;
      const { restored, messages } = session;
      const { text, usage } = await session.chat("which?", greedy);
      const { tokens } = await model.stats();
      await model.dispose();
      return { restored, said: messages.length, text, usage, computed: tokens.prompt - tokens.cached };
    },
    { options, greedy: GREEDY },
  );

/** Changes a byte of the only session's data. */
const damage = (page: Page, fromEnd: number) =>
  page.evaluate(async (fromEnd) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("sotto-sessions");
    for await (const [name, handle] of folder as unknown as AsyncIterable<[string, FileSystemFileHandle]>) {
      if (!name.endsWith(".session")) continue;
      const file = await handle.getFile();
      const at = file.size - fromEnd;
      const byte = new Uint8Array(await file.slice(at, at + 1).arrayBuffer());
      const writable = await handle.createWritable({ keepExistingData: true });
      await writable.write({ type: "write", position: at, data: Uint8Array.of(byte[0]! ^ 1) });
      await writable.close();
    }
  }, fromEnd);

async function kill(context: BrowserContext, page: Page): Promise<void> {
  const cdp = await (context.browser() ?? page.context().browser())?.newBrowserCDPSession();
  await cdp?.send("Browser.crash").catch(() => {});
  await context.close().catch(() => {});
}

for (const backend of ["cpu", "webgpu"] as const) {
  test(`${backend}: a conversation goes on after the browser was killed, and nothing of it is read again`, async ({
    site,
    playwright,
    browser,
  }) => {
    const folder = mkdtempSync(join(tmpdir(), "sotto-"));
    const type = playwright[browser.browserType().name() as "chromium"];
    const launch = () => type.launchPersistentContext(folder, test.info().project.use.launchOptions);
    const killed = await launch();
    const page = await site.visit(killed);
    const first = await told(page, { backend });
    expect(first.saved.tokens).toBeGreaterThan(60);
    await kill(killed, page);

    const again = await launch();
    const next = await site.visit(again);
    const second = await goesOn(next, { backend });
    expect(second.restored).toEqual({ tokens: first.saved.tokens });
    expect(second).toMatchObject({ said: 5, text: first.text, usage: first.usage });
    // Of all prompt tokens since the load, those that were saved were not computed.
    expect(second.computed).toBe(second.usage.prompt_tokens - first.saved.tokens);

    // What does not fit is read anew, and the reply is the same.
    expect((await goesOn(next, { backend, kvType: "f32" })).restored?.refused?.code).toBe("stale_session");
    await damage(next, 1000);
    const anew = await goesOn(next, { backend });
    expect(anew.restored).toMatchObject({ tokens: 0, refused: { code: "damaged_session" } });
    expect(anew).toMatchObject({ said: 5, text: first.text, computed: first.usage.prompt_tokens });
    await again.close();
    rmSync(folder, { recursive: true, force: true });
  });
}

test("sessions are listed and deleted", async ({ site, context }) => {
  const page = await site.visit(context);
  const { saved } = await told(page, { backend: "cpu" });
  const listed = await page.evaluate(async () => {
    const all = await sotto.store.sessions();
    const gone = [await sotto.store.deleteSession("trip"), await sotto.store.deleteSession("trip")];
    return { all, gone, left: await sotto.store.sessions() };
  });
  expect(listed).toEqual({ all: [saved], gone: [true, false], left: [] });
});
