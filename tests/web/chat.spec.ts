/** The chat page itself, on the fake engine: what a person sees and does. */
import type { Page } from "@playwright/test";
import { expect, test } from "./servers.js";

const input = (page: Page) => page.getByRole("textbox", { name: "Write a message" });

async function openModel(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("button", { name: "Load", exact: true }).first().click();
  await expect(input(page)).toBeFocused();
}

async function say(page: Page, text: string): Promise<void> {
  await input(page).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const reply = (page: Page) => page.locator("article.assistant").last();
const idle = (page: Page) => expect(page.getByRole("button", { name: "Send" })).toBeVisible();

test("loads the default model, chats, shows the figures, and again after a reload", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await expect(page.locator("#model-name")).toHaveText("SmolLM2 135M Instruct");
  await expect(page.locator("#model-facts")).toContainText("180 MB on the CPU");
  await expect(page.locator("#backend")).toContainText(
    "runs on the CPU. The WebGPU adapter 'SwiftShader' is software.",
  );
  await say(page, "How does a bicycle stay upright?");
  await idle(page);
  await expect(reply(page).locator("ol > li")).toHaveCount(3);
  await expect(reply(page).locator("pre code")).toContainText("def balance");
  await expect(reply(page).locator(".figures")).toHaveText(
    /^[\d.]+ tokens\/s · first token after [\d.]+ (ms|sec) · 61 tokens$/,
  );
  await expect(input(page)).toBeFocused();
  await page.reload();
  await openModel(page, fakeChat);
  await say(page, "echo hello again");
  await expect(reply(page).locator(".body")).toHaveText("hello again");
});

test("a double click on Load, or a key that is held down, loads the model", async ({ page, fakeChat }) => {
  await page.goto(fakeChat);
  const load = page.getByRole("button", { name: "Load", exact: true }).first();
  const box = (await load.boundingBox())!;
  await page.mouse.dblclick(box.x + box.width / 2, box.y + box.height / 2, { delay: 40 });
  await expect(input(page)).toBeFocused();
  await page.reload();
  await load.focus();
  for (let i = 0; i < 5; i++) await page.keyboard.down("Enter");
  await page.keyboard.up("Enter");
  await expect(input(page)).toBeFocused();
});

test("an address with a % that begins no code is tried as it is", async ({ page, fakeChat, bad }) => {
  await page.goto(fakeChat);
  await page.locator("#url").fill(`${bad}/50%.gguf`);
  await page.keyboard.press("Enter");
  await expect(page.getByRole("alert")).toContainText("50%.gguf");
});

test("the settings show which kernels were measured, once a model is there", async ({ page, fakeChat }) => {
  await page.goto(fakeChat);
  await page.getByRole("button", { name: "Settings" }).click();
  await expect(page.locator("#kernels")).toBeHidden();
  await page.keyboard.press("Escape");
  await openModel(page, fakeChat);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByText("Kernels measured on this device").click();
  await expect(page.locator("#tuning")).toHaveText("q4_1 576x576 rows 1 fused = matvec subgroup 16");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Models" }).click();
  await page.getByRole("button", { name: "Settings" }).click();
  await expect(page.locator("#kernels")).toBeHidden();
});

test("the model's output is text, whatever it writes", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  const hostile =
    "<img src=x onerror=document.title='hacked'> <script>document.title='hacked'</script> [x](javascript:document.title='hacked')";
  await say(page, `echo ${hostile}`);
  await idle(page);
  await expect(reply(page).locator(".body")).toHaveText(hostile);
  expect(await reply(page).locator("img, script, a").count()).toBe(0);
  expect(await page.title()).toBe("Sotto");
});

test("stop keeps what was said, and the next message works", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await say(page, "tell me");
  await expect(reply(page).locator(".body")).toContainText("bicycle");
  await page.getByRole("button", { name: "Stop" }).click();
  await idle(page);
  await expect(reply(page).locator(".note")).toHaveText("Stopped");
  await expect(reply(page).locator(".body")).not.toContainText("never a tag");
  await input(page).fill("echo still here");
  await page.keyboard.press("Enter");
  await expect(reply(page).locator(".body")).toHaveText("still here");
  await say(page, "once more");
  await expect(reply(page).locator(".body")).toContainText("Sure");
  await page.keyboard.press("Escape");
  await expect(reply(page).locator(".note")).toHaveText("Stopped");
});

test("a new chat starts empty; suggestions are one click", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await say(page, "echo one");
  await idle(page);
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.locator("article")).toHaveCount(0);
  await page.getByRole("button", { name: "Write a haiku" }).click();
  await expect(page.locator("article.user")).toHaveText("Write a haiku about autumn rain.");
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.locator("article")).toHaveCount(0);
  await say(page, "echo two");
  await expect(reply(page).locator(".body")).toHaveText("two");
});

test("settings hold for the reply and for the next visit", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await page.getByRole("button", { name: "Settings" }).click();
  await page.getByLabel("Longest reply, in tokens").fill("5");
  await page.getByRole("button", { name: "Done" }).click();
  await say(page, "talk");
  await idle(page);
  await expect(reply(page).locator(".figures")).toContainText("· 5 tokens");
  await expect(reply(page).locator(".note")).toHaveText("The answer reached its longest length.");
  await page.reload();
  await page.getByRole("button", { name: "Settings" }).click();
  await expect(page.getByLabel("Longest reply, in tokens")).toHaveValue("5");
  await page.getByRole("button", { name: "Defaults" }).click();
  await expect(page.getByLabel("Longest reply, in tokens")).toHaveValue("512");
});

test("on a graphics card the page names it, and says why on demand", async ({ page, fakeChat }) => {
  await page.goto(fakeChat);
  await page
    .getByLabel("A file from this device")
    .setInputFiles({ name: "my.gguf", mimeType: "", buffer: Buffer.from("GGUF for a graphics card") });
  await expect(page.locator("#model-facts")).toContainText("150 MB on Acme 3000");
  await expect(page.locator("#model-facts")).toHaveAttribute("title", /graphics adapter/);
  await expect(page.locator("#backend")).toBeHidden();
});

test("a picked and a dropped file load; another model replaces the first", async ({ page, fakeChat }) => {
  await page.goto(fakeChat);
  await page
    .getByLabel("A file from this device")
    .setInputFiles({ name: "my.gguf", mimeType: "", buffer: Buffer.from("GGUF and more") });
  await expect(page.locator("#model-name")).toHaveText("Fake 135M Instruct");
  const data = await page.evaluateHandle(() => {
    const transfer = new DataTransfer();
    transfer.items.add(new File(["GGUF dropped"], "dropped.gguf"));
    return transfer;
  });
  await page.dispatchEvent("body", "dragenter", { dataTransfer: data });
  await expect(page.locator("#veil")).toBeVisible();
  await page.dispatchEvent("body", "drop", { dataTransfer: data });
  await expect(page.locator("#veil")).toBeHidden();
  await say(page, "echo from the dropped one");
  await expect(reply(page).locator(".body")).toHaveText("from the dropped one");
  await page.getByRole("button", { name: "Models" }).click();
  await expect(page.getByRole("heading", { name: "A language model, in this tab." })).toBeVisible();
});

test("a chat that has grown too long goes on, and says what the model no longer sees", async ({ page, fakeChat }) => {
  await openModel(page, fakeChat);
  await say(page, `echo one ${"word ".repeat(20).trim()}`);
  await idle(page);
  await say(page, `echo two ${"word ".repeat(20).trim()}`);
  await idle(page);
  await expect(page.getByRole("alert")).toHaveText("The model no longer sees the grey messages.");
  await expect(reply(page).locator(".body")).toContainText("two word");
  await expect(page.locator("article.forgotten")).toHaveCount(2);
  // It is said once, until more goes.
  await say(page, "echo three");
  await idle(page);
  await expect(reply(page).locator(".body")).toHaveText("three");
  await expect(page.getByRole("alert")).toBeHidden();
  await page.getByRole("button", { name: "New chat" }).click();
  await expect(page.locator("article")).toHaveCount(0);
  await expect(input(page)).toBeFocused();
  await say(page, "echo four");
  await expect(reply(page).locator(".body")).toHaveText("four");
});

test("a reply that the full context cuts says so, and can be had without the older messages", async ({
  page,
  fakeChat,
}) => {
  await openModel(page, fakeChat);
  await say(page, `echo ${"word ".repeat(10).trim()}`);
  await idle(page);
  // Half of the context is the most that a reply is sure of: this one wants more.
  await say(page, `tell me ${"please ".repeat(20).trim()}`);
  await idle(page);
  await expect(reply(page).locator(".figures")).toContainText("· 57 tokens");
  await expect(reply(page).locator(".note")).toHaveText("The chat fills all that the model can keep in mind.");
  await page.getByRole("button", { name: "Answer again without the older messages" }).click();
  await idle(page);
  await expect(reply(page).locator(".figures")).toHaveText(/61 tokens$/);
  await expect(page.locator("article.user")).toHaveCount(2);
  await expect(page.locator("article.assistant")).toHaveCount(2);
  await expect(page.locator("article.forgotten")).toHaveCount(2);
  await expect(page.locator("article .note")).toHaveCount(0);
});

test.describe("what goes wrong is said in a sentence, and the page goes on", () => {
  const cases: [path: string, code: string, says: RegExp][] = [
    ["/missing.gguf", "http", /HTTP 404.*check the address/],
    ["/range.gguf", "http", /HTTP 416/],
    ["/broken.gguf", "http", /HTTP 500.*try again later/],
    ["/page.gguf", "not_gguf", /is a web page, not a model/],
    ["/cut.gguf", "network", /cut after 50008 of 1000000 bytes/],
  ];
  for (const [path, code, says] of cases) {
    test(path, async ({ page, fakeChat, bad }) => {
      await page.goto(fakeChat);
      await page.getByLabel("Any GGUF model by address").fill(bad + path);
      await page.keyboard.press("Enter");
      const alert = page.getByRole("alert");
      await expect(alert).toContainText(says);
      await expect(alert).toHaveAttribute("data-code", code);
      await page.getByRole("button", { name: "Dismiss" }).click();
      await expect(alert).toBeHidden();
      await openModel(page, page.url());
    });
  }

  test("an address nobody answers", async ({ page, fakeChat }) => {
    await page.goto(fakeChat);
    await page.getByLabel("Any GGUF model by address").fill("http://127.0.0.1:9/x.gguf");
    await page.keyboard.press("Enter");
    await expect(page.getByRole("alert")).toHaveAttribute("data-code", "network");
  });

  test("a file that is no model", async ({ page, fakeChat }) => {
    await page.goto(fakeChat);
    await page
      .getByLabel("A file from this device")
      .setInputFiles({ name: "cat.gguf", mimeType: "", buffer: Buffer.from("meow meow") });
    await expect(page.getByRole("alert")).toHaveAttribute("data-code", "not_gguf");
  });

  test("a download can be stopped", async ({ page, fakeChat, bad }) => {
    await page.goto(fakeChat);
    await page.getByLabel("Any GGUF model by address").fill(`${bad}/slow.gguf`);
    await page.keyboard.press("Enter");
    await expect(page.locator("sotto-chat .state")).toContainText("2 MB of 100 MB");
    await page.getByRole("button", { name: "Choose another model" }).click();
    await expect(page.getByRole("button", { name: "Load", exact: true }).first()).toBeFocused();
    await expect(page.getByRole("alert")).toBeHidden();
    await openModel(page, page.url());
  });

  test("a text that is too long stays in the input, and can be cut to what fits", async ({ page, fakeChat }) => {
    await openModel(page, fakeChat);
    const long = `echo ${"word ".repeat(150).trim()}`;
    await say(page, long);
    const alert = page.getByRole("alert");
    await expect(alert).toContainText("This message is too long for the model; please shorten it.");
    await expect(input(page)).toHaveValue(long);
    await expect(page.locator("article")).toHaveCount(0);
    await expect(page.getByRole("button", { name: "Write a haiku" })).toBeVisible();
    await alert.getByRole("button", { name: "Keep what fits" }).click();
    await expect(alert).toBeHidden();
    await expect(input(page)).toHaveValue(`echo ${"word ".repeat(48).trim()}`);
    await page.getByRole("button", { name: "Send" }).click();
    await expect(reply(page).locator(".body")).toHaveText("word ".repeat(48).trim());
    await idle(page);
    await say(page, long);
    await expect(alert).toBeVisible();
    await input(page).fill("echo fine");
    await expect(alert).toBeHidden();
    await page.keyboard.press("Enter");
    await expect(reply(page).locator(".body")).toHaveText("fine");
  });

  for (const [prompt, code] of [
    ["lost", "device_lost"],
    ["trap", "internal"],
    ["exit", "internal"],
  ] as const) {
    test(`the engine ends (${prompt}): the chat stays readable, a model can be loaded again`, async ({
      page,
      fakeChat,
    }) => {
      await openModel(page, fakeChat);
      await say(page, "echo before");
      await idle(page);
      await say(page, prompt);
      await expect(page.getByRole("alert")).toHaveAttribute("data-code", code);
      await expect(page.getByRole("alert")).toContainText("load the model again");
      await expect(page.locator("article.assistant").first()).toContainText("before");
      await expect(input(page)).toBeHidden();
      await page.getByRole("button", { name: "Models" }).click();
      await openModel(page, page.url());
      await say(page, "echo after");
      await expect(reply(page).locator(".body")).toHaveText("after");
    });
  }
});

test("a phone: nothing is wider than the screen, controls are large enough to touch", async ({ browser, fakeChat }) => {
  const context = await browser.newContext({
    viewport: { width: 360, height: 740 },
    hasTouch: true,
    isMobile: true,
    colorScheme: "dark",
  });
  const page = await context.newPage();
  await openModel(page, fakeChat);
  await say(page, "hello");
  await idle(page);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(360);
  for (const button of await page.getByRole("button").all()) {
    const box = await button.boundingBox();
    if (box) expect(box.height).toBeGreaterThanOrEqual(32);
  }
  await context.close();
});
