/** What tests of the chat page do and look at. */
import AxeBuilder from "@axe-core/playwright";
import type { Page } from "@playwright/test";
import { expect } from "./servers.js";

export const input = (page: Page) => page.getByRole("textbox", { name: "Write a message" });
export const reply = (page: Page) => page.locator("article.assistant").last();
/** The list of chats: the buttons that open them. */
export const chats = (page: Page) => page.locator("#chat-list .open");

export async function openModel(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("button", { name: "Load", exact: true }).first().click();
  await expect(input(page)).toBeFocused();
}

export async function say(page: Page, text: string): Promise<void> {
  await input(page).fill(text);
  await input(page).press("Enter");
  await expect(reply(page)).not.toHaveAttribute("aria-busy", "true");
  await expect(page.getByRole("button", { name: "Send" })).toBeVisible();
}

/** Nothing to complain of, for people who do not see or hear or point. */
export async function accessible(page: Page): Promise<void> {
  const { violations } = await new AxeBuilder({ page }).analyze();
  expect(
    violations.map(({ id, nodes }) => `${id}: ${nodes.map(({ html }) => html.slice(0, 200)).join(" | ")}`),
  ).toEqual([]);
}

/** Nothing is wider than the page. */
export const fits = async (page: Page) =>
  expect(await page.evaluate(() => document.documentElement.scrollWidth - innerWidth)).toBeLessThanOrEqual(0);
