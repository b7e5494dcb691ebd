/** What is around the chat on the chat page, for everyone: models, chats, settings; by keyboard, in each width, scheme and direction. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Page } from "@playwright/test";
import { ROOT } from "../../tools/setup.mjs";
import { accessible, chats, fits, input, openModel, reply, say } from "./page.js";
import { expect, test } from "./servers.js";

// What moves is measured while it does.
test.use({ contextOptions: { reducedMotion: "reduce" } });

/** Presses Tab until what is looked for has the focus. */
async function tabTo(page: Page, name: string | RegExp, role: "button" | "textbox" = "button"): Promise<void> {
  const wanted = page.getByRole(role, { name, exact: typeof name === "string" }).first();
  for (let i = 0; i < 40 && !(await wanted.evaluate((it) => it.matches(":focus"))); i++)
    await page.keyboard.press("Tab");
  await expect(wanted).toBeFocused();
}

test("by keyboard alone: load, ask, another chat, back to the first, the settings, the models", async ({
  page,
  fakeChat,
}) => {
  await page.goto(fakeChat);
  await tabTo(page, "Load");
  await page.keyboard.press("Enter");
  await expect(input(page)).toBeFocused();
  await page.keyboard.type("echo one");
  await page.keyboard.press("Enter");
  await expect(reply(page).locator(".body")).toHaveText("one");
  await tabTo(page, "New chat");
  await page.keyboard.press("Enter");
  await expect(input(page)).toBeFocused();
  await page.keyboard.type("echo two");
  await page.keyboard.press("Enter");
  await expect(reply(page).locator(".body")).toHaveText("two");
  await tabTo(page, "echo one");
  await page.keyboard.press("Enter");
  await expect(page.locator("article.user")).toHaveText("echo one");
  await expect(input(page)).toBeFocused();
  await tabTo(page, "Settings");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Settings" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("button", { name: "Settings" })).toBeFocused();
  await tabTo(page, "Models");
  await page.keyboard.press("Enter");
  await expect(page.getByRole("button", { name: "Load", exact: true }).first()).toBeFocused();
});

test("chats are kept, listed, and deleted; a reply that is left is stopped", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await expect(page.getByText("What you write appears here")).toBeVisible();
  await say(page, "echo the first of them");
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.locator("article")).toHaveCount(0);
  await input(page).fill("tell me");
  await input(page).press("Enter");
  await expect(reply(page).locator(".body")).toContainText("bicycle");
  await expect(chats(page)).toHaveText(["tell me", "echo the first of them"]);
  await expect(chats(page).first()).toHaveAttribute("aria-current", "true");
  await chats(page).last().click();
  await expect(reply(page).locator(".body")).toHaveText("the first of them");
  await say(page, "echo and more");
  await page.reload();
  await openModel(page, page.url());
  await expect(reply(page).locator(".note")).toHaveText("Stopped");
  await expect(reply(page).locator(".body")).toContainText("bicycle");
  await chats(page).last().click();
  await expect(page.locator("article")).toHaveCount(4);
  await page.locator("sotto-chat summary[aria-label=More]").click();
  await page.getByRole("button", { name: "Delete the chat" }).click();
  await page.getByRole("button", { name: "Delete the chat?" }).click();
  await expect(page.locator("article")).toHaveCount(0);
  await expect(chats(page)).toHaveText(["tell me"]);
});

test("any chat is renamed, saved and deleted, the open one or another", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await say(page, "echo the first of them");
  await page.getByRole("button", { name: "New chat" }).click();
  await say(page, "echo second");
  const dialog = page.getByRole("dialog", { name: "This chat" });
  const more = (title: string) => page.getByRole("button", { name: `More on ${title}` });
  await more("echo the first of them").press("Enter");
  await expect(dialog.getByLabel("Name")).toHaveValue("echo the first of them");
  await accessible(page);
  await page.screenshot({ path: join(ROOT, "test-results", "page chat menu.png") });
  await dialog.getByLabel("Name").fill("Bicycles");
  await dialog.getByLabel("Name").press("Enter");
  await expect(chats(page)).toHaveText(["echo second", "Bicycles"]);
  // A name that was given stays, whatever is said after.
  await chats(page).last().click();
  await say(page, "echo more");
  await expect(chats(page)).toHaveText(["echo second", "Bicycles"]);
  await chats(page).first().click();
  await more("Bicycles").press("Enter");
  const saved = async (as: string) => {
    const coming = page.waitForEvent("download");
    await dialog.getByRole("button", { name: as }).press("Enter");
    const file = await coming;
    return [file.suggestedFilename(), readFileSync(await file.path(), "utf8")] as const;
  };
  const [name, text] = await saved("Save as Markdown");
  expect(name).toBe("Bicycles.md");
  expect(text).toContain("**You**\n\necho the first of them\n\n**Model**\n\nthe first of them\n");
  const [, json] = await saved("Save as JSON");
  expect(JSON.parse(json).map(({ text }: { text: string }) => text)).toHaveLength(4);
  await dialog.getByRole("button", { name: "Delete" }).press("Enter");
  await expect(dialog.getByRole("button", { name: "Delete for good?" })).toBeFocused();
  await page.keyboard.press("Enter");
  await expect(dialog).toBeHidden();
  await expect(chats(page)).toHaveText(["echo second"]);
  await expect(chats(page)).toBeFocused();
  await expect(page.locator("article")).toHaveCount(2);
  await more("echo second").press("Enter");
  await dialog.getByRole("button", { name: "Delete" }).press("Enter");
  await page.keyboard.press("Enter");
  await expect(page.locator("article")).toHaveCount(0);
  await expect(chats(page)).toHaveCount(0);
  await page.reload();
  await openModel(page, page.url());
  await expect(page.locator("article")).toHaveCount(0);
});

test("another model goes on with the chat; what was loaded is on this device, and can be deleted", async ({
  page,
  fakeChat,
}) => {
  await openModel(page, fakeChat);
  await say(page, "echo before");
  await page.getByRole("button", { name: "Models" }).click();
  const kept = page.getByRole("region", { name: "On this device" });
  await expect(kept.getByRole("heading", { level: 3 })).toHaveText("SmolLM2-135M-Instruct.Q4_1.gguf");
  await expect(kept).toContainText("3.0 MB");
  await accessible(page);
  await kept.getByRole("button", { name: /^Load/ }).click();
  await expect(reply(page).locator(".body")).toHaveText("before");
  await say(page, "echo after");
  await expect(page.locator("article")).toHaveCount(4);
  await page.getByRole("button", { name: "Models" }).click();
  await kept.getByRole("button", { name: /^Delete/ }).press("Enter");
  await kept.getByRole("button", { name: /Press again/ }).press("Enter");
  await expect(kept).toBeHidden();
  await expect(page.getByRole("button", { name: "Load", exact: true }).first()).toBeFocused();
});

test("the catalogue is searched, and a model of it is asked about before it is loaded", async ({ page, fakeChat }) => {
  const asked: string[] = [];
  await page.route("https://huggingface.co/**", (route) => {
    asked.push(route.request().url());
    return route.abort();
  });
  await page.goto(fakeChat);
  const rows = page.locator("#models li");
  await expect(rows).toHaveCount(4);
  // Who is new here waits a minute, not an hour.
  await expect(rows.first()).toContainText(/[234]\d\d MB .*good to begin with/);
  const all = page.getByRole("button", { name: /^Show all/ });
  await all.press("Enter");
  expect(await rows.count()).toBeGreaterThan(20);
  await expect(rows.nth(4).getByRole("button")).toBeFocused();
  await page.getByLabel("Search the models").fill("qwen thinking 0.6b");
  await expect(rows).toHaveCount(1);
  await expect(rows).toContainText(/0\.6B|600M|596M|752M/);
  await expect(rows).toContainText("Takes about");
  await page.getByLabel("Search the models").fill("no such model");
  await expect(page.locator("#found")).toHaveText("No model of that kind.");
  await page.getByLabel("Search the models").fill("smollm2 135");
  expect(asked).toEqual([]);
  await rows.getByRole("button").click();
  await expect(page.getByRole("button", { name: "Download and start" })).toBeFocused();
  await expect(page.locator("sotto-chat .about")).toContainText("One download of 10");
  await accessible(page);
  await page.getByRole("button", { name: "Choose another model" }).click();
  await expect(page.getByRole("heading", { name: "A language model, in this tab." })).toBeVisible();
});

test("sampling is sent with each request, and kept for the next visit", async ({ page, fakeChat }) => {
  await page.goto(fakeChat);
  const params = () =>
    page.evaluate(() => (document.querySelector("sotto-chat") as unknown as { params: object }).params);
  expect(await params()).toEqual({ temperature: 0.4, max_completion_tokens: 512 });
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByText("More on how tokens are chosen").click();
  await page.getByLabel("Top p").fill("0.9");
  await page.getByLabel("Seed").fill("7");
  await page.getByLabel("Min p").fill("3");
  await page.getByLabel("Thinking").selectOption("Little");
  await page.getByLabel("System prompt").fill("Be kind.");
  await accessible(page);
  await page.keyboard.press("Escape");
  await page.reload();
  // What a field cannot hold is not set.
  const set = { temperature: 0.4, max_completion_tokens: 512, top_p: 0.9, seed: 7, reasoning_effort: "low" };
  expect(await params()).toEqual(set);
  await page.getByRole("button", { name: "Settings" }).click();
  await expect(page.getByLabel("System prompt")).toHaveValue("Be kind.");
  await page.getByRole("button", { name: "Defaults" }).click();
  expect(await params()).toEqual({ temperature: 0.4, max_completion_tokens: 512 });
});

test("the model's figures are followed; its speed is measured, stopped, and saved with the device's name", async ({
  page,
  fakeChat,
}) => {
  await openModel(page, fakeChat);
  const live = page.getByRole("region", { name: "The model now" });
  await expect(live.getByRole("definition").nth(2)).toHaveText("0 of 100");
  await expect(live.getByRole("img", { name: /^Tokens a second in the last minute/ })).toBeVisible();
  await expect(live.locator("polyline")).toHaveAttribute("points", /^\d+,31\.0 \d+,31\.0/);
  await live.getByRole("button", { name: "Measure its speed" }).click();
  const dialog = page.getByRole("dialog", { name: "How fast is it here?" });
  await dialog.getByLabel("Tokens to write").selectOption("256");
  await dialog.getByRole("button", { name: "Measure" }).press("Enter");
  await expect(dialog.getByRole("button", { name: "Stop" })).toBeFocused();
  await accessible(page);
  await page.keyboard.press("Enter");
  await expect(dialog.getByRole("status")).toHaveText("Stopped.");
  await dialog.getByLabel("Tokens to write").selectOption("16");
  await dialog.getByRole("button", { name: "Measure" }).press("Enter");
  await expect(dialog.getByRole("definition").first()).toHaveText("the CPU");
  await accessible(page);
  const coming = page.waitForEvent("download");
  await dialog.getByRole("button", { name: "Save as JSON" }).press("Enter");
  const saved = JSON.parse(readFileSync(await (await coming).path(), "utf8"));
  expect(saved).toMatchObject({
    device: "the CPU",
    model: { name: "Fake 135M Instruct", backend: "cpu" },
    options: { promptTokens: 256, genTokens: 16 },
    result: { decodeTps: 1 },
  });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Models" }).click();
  await expect(live).toBeHidden();
});

test("functions are called, and replies keep to a schema, where someone tries that", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  const set = () =>
    page.evaluate(() => {
      const { tools, params } = document.querySelector("sotto-chat") as unknown as Record<string, never>;
      return JSON.parse(JSON.stringify({ tools, params }));
    });
  await page.getByRole("button", { name: "Tools and JSON" }).click();
  const dialog = page.getByRole("dialog", { name: "Tools and JSON" });
  await dialog.getByLabel("A pocket calculator").check();
  await accessible(page);
  await dialog.getByRole("button", { name: "Done" }).click();
  await say(page, "What is 1 and 1?");
  await expect(reply(page).locator(".call summary")).toHaveText("Called calculate");
  // The fake model adds 1 to 1.
  await expect(reply(page).locator(".body")).toHaveText("2");
  await page.getByRole("button", { name: "Tools and JSON" }).click();
  await dialog.getByLabel("A pocket calculator").uncheck();
  await dialog.getByLabel("Replies are JSON").fill('{"type": "obj');
  await expect(dialog.getByRole("status")).toContainText("not a JSON object yet");
  expect((await set()).params.response_format).toBeUndefined();
  await dialog.getByRole("button", { name: "An example" }).click();
  await expect(dialog.getByRole("status")).toBeEmpty();
  await accessible(page);
  await page.keyboard.press("Escape");
  const { tools, params } = await set();
  expect(tools).toEqual([]);
  expect(params.response_format.json_schema.schema.required).toEqual(["answer", "sure"]);
  await say(page, "Are you sure?");
  await expect(reply(page).locator(".body")).toHaveText('{"answer":"Paris","sure":"yes"}');
});

test("how likely each token of the last reply was is seen by pointing at it, or by keyboard", async ({
  page,
  fakeChat,
}) => {
  await openModel(page, fakeChat);
  const open = page.getByRole("button", { name: "Tokens" });
  await say(page, "echo nothing is told");
  await expect(open).toBeHidden();
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByText("More on how tokens are chosen").click();
  await page.getByLabel("Probabilities of tokens").selectOption("Told");
  await page.keyboard.press("Escape");
  await say(page, "echo one unbelievable bicycle");
  await open.press("Enter");
  const dialog = page.getByRole("dialog", { name: "How likely each token was" });
  await expect(dialog.getByRole("listbox")).toHaveText("one unbelievable bicycle");
  const token = (at: number) => dialog.getByRole("option").nth(at);
  await expect(token(0)).toHaveAccessibleName("“one”, 80.0 %");
  await expect(token(1)).toHaveClass("rare");
  await accessible(page);
  await page.keyboard.press("ArrowRight");
  await page.keyboard.press("ArrowRight");
  await expect(token(1)).toHaveAttribute("aria-selected", "true");
  await expect(dialog.getByRole("definition")).toHaveText(["10.0 %", "15.0 %"]);
  await token(0).hover();
  await expect(dialog.getByRole("term")).toHaveText(["“one”", "“␣other”"]);
  await accessible(page);
  await page.screenshot({ path: join(ROOT, "test-results", "page tokens.png") });
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(open).toBeHidden();
});

for (const [what, width, height] of [
  ["at 320 pixels", 320, 640],
  ["at 2560 pixels", 2560, 1300],
  ["from right to left", 900, 800],
  ["in the dark", 1280, 800],
  ["in forced colours", 1280, 800],
] as const)
  test(`nothing is cut off and axe finds nothing, ${what}`, async ({ page, fakeChat }) => {
    await page.setViewportSize({ width, height });
    if (what.includes("forced")) await page.emulateMedia({ forcedColors: "active" });
    if (what.includes("dark")) await page.emulateMedia({ colorScheme: "dark" });
    const shot = (of: string) => page.screenshot({ path: join(ROOT, "test-results", `page ${of} ${what}.png`) });
    if (what.includes("right"))
      await page.route(fakeChat, async (route) => {
        const html = await (await route.fetch()).text();
        await route.fulfill({ contentType: "text/html", body: html.replace('lang="en"', 'lang="ar" dir="rtl"') });
      });
    await page.goto(fakeChat);
    await expect(page.locator("#models li").first()).toBeVisible();
    await accessible(page);
    await fits(page);
    await shot("choosing");
    await page.getByRole("button", { name: "Load", exact: true }).first().click();
    const field = page.locator("sotto-chat textarea");
    await expect(field).toBeFocused();
    for (const text of ["How does a bicycle stay upright?", "echo مرحبا بالعالم"]) {
      await field.fill(text);
      await field.press("Enter");
      await expect(page.locator("sotto-chat .send")).toBeVisible();
    }
    await expect(reply(page).locator(".body")).toHaveCSS("direction", "rtl");
    // The page's own sentences are English, whatever the page around them is.
    await expect(page.locator("#backend")).toHaveCSS("unicode-bidi", "plaintext");
    await accessible(page);
    await fits(page);
    await shot("chatting");
    if (width < 960) {
      await page.getByRole("button", { name: "Chats" }).click();
      await expect(chats(page)).toHaveText(["How does a bicycle stay upright?"]);
      const box = (await page.locator("#side").boundingBox())!;
      expect(box.x).toBeGreaterThanOrEqual(0);
      expect(box.x + box.width).toBeLessThanOrEqual(width);
      await accessible(page);
      await shot("chats");
      await page.keyboard.press("Escape");
    } else await expect(page.getByRole("button", { name: "Chats" })).toBeHidden();
    await page.getByRole("button", { name: "Settings" }).click();
    await accessible(page);
    await shot("settings");
  });

for (const [width, percent] of [
  [320, 200],
  [1280, 400],
] as const)
  test(`letters of ${percent} % fit at ${width} pixels, and there is room for the chat`, async ({ page, fakeChat }) => {
    await page.setViewportSize({ width, height: 800 });
    await openModel(page, fakeChat);
    await say(page, "echo large");
    await page.evaluate((percent) => {
      document.documentElement.style.fontSize = `${percent}%`;
    }, percent);
    const room = await page.evaluate(() => {
      const { scrollWidth, clientWidth } = document.documentElement;
      const chat = document.querySelector("sotto-chat")!;
      const [field] = chat.shadowRoot!.querySelectorAll("textarea");
      return { over: scrollWidth - clientWidth, chat: chat.clientHeight, field: field!.clientWidth };
    });
    expect(room.over).toBeLessThanOrEqual(1);
    expect(room.chat).toBeGreaterThan(200);
    expect(room.field).toBeGreaterThan(100);
  });
