// Pictures of the chat element for the documents: `node tools/site/pictures.mjs` writes docs/pictures. They are committed, since
// they are small and change with the element alone. The model in them is a script; what is around it is the element.
import { mkdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { startSite } from "../../tests/web/element/site.mjs";
import { ROOT, ensureChromium, tool } from "../setup.mjs";

const OUT = join(ROOT, "docs", "pictures");
const QUESTION = "How much rain falls in Bergen and in Cairo?";
const REPLY = [
  "Bergen is one of the **wettest** cities of Europe, Cairo one of the driest of all:\n\n",
  "| City | A year | Days with rain |\n|---|--:|--:|\n| Bergen | 2,250 mm | 231 |\n| Cairo | 18 mm | 12 |\n\n",
  "```js\nconst times = Math.round(2250 / 18); // 125\n```\n\n",
  "So it rains *125 times* as much in Bergen.\n",
];

/** Before a model is there. */
async function ask(page) {
  await page.evaluate(() => {
    const { chat } = globalThis;
    chat.setAttribute("size", "386000000");
    chat.setAttribute("model", "hf:HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0");
  });
  await page.getByRole("button", { name: "Download and start" }).waitFor();
}

async function answer(page) {
  await page.evaluate((reply) => Object.assign(globalThis.script, { words: () => reply }), REPLY);
  await page.getByRole("textbox", { name: "Write a message" }).fill(QUESTION);
  await page.keyboard.press("Enter");
  await page.getByRole("button", { name: "Send" }).waitFor();
}

/** A picture's page, how high the element is in it, and what is done in it. */
const PICTURES = {
  asks: { query: "model=/model.gguf", height: 330, act: ask },
  chat: { query: "", height: 590, act: answer },
  dark: { query: "theme=dark", height: 590, act: answer },
};

await tool(async () => {
  mkdirSync(OUT, { recursive: true });
  const { url, close } = await startSite(join(ROOT, "test-results", "pictures"));
  const browser = await chromium.launch({ executablePath: ensureChromium(), args: ["--no-sandbox"] });
  for (const [name, { query, height, act }] of Object.entries(PICTURES)) {
    const viewport = { width: 640, height: height + 200 };
    const page = await browser.newPage({ viewport, deviceScaleFactor: 1.5, reducedMotion: "reduce" });
    await page.goto(`${url}/element?heading=Ask+me&${query}`);
    const element = page.locator("sotto-chat");
    await element.evaluate((it, height) => Object.assign(it.style, { blockSize: `${height}px` }), height);
    await act(page);
    await page.mouse.move(0, 0);
    const path = join(OUT, `${name}.png`);
    await element.screenshot({ path });
    console.log(`${path}: ${statSync(path).size} bytes`);
    await page.close();
  }
  await browser.close();
  close();
});
