/** The chat element in a browser: by keyboard, for screen readers, in each direction, width and scheme, and with a strict CSP. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Page, expect, test as base } from "@playwright/test";
import { ROOT } from "../../tools/setup.mjs";
import { startSite } from "./element/site.mjs";
import { accessible } from "./page.js";
import type {} from "../../www/pieces/element/index.js";

const test = base.extend<object, { site: string }>({
  site: [
    async ({}, use, { workerIndex }) => {
      const { url, close } = await startSite(join(ROOT, "test-results", `element-${workerIndex}`));
      await use(url);
      close();
    },
    { scope: "worker" },
  ],
});

// What moves is measured while it does.
test.use({ contextOptions: { reducedMotion: "reduce" } });

const input = (page: Page) => page.getByRole("textbox");
const lastReply = (page: Page) => page.locator("article.assistant").last();
const idle = (page: Page) => expect(page.locator("sotto-chat .send")).toBeVisible();

async function say(page: Page, text: string): Promise<void> {
  await input(page).fill(text);
  await input(page).press("Enter");
}

/** Nothing is wider than the page. */
async function fits(page: Page): Promise<void> {
  const over = await page.evaluate(() => {
    const { chat } = globalThis as unknown as { chat: HTMLElement };
    const wide = Array.from(
      chat.shadowRoot!.querySelectorAll<HTMLElement>(".frame, .scroll, .bottom, .header, article"),
    );
    return [document.documentElement, ...wide]
      .filter((it) => it.scrollWidth > it.clientWidth + 1)
      .map((it) => it.className || it.tagName);
  });
  expect(over).toEqual([]);
}

test("by keyboard alone: asked, stopped, gone on with, answered again, edited, cleared", async ({ page, site }) => {
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
  await page.goto(`${site}/element?feedback&suggestions`);
  await expect(page.getByText("How can I help?")).toBeVisible();
  for (let i = 0; i < 8 && !(await input(page).evaluate((it) => it.matches(":focus"))); i++)
    await page.keyboard.press("Tab");
  await expect(input(page)).toBeFocused();
  await page.keyboard.type("two");
  await page.keyboard.press("Shift+Enter");
  await page.keyboard.type("lines");
  await page.keyboard.press("Enter");
  await expect(page.locator("article.user .body")).toHaveText("two\nlines");
  await expect(lastReply(page).locator(".body")).toHaveText("two lines");
  // An input method's Enter is none.
  await page.keyboard.type("ni");
  await input(page).dispatchEvent("keydown", { key: "Enter", isComposing: true });
  await expect(page.locator("article.user")).toHaveCount(1);
  // What is written stays while the window is made anew.
  await page.evaluate(() => Object.assign(chat, { texts: { send: "Go" } }));
  await expect(page.getByRole("button", { name: "Go", exact: true })).toBeVisible();
  await expect(input(page)).toHaveValue("ni");
  await expect(input(page)).toBeFocused();
  await input(page).fill("");

  await page.evaluate(() => Object.assign(script, { hold: true }));
  await say(page, "rich");
  await expect(page.getByRole("button", { name: "Stop" })).toBeVisible();
  await expect(lastReply(page).locator("h3")).toHaveText("Balance");
  await page.keyboard.press("Escape");
  await idle(page);
  await expect(lastReply(page).locator(".note")).toHaveText("Stopped");
  await page.evaluate(() => Object.assign(script, { hold: false }));
  await lastReply(page).getByRole("button", { name: "Continue" }).press("Enter");
  await expect(lastReply(page)).toContainText("Continue exactly where you stopped.");
  await idle(page);
  await lastReply(page).getByRole("button", { name: "Answer again" }).press("Enter");
  await expect(lastReply(page).locator("table tbody tr")).toHaveCount(2);
  await expect(lastReply(page).locator("li.task input:checked")).toHaveCount(1);
  await expect(lastReply(page).locator(".code .code-keyword").first()).toBeVisible();
  await lastReply(page).getByRole("button", { name: "Good answer" }).press("Enter");
  await expect(lastReply(page).getByRole("button", { name: "Good answer" })).toHaveAttribute("aria-pressed", "true");

  await input(page).focus();
  await page.keyboard.press("ArrowUp");
  await expect(input(page)).toHaveValue("rich");
  await expect(page.getByText("You are editing a message")).toBeVisible();
  await accessible(page);
  await input(page).fill("otherwise");
  await page.keyboard.press("Enter");
  await expect(page.locator("article.user")).toHaveText(["two\nlines", "otherwise"]);
  await expect(lastReply(page).locator(".body")).toHaveText("otherwise");
  expect(await page.evaluate(() => new FormData(document.querySelector("form")!).get("chat"))).toContain("otherwise");

  await say(page, "too long");
  await expect(page.getByRole("alert")).toHaveText("This message is too long for the model; please shorten it.");
  await expect(input(page)).toHaveValue("too long");
  await expect(page.locator("article.user")).toHaveCount(2);

  await page.locator("summary[aria-label=More]").press("Enter");
  await accessible(page);
  await page.getByRole("button", { name: "New chat" }).press("Enter");
  await expect(page.locator("article")).toHaveCount(0);
  await expect(input(page)).toBeFocused();
  expect(errors).toEqual([]);
});

test("what a model writes stays text; failures, thoughts and calls are shown; nothing is asked of the network", async ({
  page,
  site,
}) => {
  await page.goto(`${site}/element`);
  await expect(input(page)).toBeVisible();
  const requests: string[] = [];
  page.on("request", (request) => requests.push(request.url()));
  await say(page, "hostile");
  await idle(page);
  await expect(lastReply(page).locator(".body")).toContainText("<img src=x onerror=document.title='hacked'>");
  expect(await lastReply(page).locator(".body :is(img, script)").count()).toBe(0);
  await expect(lastReply(page).getByRole("link")).toHaveAttribute("href", "https://example.org/pixel.png");
  expect(await page.title()).toBe("A page");
  await say(page, "think");
  await expect(lastReply(page).locator(".thoughts")).toHaveText("ThoughtsLet me think about it.");
  await expect(lastReply(page).locator(".thoughts p")).toBeHidden();
  await say(page, "fail");
  await expect(lastReply(page).locator(".note.bad")).toHaveText("That did not work: The graphics card was lost.");
  await accessible(page);
  await page.setInputFiles("input[type=file]", [
    { name: "notes.txt", mimeType: "text/plain", buffer: Buffer.from("Some notes.") },
    { name: "image.png", mimeType: "image/png", buffer: Buffer.from([0x89, 0x50, 0, 1, 0xff]) },
  ]);
  await expect(page.getByRole("alert")).toContainText("image.png is no text file");
  await say(page, "echo read");
  await expect(page.locator("article.user").last()).toHaveText(/notes\.txt\s*echo read/);
  const asked = await page.evaluate(() => script.asked.at(-1).messages.at(-1).content);
  expect(asked).toBe("notes.txt:\n```\nSome notes.\n```\n\necho read");
  expect(requests.filter((url) => !url.startsWith("blob:"))).toEqual([]);
  await page.goto(`${site}/element?math-src=/page.math.js`);
  await say(page, "math");
  await expect(lastReply(page).locator("math")).toHaveText(["a^2", "b^2"]);
  await expect(lastReply(page).locator(".math code")).toHaveText("\\bad");
  await page.goto(`${site}/element?tools`);
  await say(page, "Is it warm?");
  await expect(lastReply(page).locator(".call summary")).toHaveText("Called weather");
  await lastReply(page).locator(".call summary").click();
  await expect(lastReply(page).locator(".call pre")).toHaveText(['{"city":"Paris"}', "warm in Paris"]);
  await accessible(page);
});

test("a screen reader hears whole sentences; a selection survives", async ({ page, site }) => {
  await page.goto(`${site}/element`);
  await page.evaluate(() => {
    const words = ["One sentence", ". Another ", "one. And ", "the last"];
    const said = (text: string) => text === "sentences" && words;
    Object.assign(script, { words: said, pause: 60, holdBefore: words.at(-1) });
  });
  await say(page, "sentences");
  await expect(page.locator("[role=status].unseen p")).toHaveText(["One sentence.", "Another one."]);
  await expect(page.getByRole("log")).toHaveAttribute("aria-live", "off");
  await page.evaluate(() => {
    const text = chat.shadowRoot!.querySelector("article.assistant p")!.firstChild!;
    getSelection()!.setBaseAndExtent(text, 0, text, 12);
    Object.assign(script, { holdBefore: undefined });
  });
  await idle(page);
  await expect(page.locator("[role=status].unseen p")).toHaveText(["One sentence.", "Another one.", "And the last"]);
  const selected = await page.evaluate(() => {
    const root = chat.shadowRoot as unknown as { getSelection(): Selection };
    return String(root.getSelection());
  });
  expect(selected).toBe("One sentence");
});

test("the list stays at its end while a reply grows, unless someone has scrolled up", async ({ page, site }) => {
  await page.goto(`${site}/element`);
  const words = Array.from({ length: 60 }, (_, i) => `Paragraph ${i}, which is long enough.\n\n`);
  await page.evaluate((words) => Object.assign(script, { words: () => words, pause: 5, holdBefore: words[40] }), words);
  const fromEnd = () =>
    page.getByRole("log").evaluate((it) => Math.round(it.scrollHeight - it.scrollTop - it.clientHeight));
  const body = lastReply(page).locator(".body");
  await input(page).fill("go");
  await input(page).press("Enter");
  await expect(body).toContainText("Paragraph 39");
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  await page.getByRole("log").hover();
  await page.mouse.wheel(0, -300);
  await expect.poll(fromEnd).toBeGreaterThan(200);
  const top = () => page.getByRole("log").evaluate((it) => Math.round(it.scrollTop));
  await page.waitForTimeout(300);
  const seen = await top();
  await page.evaluate(() => Object.assign(script, { holdBefore: undefined }));
  await expect(body).toContainText("Paragraph 59");
  expect(Math.abs((await top()) - seen)).toBeLessThanOrEqual(1);
  await page.getByRole("button", { name: "To the latest message" }).click();
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  await idle(page);
  // What becomes shorter for a frame, and then longer, moves the end up and away, which is nobody's doing.
  await page.evaluate(async () => {
    const list = chat.shadowRoot!.querySelector<HTMLElement>(".list")!;
    const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
    list.style.marginBlockEnd = "300px";
    await frame();
    await frame();
    await frame();
    list.lastElementChild!.remove();
    await new Promise((resolve) => setTimeout(resolve, 0));
    list.style.paddingBlockEnd = "500px";
    await frame();
    await frame();
  });
  await expect.poll(fromEnd).toBeLessThanOrEqual(1);
  await expect(page.getByRole("button", { name: "To the latest message" })).toBeHidden();
});

for (const [what, query, width] of [
  ["at 320 pixels", "", 320],
  ["at 2560 pixels", "", 2560],
  ["from right to left", "lang=ar", 900],
  ["in the dark", "theme=dark", 900],
  ["in forced colours", "", 900],
] as const)
  test(`nothing is cut off and axe finds nothing, ${what}`, async ({ page, site }) => {
    await page.setViewportSize({ width, height: 800 });
    if (what.includes("forced")) await page.emulateMedia({ forcedColors: "active" });
    await page.goto(`${site}/element?feedback&suggestions&${query}`);
    await expect(input(page)).toBeVisible();
    await accessible(page);
    await say(page, "rich");
    await expect(lastReply(page).locator(".code-keyword").first()).toBeVisible();
    await say(page, query === "lang=ar" ? "echo مرحبا بالعالم" : "echo שלום עולם");
    await idle(page);
    await expect(lastReply(page).locator(".body")).toHaveCSS("direction", "rtl");
    await page.locator("article .body").nth(1).hover();
    await fits(page);
    await accessible(page);
    await page.screenshot({ path: join(ROOT, "test-results", `element ${what}.png`) });
  });

test("in forced colours, which know no shadows, a launcher's window has an edge", async ({ page, site }) => {
  await page.emulateMedia({ forcedColors: "active" });
  await page.goto(`${site}/element?mode=launcher&heading=Ask+me`);
  await page.getByRole("button", { name: "Open the chat" }).press("Enter");
  await expect(page.getByRole("dialog", { name: "Ask me" })).toHaveCSS("border-top-width", "1px");
  await accessible(page);
});

test("a model is asked for, loaded, and kept: with a launcher, by keyboard, on a phone", async ({ page, site }) => {
  await page.setViewportSize({ width: 390, height: 740 });
  await page.goto(`${site}/element?mode=launcher&keep=it&heading=Ask+me&model=/model.gguf`);
  await accessible(page);
  const launcher = page.getByRole("button", { name: "Open the chat" });
  await launcher.focus();
  await page.keyboard.press("Enter");
  await expect(page.getByRole("dialog", { name: "Ask me" })).toBeVisible();
  await accessible(page);
  const start = page.getByRole("button", { name: "Download and start" });
  await page.screenshot({ path: join(ROOT, "test-results", "element asks.png") });
  await start.press("Enter");
  await expect(input(page)).toBeFocused();
  // Once the model is there, nothing leaves the page: neither from it nor from its worker.
  const requests: string[] = [];
  page.context().on("request", (request) => requests.push(request.url()));
  await say(page, "echo kept");
  await expect(lastReply(page).locator(".body")).toHaveText("kept");
  await idle(page);
  expect(requests).toEqual([]);
  await fits(page);
  await accessible(page);
  await page.screenshot({ path: join(ROOT, "test-results", "element on a phone.png") });
  await page.keyboard.press("Escape");
  await expect(launcher).toBeFocused();
  await page.reload();
  await launcher.press("Enter");
  await expect(lastReply(page).locator(".body")).toHaveText("kept");
  await expect(page.getByText("Already on this device")).toBeVisible();
  await page.locator("summary[aria-label=More]").press("Enter");
  await page.getByRole("button", { name: "Delete the chat" }).press("Enter");
  await page.getByRole("button", { name: "Delete the chat?" }).press("Enter");
  await expect(page.locator("article")).toHaveCount(0);
  await page.reload();
  await launcher.press("Enter");
  await expect(page.getByText("How can I help?")).toBeVisible();
  expect(await page.locator("article").count()).toBe(0);
});

test("each name has a conversation of its own, and a reply says what it took", async ({ page, site }) => {
  await page.goto(`${site}/element?keep=one&figures`);
  await say(page, "rich");
  await expect(lastReply(page).locator(".figures")).toHaveText(/first token after \d+ ms · 5 tokens$/);
  await page.evaluate(() => Object.assign(script, { hold: true }));
  await say(page, "think");
  await expect(lastReply(page).locator(".thoughts")).toBeVisible();
  const name = (keep: string) => page.locator("sotto-chat").evaluate((it, keep) => it.setAttribute("keep", keep), keep);
  await name("two");
  await expect(page.locator("article")).toHaveCount(0);
  await idle(page);
  await page.evaluate(() => Object.assign(script, { hold: false }));
  await say(page, "echo two");
  await expect(lastReply(page).locator(".body")).toHaveText("two");
  await idle(page);
  await name("one");
  await expect(page.locator("article")).toHaveCount(4);
  await expect(lastReply(page).locator(".note")).toHaveText("Stopped");
  await expect(page.locator("article.assistant").first().locator(".figures")).toContainText("5 tokens");
  await accessible(page);
  await page.reload();
  await expect(page.locator("article.user")).toHaveText(["rich", "think"]);
});

test("a download can be paused, and goes on", async ({ page, site }) => {
  await page.goto(`${site}/element?lang=de&model=/slow.gguf`);
  await page.getByRole("button", { name: "Herunterladen und starten" }).press("Enter");
  const state = page.locator("sotto-chat .state");
  await expect(state).toContainText("von 100 MB");
  await accessible(page);
  await page.screenshot({ path: join(ROOT, "test-results", "element loads.png") });
  await expect(page.getByRole("button", { name: "Pause" })).toBeFocused();
  await page.keyboard.press("Enter");
  // It stays as far as it was.
  await expect(state).toHaveText(/^Angehalten · 2.* von 100 MB$/);
  await accessible(page);
  await page.getByRole("button", { name: "Fortsetzen" }).press("Enter");
  await expect(state).toContainText("von 100 MB");
  // The server sends no more.
  const { silent } = JSON.parse(readFileSync(join(ROOT, "www/pieces/element/texts/de.json"), "utf8"));
  await expect(state).toHaveText(new RegExp(`von 100 MB · ${silent}$`), { timeout: 15_000 });
});

test("of a download that broke off it is said how much is here, also after a reload", async ({ page, site }) => {
  await page.goto(`${site}/element?model=/broken.gguf`);
  await expect(page.getByText("One download, kept on this device")).toBeVisible();
  await page.getByRole("button", { name: "Download and start" }).press("Enter");
  const here = page.getByText(/^2(\.\d)? MB of 100 MB are on this device; the download goes on from there\.$/);
  await expect(page.getByRole("button", { name: "Try again" })).toBeVisible();
  await expect(here).toBeVisible();
  await accessible(page);
  await page.reload();
  await expect(here).toBeVisible();
  await page.getByRole("button", { name: "Resume" }).press("Enter");
  await expect(page.getByRole("button", { name: "Try again" })).toBeVisible();
});

test("where nothing can be kept, that is not promised", async ({ page, site }) => {
  await page.addInitScript(() => Object.defineProperty(globalThis, "isSecureContext", { value: false }));
  await page.goto(`${site}/element?model=/model.gguf`);
  await expect(page.getByRole("button", { name: "Download and start" })).toBeVisible();
  await expect(page.getByText("kept on this device")).toHaveCount(0);
  await page.locator("sotto-chat").evaluate((it) => it.setAttribute("size", "98000000"));
  await expect(page.locator("sotto-chat .about")).toHaveText("98 MB");
});

test("what the page says before there is a model waits for it; a chat without one tells its author", async ({
  page,
  site,
}) => {
  await page.goto(`${site}/element?model=/model.gguf`);
  const start = page.getByRole("button", { name: "Download and start" });
  await page.evaluate(() => {
    const element = chat as HTMLElementTagNameMap["sotto-chat"];
    element.conversation = [
      { role: "user", text: "code" },
      { role: "assistant", text: "```js\nconst a = 1;\n```" },
    ];
    element.send("  ");
    element.send("echo first");
    element.send("echo early");
  });
  // Nothing is fetched before someone wishes it, and nobody is there to answer again. The reply is whole.
  await expect(lastReply(page).locator(".code-keyword")).toHaveText("const");
  await expect(lastReply(page).getByRole("button", { name: "Copy" }).last()).toBeVisible();
  await expect(page.getByRole("button", { name: "Answer again" })).toBeHidden();
  await expect(page.getByRole("button", { name: "Edit" })).toBeHidden();
  await start.click();
  await expect(lastReply(page).locator(".body")).toHaveText("early");
  await expect(page.locator("article.user")).toHaveText(["code", "echo early"]);
  await expect(page.getByRole("button", { name: "Answer again" }).last()).toBeVisible();
  // What is here already starts at once.
  await page.reload();
  await expect(page.getByText("Already on this device")).toBeVisible();
  await page.evaluate(() => (chat as HTMLElementTagNameMap["sotto-chat"]).send("echo again"));
  await expect(lastReply(page).locator(".body")).toHaveText("again");

  const warned = page.waitForEvent("console", (message) => message.type() === "warning");
  await page.goto(`${site}/bare`);
  expect((await warned).text()).toContain("<sotto-chat> has no model to load");
  await expect(page.getByRole("alert")).toContainText('<sotto-chat model="hf:OWNER/NAME:Q4_K_M">');
  await page.locator("sotto-chat").evaluate((it) => it.setAttribute("model", "/model.gguf"));
  await expect(page.getByRole("alert")).toBeHidden();
});

test("while it finds what fits it says so, and Enter sends that", async ({ page, site }) => {
  await page.goto(`${site}/element?counts`);
  await say(page, `too long ${"word ".repeat(5000)}`);
  await page.evaluate(() => Object.assign(script, { countMs: 100 }));
  await page.getByRole("button", { name: "Keep what fits" }).press("Enter");
  await expect(page.getByRole("alert")).toHaveText("Reading…");
  const before = (await input(page).inputValue()).length;
  await input(page).press("Enter");
  await expect(page.getByRole("button", { name: "Keep what fits" })).toBeVisible();
  // What was sent is what fits: this model finds that too long as well.
  expect((await input(page).inputValue()).length).toBeLessThan(before);
  expect(await page.evaluate(() => script.asked.at(-1).messages.at(-1).content.split(" ").length)).toBeLessThan(4096);
});

test("a table of many columns keeps them readable on a phone, and can be scrolled", async ({ page, site }) => {
  await page.setViewportSize({ width: 360, height: 740 });
  await page.goto(`${site}/element?many`);
  await say(page, "rich");
  await idle(page);
  const table = lastReply(page).locator(".table");
  const { widest, wide, narrow } = await table.evaluate((it) => ({
    widest: it.scrollWidth,
    wide: it.clientWidth,
    narrow: Math.min(...Array.from(it.querySelectorAll("td"), (cell) => cell.clientWidth)),
  }));
  expect(widest).toBeGreaterThan(wide);
  expect(narrow).toBeGreaterThan(100);
  await fits(page);
  await accessible(page);
  await page.screenshot({ path: join(ROOT, "test-results", "element table.png") });
});

test("the example of a plain page shows its widget", async ({ page, site }) => {
  await page.goto(`${site}/widget`);
  await page.getByRole("button", { name: "Open the chat" }).click();
  await expect(page.getByRole("dialog", { name: "Ask me" })).toContainText("SmolLM2-360M-Instruct");
  await expect(page.getByRole("button", { name: "Download and start" })).toBeVisible();
  await page.keyboard.press("Escape");
  await expect(page.getByRole("dialog")).toBeHidden();
});

declare const chat: HTMLElement;
// biome-ignore lint/suspicious/noExplicitAny: what tests/web/element/page.js makes.
declare const script: any;

test("where a model does not load, a server is asked if someone wishes it, and the chat says where the words go", async ({
  page,
  site,
}) => {
  const asked: string[] = [];
  page.on("request", (request) => request.method() === "POST" && asked.push(new URL(request.url()).pathname));
  await page.goto(`${site}/element?model=/nothing.gguf&fallback=/v1&fallback-model=large`);
  const host = new URL(site).host;
  const offer = page.getByRole("button", { name: `Ask ${host} instead` });
  await expect(page.getByText("What you write stays here")).toBeVisible();
  await expect(offer).toBeHidden();
  await page.getByRole("button", { name: "Download and start" }).click();
  await expect(offer).toBeVisible();
  await accessible(page);
  expect(asked).toEqual([]);
  await offer.click();
  await expect(input(page)).toBeFocused();
  await expect(page.locator("sotto-chat .way")).toHaveText(`What you write is sent to ${host}.`);
  await expect(page.getByText("What you write stays here")).toBeHidden();
  await say(page, "Hello");
  await expect(lastReply(page)).toContainText("large heard Hello");
  await expect(lastReply(page)).toContainText(`Answered by ${host}`);
  expect(asked).toEqual(["/v1/chat/completions"]);
  await say(page, "refuse");
  await expect(lastReply(page)).toContainText("answered with status 401: No key was given.");
  await accessible(page);
  // The page takes its server away: nothing can be sent any more.
  await page.locator("sotto-chat").evaluate((chat) => chat.removeAttribute("fallback"));
  await expect(input(page)).toBeHidden();
  await expect(page.locator("sotto-chat .way")).toBeHidden();
});

test("the page's rule sends some messages to its server, and each reply says so", async ({ page, site }) => {
  await page.goto(`${site}/element?rule`);
  const host = new URL(site).host;
  await expect(page.locator("sotto-chat .way")).toHaveText(
    `Some messages may be sent to ${host}; each answer says so.`,
  );
  await page.evaluate(() => {
    const { chat } = globalThis as unknown as { chat: HTMLElement };
    const ways: string[] = [];
    Object.assign(globalThis, { ways });
    chat.addEventListener("sotto-route", ({ detail }) => ways.push(detail.to));
  });
  await say(page, "short");
  await idle(page);
  await expect(lastReply(page)).not.toContainText("Answered by");
  await say(page, "long question");
  await idle(page);
  await expect(lastReply(page)).toContainText("large heard long question");
  await expect(lastReply(page)).toContainText(`Answered by ${host}`);
  expect(await page.evaluate(() => (globalThis as unknown as { ways: string[] }).ways)).toEqual(["tab", "server"]);
});
