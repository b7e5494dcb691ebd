/** The chat page with the built package and a tiny model: after a reload a conversation goes on without being read again. */
import { cpSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { startChat } from "../../tools/chat-server.mjs";
import { ROOT } from "../../tools/setup.mjs";
import type { SottoChat } from "../../www/pieces/element/index.js";
import { chats, openModel, say } from "./page.js";
import { DEFAULT_MODEL, expect, test, tinyModel } from "./servers.js";

const MODELS = join(ROOT, "test-results", "resumed-models");

let url: string;
let close: () => Promise<void>;
test.beforeAll(async () => {
  mkdirSync(MODELS, { recursive: true });
  cpSync(tinyModel("llama-f32"), join(MODELS, DEFAULT_MODEL));
  ({ url, close } = await startChat({ port: 0, models: MODELS }));
});
test.afterAll(() => close());

/** Short replies, the usage of the last one at hand, and every conversation kept, however quickly so small a model reads it. */
const prepare = (page: Page) =>
  page.evaluate(() => {
    const chat = document.querySelector<SottoChat>("sotto-chat")!;
    chat.params = { temperature: 0, max_completion_tokens: 6 };
    chat.setAttribute("resume", "0");
    chat.addEventListener("sotto-part", ({ detail }) => Object.assign(globalThis, { usage: detail.part.usage }));
  });

/** Tokens of the last request, and how many of them had been computed before. */
const usage = (page: Page) =>
  page.evaluate(() => {
    const { prompt_tokens, prompt_tokens_details } = (globalThis as unknown as Told).usage;
    return { asked: prompt_tokens, cached: prompt_tokens_details.cached_tokens };
  });

interface Told {
  usage: { prompt_tokens: number; prompt_tokens_details: { cached_tokens: number } };
}

/** How many sessions the browser keeps. */
const sessions = (page: Page) =>
  page.evaluate(async () => {
    const root = await navigator.storage.getDirectory();
    const folder = await root.getDirectoryHandle("sotto-sessions", { create: true });
    let count = 0;
    for await (const name of (folder as unknown as { keys(): AsyncIterable<string> }).keys())
      if (name.endsWith(".session")) count++;
    return count;
  });

test("after a reload a chat goes on without being read again, and what was computed of it goes with it", async ({
  page,
}) => {
  await page.goto(url);
  // The page asks for it by itself, where it pays.
  await expect(page.locator("sotto-chat")).toHaveAttribute("resume", "");
  await openModel(page, url);
  await prepare(page);
  await say(page, "the cat and the dog");
  await say(page, "a cat");
  const { asked } = await usage(page);
  // The first reply's was held back as the second came.
  await expect.poll(() => sessions(page)).toBe(1);

  await page.reload();
  await openModel(page, url);
  await prepare(page);
  await expect(page.locator("article")).toHaveCount(4);
  await say(page, "which?");
  const after = await usage(page);
  expect(after.asked).toBeGreaterThan(asked);
  expect(after.cached).toBeGreaterThanOrEqual(asked);

  // Another chat has its own; one that is deleted takes it along, whether it is open or not.
  await expect.poll(() => sessions(page)).toBe(1);
  await page.getByRole("button", { name: "New chat" }).click();
  await say(page, "the dog");
  await expect.poll(() => sessions(page)).toBe(2);
  await page.getByRole("button", { name: "More on the cat" }).click();
  const dialog = page.getByRole("dialog", { name: "This chat" });
  await dialog.getByRole("button", { name: "Delete" }).click();
  await dialog.getByRole("button", { name: "Delete for good?" }).click();
  await expect(chats(page)).toHaveText(["the dog"]);
  await expect.poll(() => sessions(page)).toBe(1);
  await page.locator("sotto-chat summary[aria-label=More]").click();
  await page.getByRole("button", { name: "Delete the chat" }).click();
  await page.getByRole("button", { name: "Delete the chat?" }).click();
  await expect.poll(() => sessions(page)).toBe(0);
});
