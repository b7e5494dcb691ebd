/** Fixture: a site with the built package and one model, a tiny one with megabytes behind it, whose bytes are counted. */
import type { BrowserContext, Page } from "@playwright/test";
import { readFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { type FileServer, answer, madeUp } from "./file-server.js";
import { test as base, tinyModel } from "./servers.js";

export { expect } from "@playwright/test";

export const BLOCK = 4 << 20;

export interface Site {
  file: FileServer;
  /** A page of the site, with the package's exports in `sotto`. */
  visit(context: BrowserContext): Promise<Page>;
}

export const test = base.extend<{ site: Site }>({
  site: async ({}, use) => {
    const model = readFileSync(tinyModel("llama-f32"));
    const file = Buffer.concat([model, madeUp(5 * BLOCK)]);
    const http = await serve({
      "/dist/": join(ROOT, "dist"),
      "/model.gguf": (request: IncomingMessage, response: ServerResponse) => void answer(server, request, response),
      "/": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end("<!doctype html>"),
    });
    const manners = { etag: '"1"' };
    const server: FileServer = { ...http, origin: http.url, file, manners, sent: 0, asked: [] };
    const visit = async (context: BrowserContext) => {
      const page = await context.newPage();
      await page.goto(http.url);
      await page.evaluate(async () => {
        const url = "/dist/index.js";
        Object.assign(globalThis, { sotto: await import(url) });
      });
      return page;
    };
    await use({ file: server, visit });
    http.close();
  },
});
