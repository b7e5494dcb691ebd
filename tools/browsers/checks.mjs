// What each browser is asked to do: the package, the chat page and the element, as their users have them.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import { ROOT } from "../setup.mjs";

const AXE = readFileSync(join(ROOT, "node_modules", "axe-core", "axe.min.js"), "utf8");

/** Waits until `look`, which runs in the page, finds something. */
async function until(page, what, look, argument) {
  for (let tries = 0; tries < 600; tries++) {
    const found = await page.evaluate(look, argument);
    if (found) return found;
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const told = await page.evaluate(() => document.querySelector("[role=alert]")?.textContent.trim());
  throw new Error(`not seen: ${what}${told ? `; the page says: ${told}` : ""}`);
}

function same(what, got, wanted) {
  if (!isDeepStrictEqual(got, wanted))
    throw new Error(`${what} is ${JSON.stringify(got)}, not ${JSON.stringify(wanted)}`);
}

/** Nothing to complain of, for people who do not see or hear or point. */
async function accessible(page) {
  await page.script(AXE);
  const found = await page.evaluate(() =>
    globalThis.axe.run().then(({ violations }) => violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`)),
  );
  same("what axe finds", found, []);
}

/** Runs in the page: loads, chats, keeps to a schema, goes on from a saved session where the browser has private files. */
async function usePackage(options) {
  const { load, store } = await import("/dist/index.js");
  const all = { backend: "cpu", contextLength: 256, ...options };
  const model = await load("/model.gguf", all);
  const { backend, threads } = model.info;
  const greedy = { temperature: 0, max_tokens: 12 };
  const { text } = await model.chat("the cat and the dog", greedy);
  const schema = { type: "object", properties: { warm: { type: "boolean" } }, required: ["warm"] };
  const response_format = { type: "json_schema", json_schema: { name: "x", schema, strict: true } };
  const json = await model.chat("Is it warm?", { temperature: 0, response_format, max_tokens: 60 });
  const found = { backend, threads, text, json: Object.keys(JSON.parse(json.text)) };
  const session = model.session({ id: "tried", messages: [{ role: "user", content: "the cat" }] });
  await session.chat("and the dog", greedy);
  const saved = await session.save().catch((error) => error);
  await model.dispose();
  if (saved.code === "storage") return { ...found, kept: "nothing: no private files" };
  const other = await load("/model.gguf", all);
  const { restored } = await other.restore("tried");
  await other.dispose();
  const [file] = await store.list();
  await store.deleteSession("tried");
  const isKept = file?.whole && restored.tokens > 0 && restored.tokens === saved.tokens;
  return { ...found, kept: isKept ? "the model and a session" : JSON.stringify({ file, restored, saved }) };
}

/** What is kept depends on the browser, and is told; what is written on the model alone, whatever the threads. */
async function triesPackage(page, url, threads) {
  await page.goto(url);
  const { text, kept, ...rest } = await page.evaluate(usePackage, { threads });
  // WebKitGTK has no memory that threads could share: the model then computes on one.
  const shares = await page.evaluate(() => typeof SharedArrayBuffer === "function");
  same("what it came to", rest, { backend: "cpu", threads: shares ? threads : 1, json: ["warm"] });
  if (kept.startsWith("{")) throw new Error(`what is kept is ${kept}`);
  return `${JSON.stringify(text)}, threads: ${rest.threads}, kept: ${kept}`;
}

/** The chat's inside; the functions below run in the page. */
const lastReply = () => {
  const chat = document.querySelector("sotto-chat");
  // While a prompt is read, its figures are there already.
  return !chat.busy && [...chat.shadowRoot.querySelectorAll("article.assistant .figures")].at(-1)?.textContent;
};
const writes = () => document.activeElement?.shadowRoot?.activeElement?.tagName === "TEXTAREA";
const articles = () => document.querySelector("sotto-chat").shadowRoot.querySelectorAll("article").length;

/** By name; each is given a page and the addresses of the sites, and says what it found. */
export const CHECKS = {
  "the package, one thread": (page, { plain }) => triesPackage(page, plain, 1),
  "the package, two threads": (page, { isolated }) => triesPackage(page, isolated, 2),
  "the chat page: loads, chats, keeps, deletes": async (page, { chat }) => {
    await page.goto(chat);
    await until(page, "the button that loads", () => !!document.getElementById("load-default")?.onclick);
    await accessible(page);
    await page.evaluate(() => document.getElementById("load-default").click());
    await until(page, "the input", writes);
    await page.type("the cat");
    await page.press("Enter");
    const figures = await until(page, "a reply", lastReply);
    // The browser writes it down.
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await page.goto(chat);
    await until(page, "the kept chat", () => document.querySelector("#chat-list .open")?.textContent === "the cat");
    await page.evaluate(() => document.getElementById("load-default").click());
    await until(page, "the input", writes);
    same("messages after the reload", await page.evaluate(articles), 2);
    await accessible(page);
    await page.evaluate(() => document.querySelector("sotto-chat").clear());
    await until(page, "no chat in the list", () => !document.querySelector("#chat-list .open"));
    return figures;
  },
  "the element by keyboard, under a strict policy": async (page, { element }) => {
    await page.goto(`${element}/element?feedback&figures`);
    await until(page, "the element", () => !!globalThis.chat?.shadowRoot.querySelector("textarea"));
    await accessible(page);
    for (let i = 0; i < 8 && !(await page.evaluate(writes)); i++) await page.press("Tab");
    same("the focus is in the input", await page.evaluate(writes), true);
    await page.type("rich");
    await page.press("Enter");
    await until(page, "a whole reply", () => {
      const reply = globalThis.chat.shadowRoot.querySelector("article.assistant");
      const parts = ["h3", "table td", ".code .code-keyword", "li.task input:checked", "a[href]", ".figures"];
      return parts.every((part) => reply?.querySelector(part));
    });
    await accessible(page);
    await page.evaluate(() => Object.assign(globalThis.script, { hold: true }));
    await page.type("rich");
    await page.press("Enter");
    await until(page, "a reply on its way", () => globalThis.chat.busy);
    await page.press("Escape");
    await until(page, "the end of the reply", () => !globalThis.chat.busy);
    same("how it ended", await page.evaluate(() => globalThis.chat.conversation.at(-1).end), "stopped");
    return `${await page.evaluate(articles)} messages`;
  },
  "the element in Arabic, kept over a reload": async (page, { element }) => {
    const address = `${element}/element?lang=ar&keep`;
    await page.goto(address);
    await until(page, "the element", () => !!globalThis.chat?.shadowRoot.querySelector("textarea"));
    await page.evaluate(() => globalThis.chat.send("rich"));
    await until(page, "a reply", () => globalThis.chat.conversation.at(-1)?.end);
    await page.goto(address);
    await until(page, "the kept chat", () => globalThis.chat?.conversation.length === 2);
    const look = await page.evaluate(() => {
      const { shadowRoot } = globalThis.chat;
      const wide = [...shadowRoot.querySelectorAll(".frame, .scroll, .bottom, article")].filter(
        (it) => it.scrollWidth > it.clientWidth + 1,
      );
      return { direction: getComputedStyle(shadowRoot.querySelector(".frame")).direction, cutOff: wide.length };
    });
    same("its look", look, { direction: "rtl", cutOff: 0 });
    await accessible(page);
    await page.evaluate(() => globalThis.chat.clear());
    return look.direction;
  },
};
