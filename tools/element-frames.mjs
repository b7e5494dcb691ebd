// How smoothly the chat element draws a long reply: `node tools/element-frames.mjs [words] [tokens a second] [--whole]`. It
// streams a text with paragraphs, lists, tables and code, and prints the frames' times, the long tasks by the clock, and what the
// main thread's tasks took of the processor, which holds on a busy machine, too. `--whole` measures in the element's place what a
// page might do by itself: with each frame all of the reply is made anew, by marked. Run by hand.
import { join } from "node:path";
import { parseArgs } from "node:util";
import { chromium } from "@playwright/test";
import { startSite } from "../tests/web/element/site.mjs";
import { ROOT, ensureChromium, tool } from "./setup.mjs";

const { values, positionals } = parseArgs({ options: { whole: { type: "boolean" } }, allowPositionals: true });
const [words = 10_000, rate = 200] = positionals.map(Number);

/** In the page: something that is asked as the element is, and draws all of the reply with each frame that brings more. */
function drawWhole() {
  const { marked } = globalThis;
  const into = document.body.appendChild(document.createElement("article"));
  into.className = "assistant";
  const send = async () => {
    let text = "";
    let isDue = false;
    const draw = () => {
      isDue = false;
      into.innerHTML = marked.parse(text);
    };
    for await (const { choices } of await chat.model.chat.completions.create()) {
      text += choices[0].delta.content ?? "";
      if (!isDue) requestAnimationFrame(draw);
      isDue = true;
    }
    chat.dispatchEvent(new Event("sotto-reply"));
  };
  const chat = Object.assign(new EventTarget(), { shadowRoot: document, send });
  globalThis.chat = chat;
}

/** The page's part that is measured. */
async function open(page, url) {
  if (!values.whole) return page.goto(`${url}/element`);
  await page.addScriptTag({ path: join(ROOT, "node_modules", "marked", "lib", "marked.umd.js") });
  await page.evaluate(drawWhole);
}

/** In the page: streams, and watches. */
async function measure({ words, rate }) {
  const PARTS = [
    "A paragraph with **strong** words, `code` and [a link](https://example.org), which goes on for some time so that it is as long as those that models write, and then a little more. ",
    "It has another sentence, and $x^2$.\n\n",
    "1. one thing\n2. another thing\n   - with a part\n3. and a third\n\n",
    "| name | what it is |\n|---|---|\n| first | some words here |\n| second | some more |\n\n",
    "```js\nfunction add(a, b) {\n  // both are numbers\n  return a + b;\n}\n```\n\n",
    "## A heading\n\n> and something quoted\n\n",
  ];
  const text = [];
  for (let i = 0; text.length < words; i++) text.push(...PARTS[i % PARTS.length].match(/\s*\S+|\s+$/g));
  const { chat } = globalThis;
  const create = async () =>
    (async function* () {
      const started = performance.now();
      for (const [i, content] of text.entries()) {
        yield { choices: [{ index: 0, delta: { content }, finish_reason: null }] };
        const due = started + ((i + 1) * 1000) / rate;
        if (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, due - performance.now()));
      }
      yield { choices: [{ index: 0, delta: {}, finish_reason: "stop" }] };
    })();
  chat.model = { info: { chatTemplate: true }, chat: { completions: { create } } };
  const tasks = [];
  const observer = new PerformanceObserver((list) => tasks.push(...list.getEntries().map(({ duration }) => duration)));
  observer.observe({ entryTypes: ["longtask"] });
  const frames = [];
  let last = performance.now();
  let running = true;
  const watch = (now) => {
    frames.push(now - last);
    last = now;
    if (running) requestAnimationFrame(watch);
  };
  requestAnimationFrame(watch);
  const ended = new Promise((resolve) => chat.addEventListener("sotto-reply", resolve, { once: true }));
  chat.send("go");
  await ended;
  running = false;
  await new Promise((resolve) => setTimeout(resolve, 300));
  frames.sort((a, b) => a - b);
  const at = (share) => Number(frames[Math.floor((frames.length - 1) * share)].toFixed(1));
  return {
    words: text.length,
    elements: chat.shadowRoot.querySelectorAll("article.assistant *").length,
    frames: frames.length,
    median: at(0.5),
    p95: at(0.95),
    p99: at(0.99),
    longest: at(1),
    longTasks: tasks.map((duration) => Math.round(duration)),
  };
}

/** What the tasks of the page's main thread took of the processor, and on what. Milliseconds. */
function tasksOf(trace) {
  const { traceEvents } = JSON.parse(trace);
  const renderer = traceEvents.filter(({ name, args }) => name === "thread_name" && args.name === "CrRendererMain");
  const isMain = ({ pid, tid }) => renderer.some((thread) => thread.pid === pid && thread.tid === tid);
  const events = traceEvents.filter((event) => event.ph === "X" && event.tdur !== undefined && isMain(event));
  const tasks = events.filter(({ name }) => name.endsWith("RunTask")).map(({ tdur }) => tdur / 1000);
  tasks.sort((a, b) => b - a);
  const kinds = {};
  for (const { name, tdur } of events) kinds[name] = (kinds[name] ?? 0) + tdur / 1000;
  const top = Object.entries(kinds).sort(([, a], [, b]) => b - a);
  return {
    longest: tasks.slice(0, 8).map(Math.round),
    over50: tasks.filter((duration) => duration > 50).length,
    totals: Object.fromEntries(top.slice(0, 12).map(([name, duration]) => [name, Math.round(duration)])),
  };
}

await tool(async () => {
  const { url, close } = await startSite(join(ROOT, "test-results", "element-frames"));
  const browser = await chromium.launch({ executablePath: ensureChromium(), args: ["--no-sandbox"] });
  const page = await browser.newPage();
  await open(page, url);
  await page.waitForFunction(() => globalThis.chat);
  await browser.startTracing(page, { categories: ["toplevel", "devtools.timeline", "v8"] });
  const clock = await page.evaluate(measure, { words, rate });
  const processor = tasksOf((await browser.stopTracing()).toString());
  console.log(JSON.stringify({ ...clock, processor }, null, 1));
  await browser.close();
  close();
});
