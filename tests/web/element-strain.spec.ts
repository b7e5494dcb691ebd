/** The chat element where a page or its reader does what is not usual: early, at once, much, wrong, in two places. */
import { join } from "node:path";
import { type Page, expect, test as base } from "@playwright/test";
import { ROOT } from "../../tools/setup.mjs";
import { startSite } from "./element/site.mjs";
import type { SottoChat } from "../../www/pieces/element/index.js";

declare const make: (attributes?: Record<string, string>, properties?: object) => SottoChat;
declare const model: (pieces?: () => Iterable<string> | AsyncIterable<string>) => object;
declare const wait: (ms: number) => Promise<void>;
declare const asked: { messages: { role: string; content: string }[]; temperature?: number }[];

const test = base.extend<object, { site: string }>({
  site: [
    async ({}, use, { workerIndex }) => {
      const { url, close } = await startSite(join(ROOT, "test-results", `strain-${workerIndex}`));
      await use(url);
      close();
    },
    { scope: "worker" },
  ],
});

/** A page without anything, the element not defined yet, and what makes it and a model for it. */
async function bare(page: Page, site: string): Promise<void> {
  await page.goto(`${site}/empty`);
  await page.evaluate(() => {
    const asked: unknown[] = [];
    const wait = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
    const info = { name: "Scripted", chatTemplate: true, contextLength: 4096 };
    const model = (pieces = () => ["one ", "two"] as Iterable<string> | AsyncIterable<string>) => ({
      info,
      chat: {
        completions: {
          async create(request: object) {
            asked.push(request);
            return (async function* () {
              for await (const content of pieces()) yield { choices: [{ delta: { content }, finish_reason: null }] };
              yield { choices: [{ delta: {}, finish_reason: "stop" }] };
            })();
          },
        },
      },
    });
    const make = (attributes: Record<string, string> = {}, properties: object = {}) => {
      const chat = document.createElement("sotto-chat");
      for (const [name, value] of Object.entries(attributes)) chat.setAttribute(name, value);
      Object.assign(chat, properties);
      document.body.append(chat);
      return chat;
    };
    Object.assign(globalThis, { asked, wait, model, make });
  });
}

const define = (page: Page) => page.evaluate(() => import("/dist/pieces/element.js" as string).then(() => {}));

test("what was set before the element was defined is taken over", async ({ page, site }) => {
  await bare(page, site);
  await page.evaluate(() => {
    const conversation = [{ role: "user", content: "before" }];
    const set = { system: "Be brief.", suggestions: ["one"], params: { temperature: 0 }, loadOptions: { seed: 1 } };
    make({}, { ...set, conversation, model: model() });
  });
  await define(page);
  await expect(page.locator("article")).toHaveText(["before"]);
  await page.locator("sotto-chat").evaluate((chat: SottoChat) => {
    chat.send("now");
  });
  await expect(page.locator("article.assistant .body")).toHaveText("one two");
  const [request, left] = await page.locator("sotto-chat").evaluate((chat) => [asked[0], Object.keys(chat)]);
  expect(request).toMatchObject({ temperature: 0, messages: [{ role: "system", content: "Be brief." }, {}, {}] });
  expect(left).toEqual([]);
});

test("a launcher is closed until someone opens it, however it was made", async ({ page, site }) => {
  await bare(page, site);
  await define(page);
  const open = await page.evaluate(async () => {
    const made = make({ mode: "launcher" });
    const turned = make();
    turned.setAttribute("mode", "launcher");
    const asked = make({ open: "" });
    asked.setAttribute("mode", "launcher");
    await wait(20);
    return [made, turned, asked].map((chat) => chat.open);
  });
  expect(open).toEqual([false, false, true]);
});

const texts = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { chat: SottoChat }).chat.conversation.map(({ text }) => text));

test("two who show one kept conversation see what the other writes and deletes", async ({ page, context, site }) => {
  const other = await context.newPage();
  for (const it of [page, other]) {
    await bare(it, site);
    await define(it);
    await it.evaluate(() => Object.assign(globalThis, { chat: make({ keep: "both" }, { model: model() }) }));
  }
  const say = async (it: Page, text: string) => {
    await it.locator("sotto-chat textarea").fill(text);
    await it.locator("sotto-chat textarea").press("Enter");
  };
  await say(page, "first");
  await expect.poll(() => texts(other)).toEqual(["first", "one two"]);
  await say(other, "second");
  await expect.poll(() => texts(page)).toEqual(["first", "one two", "second", "one two"]);
  await page.reload();
  await bare(page, site);
  await define(page);
  await page.evaluate(() => Object.assign(globalThis, { chat: make({ keep: "both" }, { model: model() }) }));
  await expect.poll(() => texts(page)).toEqual(["first", "one two", "second", "one two"]);
  // Two in one page, too.
  await page.evaluate(() => make({ keep: "both", id: "twin" }, { model: model() }));
  await expect(page.locator("#twin article")).toHaveCount(4);
  await page.evaluate(() => (globalThis as unknown as { chat: SottoChat }).chat.clear());
  await expect(page.locator("#twin article")).toHaveCount(0);
  await expect.poll(() => texts(other)).toEqual([]);
});

test("a page's greeting makes room for what is kept", async ({ page, site }) => {
  await bare(page, site);
  await define(page);
  const turns = await page.evaluate(async () => {
    const { keepConversation, keptConversation } = await import("/dist/pieces/element.js" as string);
    await keepConversation("old", [{ role: "user", text: "old" }]);
    const chat = make({ keep: "old" });
    chat.conversation = [{ role: "assistant", content: "Welcome!" }];
    await wait(200);
    const before = make({ keep: "old" }, { conversation: [{ role: "assistant", content: "Welcome!" }] });
    const fresh = make({ keep: "fresh" }, { conversation: [{ role: "assistant", content: "Welcome!" }] });
    await wait(200);
    return [chat.conversation, before.conversation, await keptConversation("old"), fresh.conversation];
  });
  const old = [{ role: "user", text: "old" }];
  expect(turns).toEqual([old, old, old, [{ role: "assistant", text: "Welcome!", end: "whole" }]]);
});

test("what is set wrong is as if it were not set", async ({ page, site }) => {
  const errors: string[] = [];
  page.on("pageerror", ({ message }) => errors.push(message));
  await bare(page, site);
  await define(page);
  const ends = await page.evaluate(async () => {
    const wrong = [
      ...["tools", "params", "loadOptions", "suggestions", "texts", "math", "system"].map((name) => ({ [name]: null })),
      { tools: "abc" },
      { suggestions: "abc" },
      { suggestions: [null, "right"] },
      { texts: { send: null, greeting: 5 } },
      { math: "x" },
      { conversation: JSON.parse('[{"role":"user","content":"x","__proto__":{"a":1}}]') },
    ];
    const ends: unknown[] = [];
    for (const properties of wrong) {
      const chat = make({ size: "-5" }, { model: model(), ...properties });
      chat.setAttribute("heading", "Anew");
      await wait(0);
      chat.send("go");
      await new Promise((resolve) => chat.addEventListener("sotto-reply", resolve, { once: true }));
      const last = chat.conversation.at(-1);
      ends.push(last?.role === "assistant" && last.end, chat.shadowRoot!.querySelector("h2")!.textContent);
      chat.remove();
    }
    const sizes = ["-5", "Infinity", "abc"].map((size) => make({ size, model: "/x.gguf" }));
    ends.push(...sizes.map((chat) => chat.shadowRoot!.querySelector(".about")!.textContent));
    return ends;
  });
  expect(new Set(ends)).toEqual(new Set(["whole", "Anew", "One download, kept on this device"]));
  expect(errors).toEqual([]);
});

test("in a form that is disabled nothing is sent or changed; a reset does not delete what is kept", async ({
  page,
  site,
}) => {
  await bare(page, site);
  await define(page);
  const [turns, kept, shown] = await page.evaluate(async () => {
    const { keepConversation, keptConversation } = await import("/dist/pieces/element.js" as string);
    const said = [
      { role: "user", text: "asked" },
      { role: "assistant", text: "said", end: "stopped" },
    ];
    await keepConversation("form", said);
    const form = document.createElement("form");
    const set = document.createElement("fieldset");
    set.disabled = true;
    form.append(set);
    document.body.append(form);
    const [chat, empty] = [make({ keep: "form" }), make({}, { suggestions: ["press"] })];
    for (const it of [chat, empty]) {
      set.append(it);
      it.model = model() as never;
    }
    await wait(200);
    const press = (it: HTMLElement, what: string) => {
      for (const button of it.shadowRoot!.querySelectorAll<HTMLElement>(what)) button.click();
    };
    press(empty, "[part=suggestion]");
    press(chat, ".foot button:not([aria-label=Copy])");
    press(chat, ".menu button");
    press(chat, ".menu button:last-of-type");
    press(chat, ".menu button:last-of-type");
    await wait(100);
    form.reset();
    await wait(100);
    const visible = [chat, empty].flatMap((it) =>
      Array.from(it.shadowRoot!.querySelectorAll<HTMLElement>(".foot button, .chips button")).filter((button) =>
        button.checkVisibility(),
      ),
    );
    const drafts = [chat, empty].map((it) => it.shadowRoot!.querySelector("textarea")!.value);
    return [
      [chat.conversation.length, empty.conversation.length, ...drafts],
      await keptConversation("form"),
      visible.length,
    ];
  });
  expect(turns).toEqual([2, 0, "", ""]);
  expect(kept).toHaveLength(2);
  expect(shown).toBe(0);
});

test("whoever writes, edits or presses keeps the place when the window is made anew", async ({ page, site }) => {
  await bare(page, site);
  await define(page);
  await page.evaluate(() => make({}, { model: model(), suggestions: ["press me"] }));
  const chat = page.locator("sotto-chat");
  const input = chat.locator("textarea");
  await chat.getByRole("button", { name: "press me" }).press("Enter");
  await expect(input).toBeFocused();
  await expect(chat.locator("article")).toHaveCount(2);
  await expect(chat.locator(".send")).toBeVisible();
  await input.fill("written");
  await input.evaluate((it: HTMLTextAreaElement) => it.setSelectionRange(2, 4));
  await chat.evaluate((it) => it.setAttribute("heading", "One"));
  await expect(chat.locator("h2")).toHaveText("One");
  await expect(input).toBeFocused();
  expect(await input.evaluate((it: HTMLTextAreaElement) => [it.value, it.selectionStart, it.selectionEnd])).toEqual([
    "written",
    2,
    4,
  ]);
  await input.fill("");
  await input.press("ArrowUp");
  await chat.evaluate((it) => it.setAttribute("heading", "Two"));
  await expect(chat.locator("h2")).toHaveText("Two");
  await expect(chat.locator(".editing")).toBeVisible();
  await input.fill("otherwise");
  await input.press("Enter");
  await expect(chat.locator("article.user")).toHaveText(["otherwise"]);
});

test("moved into another document the element looks the same", async ({ page, site }) => {
  await bare(page, site);
  await define(page);
  const [before, after] = await page.evaluate(async () => {
    const chat = make({}, { model: model() });
    const look = () => getComputedStyle(chat.shadowRoot!.querySelector(".frame")!).display;
    const before = look();
    const frame = document.createElement("iframe");
    document.body.append(frame);
    frame.contentDocument!.body.append(chat);
    await wait(50);
    return [before, look()];
  });
  expect(after).toBe(before);
  expect(after).toBe("flex");
});

test("a long conversation is not laid out once for each message", async ({ page, site }) => {
  await bare(page, site);
  await define(page);
  const asked = await page.evaluate(async () => {
    const { get } = Object.getOwnPropertyDescriptor(Element.prototype, "scrollHeight")!;
    let count = 0;
    Object.defineProperty(Element.prototype, "scrollHeight", {
      get() {
        count++;
        return get!.call(this);
      },
    });
    const chat = make({}, { model: model() });
    await wait(100);
    count = 0;
    chat.conversation = Array.from({ length: 200 }, (_, i) => ({
      role: i % 2 ? "assistant" : "user",
      content: `${i}`,
    }));
    return count;
  });
  expect(asked).toBeLessThan(5);
});
