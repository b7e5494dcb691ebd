/** Questions about files on the chat page: searched in the tab, answered with the sources' numbers, kept where that is wished. */
import { join } from "node:path";
import type { Locator, Page } from "@playwright/test";
import { ROOT } from "../../tools/setup.mjs";
import { accessible, fits, openModel } from "./page.js";
import { expect, test } from "./servers.js";

test.use({ contextOptions: { reducedMotion: "reduce" } });

const dialogOf = (page: Page) => page.getByRole("dialog", { name: "Ask your files" });
const shot = (page: Page, of: string) => page.screenshot({ path: join(ROOT, "test-results", `page files ${of}.png`) });

const FILES = [
  { name: "cats.md", mimeType: "text/markdown", buffer: Buffer.from("# Cats\n\nCats sleep sixteen hours a day.") },
  { name: "rates.txt", mimeType: "text/plain", buffer: Buffer.from("The bank raised rates again.") },
];

const WORDS = { label: "Words alone: nothing is downloaded" };

/** The dialog over the page with a model that is loaded, of `url` or of this page once more. */
async function openFiles(page: Page, url = page.url()): Promise<Locator> {
  await openModel(page, url);
  if (await page.getByRole("button", { name: "Chats" }).isVisible())
    await page.getByRole("button", { name: "Chats" }).click();
  await page.getByRole("button", { name: "Ask your files" }).click();
  await expect(dialogOf(page)).toBeVisible();
  return dialogOf(page);
}

async function ask(page: Page, question: string): Promise<void> {
  await dialogOf(page).getByLabel("Question").fill(question);
  await page.keyboard.press("Enter");
  await expect(dialogOf(page).getByRole("button", { name: "Ask" })).toBeVisible();
}

/** A hub that has each file that it is asked for, and what was asked of it. */
async function hub(page: Page): Promise<string[]> {
  const asked: string[] = [];
  await page.route("https://huggingface.co/**", (route) => {
    const { pathname } = new URL(route.request().url());
    asked.push(pathname);
    const headers = { "access-control-allow-origin": "*" };
    if (pathname.startsWith("/api/"))
      return route.fulfill({ headers, json: [{ type: "file", path: "model-q8_0.gguf", size: 3_000_000 }] });
    return route.fulfill({ headers, body: Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(2_999_996)]) });
  });
  return asked;
}

test("by words alone nothing is downloaded; an answer's numbers lead to its sources; files are removed", async ({
  page,
  fakeChat,
}) => {
  const asked = await hub(page);
  const dialog = await openFiles(page, fakeChat);
  await accessible(page);
  await dialog.getByLabel("Searched by").selectOption(WORDS);
  await dialog.getByLabel(/Drop text files/).setInputFiles(FILES);
  await expect(dialog.getByRole("list", { name: "Files" }).getByRole("listitem")).toHaveText([
    /^cats\.md1 passage/,
    /^rates\.txt1 passage/,
  ]);
  // The fake model echoes the question.
  await ask(page, "echo they sleep sixteen hours [1] and no more [7].");
  const answer = page.locator("#files-answer");
  await expect(answer).toHaveText("they sleep sixteen hours [1] and no more [7].");
  await expect(dialog.getByText("[1] cats.md · named in the answer")).toBeVisible();
  await accessible(page);
  await answer.getByRole("button", { name: "Source 1, cats.md" }).press("Enter");
  await expect(dialog.getByText("Cats: Cats sleep sixteen hours a day.")).toBeVisible();
  await expect(page.locator("#files-sources summary").first()).toBeFocused();
  await accessible(page);
  await shot(page, "answer");
  await ask(page, "echo the bank");
  await expect(dialog.getByText("The answer names none of these")).toBeVisible();
  // What was found is there to be read.
  await expect(page.locator("#files-sources details").first()).toHaveAttribute("open", "");
  await ask(page, "zzz");
  await expect(dialog.getByRole("status")).toHaveText("Nothing in the files has to do with that.");
  await dialog.getByRole("button", { name: "Remove rates.txt" }).press("Enter");
  await expect(dialog.getByRole("listitem")).toHaveText([/^cats\.md/]);
  const picture = { name: "cat.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0xff, 0xfe]) };
  await dialog.getByLabel(/Drop text files/).setInputFiles(picture);
  await expect(dialog.getByRole("status")).toContainText("cat.png is no text that can be read");
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Ask your files" })).toBeFocused();
  await page.reload();
  await openFiles(page);
  await expect(dialog.getByRole("listitem")).toHaveCount(0);
  expect(asked).toEqual([]);
});

test("by meaning a small model comes once; the files are there the next time, where that is wished", async ({
  page,
  fakeChat,
}) => {
  const asked = await hub(page);
  const dialog = await openFiles(page, fakeChat);
  await dialog.getByLabel("Keep the files").check();
  await dialog.getByLabel(/Drop text files/).setInputFiles(FILES);
  await expect(dialog.getByRole("listitem")).toHaveCount(2);
  expect(asked.some((path) => path.startsWith("/CompendiumLabs/bge-small-en-v1.5-gguf/"))).toBe(true);
  await page.reload();
  await openFiles(page);
  await expect(dialog.getByRole("listitem")).toHaveText([/^cats\.md/, /^rates\.txt/]);
  await expect(dialog.getByLabel("Keep the files")).toBeChecked();
  await ask(page, "echo sixteen hours [1]");
  await expect(dialog.getByText(/^\[1\] \w+\.\w+ · named in the answer/)).toBeVisible();
  // Another way to search reads what is there.
  await dialog.getByLabel("Searched by").selectOption(WORDS);
  await ask(page, "echo [1] cats");
  await expect(dialog.getByText("[1] cats.md · named in the answer")).toBeVisible();
  await dialog.getByLabel("Keep the files").uncheck();
  await page.reload();
  await openFiles(page);
  await expect(dialog.getByRole("listitem")).toHaveCount(0);
});

for (const [what, width, height] of [
  ["at 320 pixels", 320, 640],
  ["at 2560 pixels", 2560, 1300],
  ["in the dark", 1280, 800],
  ["in forced colours", 1280, 800],
] as const)
  test(`files: nothing is cut off and axe finds nothing, ${what}`, async ({ page, fakeChat }) => {
    await page.setViewportSize({ width, height });
    if (what.includes("forced")) await page.emulateMedia({ forcedColors: "active" });
    if (what.includes("dark")) await page.emulateMedia({ colorScheme: "dark" });
    const dialog = await openFiles(page, fakeChat);
    await dialog.getByLabel("Searched by").selectOption(WORDS);
    const long = {
      name: `${"a-long-name-".repeat(9)}.txt`,
      mimeType: "text/plain",
      buffer: Buffer.from("Cats sleep."),
    };
    await dialog.getByLabel(/Drop text files/).setInputFiles([...FILES, long]);
    await expect(dialog.getByRole("listitem")).toHaveCount(3);
    await ask(page, "echo cats sleep sixteen hours [1].");
    await expect(page.locator("#files-answer").getByRole("button")).toHaveCount(1);
    await accessible(page);
    await fits(page);
    const inside = await dialog.evaluate((it) => it.scrollWidth - it.clientWidth);
    expect(inside).toBeLessThanOrEqual(0);
    await shot(page, what);
  });
