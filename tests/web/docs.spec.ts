/** The documentation's site as people see it: built, served at /docs, searched. */
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import AxeBuilder from "@axe-core/playwright";
import { startChat } from "../../tools/chat-server.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { expect, test } from "./servers.js";

let url: string;
let close: () => Promise<void>;

test.beforeAll(async () => {
  test.setTimeout(600_000);
  // Fails where a link of the site leads nowhere.
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, "tools", "site", "build.mjs")], {
    encoding: "utf8",
  });
  expect(status, stderr).toBe(0);
  ({ url, close } = await startChat({ port: 0 }));
});
test.afterAll(() => close?.());

test("the documentation is served at /docs, has a search of its own, and asks no other server", async ({ page }) => {
  const elsewhere: string[] = [];
  page.on("request", (request) => request.url().startsWith(url) || elsewhere.push(request.url()));
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await page.goto(`${url}docs`);
  await expect(page.getByRole("heading", { level: 1 })).toContainText("Language models inside a web page");
  await page.screenshot({ path: join(ROOT, "test-results", "docs home.png") });
  await page.getByRole("button", { name: "Search" }).click();
  await page.getByRole("searchbox").fill("no_webgpu");
  const found = page.getByRole("option").first();
  await expect(found).toContainText("no_webgpu");
  await page.screenshot({ path: join(ROOT, "test-results", "docs search.png") });
  await page.keyboard.press("Enter");
  await expect(page).toHaveURL(/\/docs\/(troubleshooting|errors)\.html/);
  for (const [path, heading] of [
    ["start.html", "Quick start"],
    ["privacy.html", "Privacy and policies"],
    ["api/sotto/functions/load.html", "Function: load()"],
    ["examples/react-chat.html", "React chat"],
  ]) {
    await page.goto(`${url}docs/${path}`);
    await expect(page.getByRole("heading", { level: 1 })).toContainText(heading!);
    // The sidebar is the theme's own.
    const { violations } = await new AxeBuilder({ page })
      .include("main")
      .withTags(["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"])
      .analyze();
    expect(violations.map(({ id, nodes }) => `${path}: ${id}: ${nodes[0]!.html.slice(0, 150)}`)).toEqual([]);
    await page.screenshot({ path: join(ROOT, "test-results", `docs ${heading!.replace(/\W+/g, " ")}.png`) });
  }
  for (const picture of await page.goto(`${url}docs/element.html`).then(() => page.locator("main img").all()))
    expect(await picture.evaluate((it) => (it as HTMLImageElement).decode().then(() => true))).toBe(true);
  expect(elsewhere).toEqual([]);
  expect(errors).toEqual([]);
});
