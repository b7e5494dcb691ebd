/** `sotto/search` in a page, under a strict policy: what was kept is there after the page was loaded anew. */
import { join } from "node:path";
import type { ServerResponse } from "node:http";
import { expect, test } from "@playwright/test";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import type * as Piece from "../../www/pieces/search/index.js";

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'";

test("a search is kept, found again and forgotten", async ({ page }) => {
  const server = await serve(
    {
      "/dist/": join(ROOT, "dist"),
      "/": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end('<!doctype html><link rel="icon" href="data:,">'),
    },
    { headers: { "content-security-policy": POLICY } },
  );
  /** Opens it, adds documents where it is empty, and says what is nearest to the third. */
  const open = () =>
    page.evaluate(async () => {
      const { createSearch } = (await import(`${location.origin}/dist/pieces/search.js`)) as typeof Piece;
      const search = await createSearch<number>({ name: "notes" });
      const before = search.size;
      const vector = (i: number) => Array.from({ length: 40 }, (_, at) => Math.cos(i * at + i));
      const documents = Array.from({ length: 50 }, (_, i) => ({
        id: `${i}`,
        text: `note ${i}`,
        data: i,
        vector: vector(i),
      }));
      if (before === 0) await search.add(documents);
      await search.save();
      const hits = await search.find({ text: "note 3", vector: vector(3) }, { limit: 1 });
      return { before, hits };
    });
  await page.goto(server.url);
  const first = await open();
  expect(first).toEqual({
    before: 0,
    hits: [{ id: "3", text: "note 3", data: 3, score: expect.closeTo(2 / 61, 6), similarity: expect.closeTo(1, 5) }],
  });
  await page.reload();
  expect(await open()).toEqual({ before: 50, hits: first.hits });
  await page.evaluate(async () => {
    const { createSearch } = (await import(`${location.origin}/dist/pieces/search.js`)) as typeof Piece;
    await (await createSearch({ name: "notes" })).forget();
  });
  await page.reload();
  expect((await open()).before).toBe(0);
  server.close();
});
