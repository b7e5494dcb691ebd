/** The built package's store in Chromium: visits, kills, tabs, damage. */
import type { Page } from "@playwright/test";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { BLOCK, expect, test } from "./site.js";

declare const sotto: typeof import("../../www/api/index.js");

/** Loads the model; what the load told, and an error's code. */
function load(page: Page, options: Omit<import("../../www/api/index.js").LoadOptions, "draft"> = {}) {
  return page.evaluate(async (options) => {
    const events: import("../../www/api/index.js").Progress[] = [];
    const warnings: string[] = [];
    try {
      const model = await sotto.load("/model.gguf", {
        backend: "cpu",
        contextLength: 64,
        ...options,
        onProgress: (event) => events.push(event),
        onWarning: ({ message }) => warnings.push(message),
      });
      const ids = await model.tokenize("the cat");
      await model.dispose();
      return { code: "fine", ids: ids.length, events, warnings };
    } catch (error) {
      return { code: (error as { code: string }).code, ids: 0, events, warnings };
    }
  }, options);
}

/** The SHA-256 of what is in the store. */
function stored(page: Page): Promise<string> {
  return page.evaluate(async () => {
    const file = await sotto.store.export(new URL("/model.gguf", location.href).href);
    const hash = await crypto.subtle.digest("SHA-256", await file.arrayBuffer());
    return [...new Uint8Array(hash)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
  });
}

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");

test("a second visit fetches no weights, nor does a load without the network", async ({ site, context }) => {
  const { file, visit } = site;
  const first = await load(await visit(context), { sha256: sha256(file.file) });
  expect(first).toMatchObject({ code: "fine", warnings: [] });
  expect(file.sent).toBe(file.file.length);
  expect(first.events.map(({ phase }) => phase)).toEqual(expect.arrayContaining(["connect", "download", "prepare"]));
  expect(first.events.at(-1)).toMatchObject({ phase: "ready", file: "model.gguf", fromCache: false });
  const page = await visit(context);
  const second = await load(page);
  expect(second).toMatchObject({ code: "fine", warnings: [], ids: first.ids });
  expect(second.events.map(({ phase }) => phase)).not.toContain("download");
  expect(second.events.at(-1)).toMatchObject({ phase: "ready", fromCache: true });
  file.manners.status = 500;
  expect(await load(page, { cache: "only" })).toMatchObject({ code: "fine", warnings: [] });
  expect(await load(page)).toMatchObject({ code: "fine" });
  expect(file.sent).toBe(file.file.length);
  expect(await stored(page)).toBe(sha256(file.file));
  const listed = await page.evaluate(async () => {
    const { url, whole } = (await sotto.store.list())[0]!;
    const { models, quota } = await sotto.store.estimate();
    return { url, whole, models, quota, deleted: await sotto.store.delete(url), left: await sotto.store.list() };
  });
  expect(listed).toMatchObject({ whole: true, models: file.file.length, deleted: 1, left: [] });
  expect(await load(page, { cache: "only" })).toMatchObject({ code: "not_stored" });
});

test("tabs that are closed at random bytes lose at most a block each", async ({ site, context }) => {
  const { file, visit } = site;
  // As slow as a network: what fills the buffers between server and page is lost with the page.
  file.manners.waitMs = 5;
  let kills = 0;
  const ids = new Set<string>();
  for (; kills < 5; kills++) {
    const page = await visit(context);
    for (const { id } of await page.evaluate(() => sotto.store.list())) ids.add(id);
    const at = file.sent + Math.random() * BLOCK;
    void load(page).catch(() => {});
    await expect.poll(() => file.sent, { intervals: [2] }).toBeGreaterThan(at);
    await page.close();
  }
  file.manners.waitMs = 0;
  const page = await visit(context);
  expect(await load(page, { sha256: sha256(file.file) })).toMatchObject({ code: "fine", warnings: [] });
  expect(file.sent).toBeLessThanOrEqual(file.file.length + kills * BLOCK);
  // It is one file all the while.
  expect(ids.size).toBe(1);
  expect(await stored(page)).toBe(sha256(file.file));
});

test("a browser that is killed goes on where it was", async ({ site, playwright, browser }) => {
  const { file, visit } = site;
  const folder = mkdtempSync(join(tmpdir(), "sotto-"));
  const type = playwright[browser.browserType().name() as "chromium"];
  const launch = () => type.launchPersistentContext(folder, test.info().project.use.launchOptions);
  file.manners.waitMs = 5;
  const killed = await launch();
  const page = await visit(killed);
  void load(page).catch(() => {});
  await expect.poll(() => file.sent, { intervals: [2] }).toBeGreaterThan(2 * BLOCK);
  const cdp = await (killed.browser() ?? page.context().browser())?.newBrowserCDPSession();
  await cdp?.send("Browser.crash").catch(() => {});
  await killed.close().catch(() => {});
  const again = await launch();
  const next = await visit(again);
  expect(await load(next)).toMatchObject({ code: "fine", warnings: [] });
  expect(await stored(next)).toBe(sha256(file.file));
  expect(file.sent).toBeLessThanOrEqual(file.file.length + BLOCK);
  await again.close();
  rmSync(folder, { recursive: true, force: true });
});

test("two tabs at once fetch one file", async ({ site, context }) => {
  const { file, visit } = site;
  file.manners.waitMs = 1;
  const pages = [await visit(context), await visit(context)];
  const loads = await Promise.all(pages.map((page) => load(page)));
  expect(loads).toMatchObject([{ code: "fine" }, { code: "fine" }]);
  expect(file.sent).toBe(file.file.length);
  for (const { events } of loads) expect(events.map(({ phase }) => phase)).toContain("download");
});

test("a byte that changed is found, and mended with one block; both read at the same time", async ({
  site,
  context,
}) => {
  const { file, visit } = site;
  const page = await visit(context);
  await load(page);
  await page.evaluate(async (at) => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("sotto");
    const { id } = (await sotto.store.list())[0]!;
    const handle = await folder.getFileHandle(`${id}.gguf`);
    const byte = new Uint8Array(await (await handle.getFile()).slice(at, at + 1).arrayBuffer());
    const writable = await handle.createWritable({ keepExistingData: true });
    await writable.write({ type: "write", position: at, data: Uint8Array.of(byte[0]! ^ 1) });
    await writable.close();
  }, BLOCK + 99);
  const verified = () => page.evaluate(async () => sotto.store.verify(new URL("/model.gguf", location.href).href));
  expect(await verified()).toEqual({ ok: false, bad: [{ start: BLOCK, end: 2 * BLOCK }] });
  expect(await load(page, { cache: "only" })).toMatchObject({ code: "checksum" });
  file.sent = 0;
  const mended = await load(page);
  expect(mended).toMatchObject({ code: "fine", warnings: [expect.stringContaining("were fetched again")] });
  expect(file.sent).toBe(BLOCK);
  expect(await verified()).toEqual({ ok: true, bad: [] });
  const both = await Promise.all([load(page), load(await visit(context))]);
  expect(both).toMatchObject([{ code: "fine" }, { code: "fine" }]);
  expect(file.sent).toBe(BLOCK);
});
