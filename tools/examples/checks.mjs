// What each example is used with, and what must come of it. `models` are files by the paths that the page is given;
// `check` does one turn and gives what the table says of it.
import { join } from "node:path";
import { ROOT } from "../setup.mjs";
import { tinyModel } from "../tiny-model.mjs";

/** Writes at random: enough where a text has to arrive. */
const TINY = { "/model.gguf": () => tinyModel("llama-f32") };

/** Answers. */
const SMOL = { "/model.gguf": () => join(ROOT, "models", "SmolLM2-135M-Instruct.Q4_1.gguf") };

/** A model on two shared cores takes its time. */
const timeout = 240_000;

/** Waits for `locator`; what the page says has failed ends the waiting. */
async function shown(page, locator) {
  const alert = page.getByRole("alert").filter({ hasText: /\S/ });
  await locator.or(alert).first().waitFor({ timeout });
  if (await alert.isVisible()) throw new Error(`the page says: ${await alert.textContent()}`);
}

/** Says something, waits for the reply to begin, and stops it unless `isWhole`. The reply. */
async function turn(page, { text = "Why is the sky blue?", isWhole = false } = {}) {
  const replies = page.locator(".assistant");
  const before = await replies.count();
  await page.getByRole("textbox", { name: "Message" }).fill(text);
  await page.getByRole("button", { name: "Send" }).click();
  const reply = replies.nth(before).filter({ hasText: /\S/ });
  await shown(page, reply);
  const stop = page.getByRole("button", { name: "Stop" });
  // It may end by itself meanwhile.
  if (!isWhole && (await stop.isVisible())) await stop.click({ timeout: 5000 }).catch(() => {});
  await shown(page, page.getByRole("button", { name: "Send" }).and(page.locator(":enabled")));
  return reply.textContent();
}

const told = (text) => `works: ${JSON.stringify(text.replace(/\s+/g, " ").slice(0, 70))}`;

const open = (page, url, more = "") => page.goto(`${url}/index.html?model=/model.gguf${more}`);

async function chats(page, { url }) {
  await open(page, url);
  return told(await turn(page));
}

/** The time that the tool gave, and the answer that the model made of it. */
async function callsTool(page, { url }) {
  await open(page, url);
  const text = await turn(page, { text: "What time is it in Tokyo?", isWhole: true });
  const call = await page.locator(".tool").first().textContent();
  if (!/^clock\(.+\) → \d\d:\d\d/.test(call)) throw new Error(`the tool was called so: ${call}`);
  return `${told(text)}, after ${call}`;
}

const NOTES = {
  "guarantee.txt": "The guarantee lasts 24 months from the day of delivery. It covers the motor and the battery.",
  "cleaning.txt": "Clean the filter once a week with cold water. Let it dry before it is put back.",
};

/** An answer, and the file that it names. */
async function finds(page, { url }) {
  await open(page, url, "&embedder=/embedder.gguf");
  const files = Object.entries(NOTES).map(([name, text]) => ({
    name,
    mimeType: "text/plain",
    buffer: Buffer.from(text),
  }));
  await page.getByLabel("Text files").setInputFiles(files);
  await shown(page, page.getByText("2 passages can be asked about."));
  const text = await turn(page, { text: "How long does the guarantee last?" });
  const source = await page.locator(".source summary").first().textContent();
  if (!Object.keys(NOTES).some((name) => source.endsWith(name))) throw new Error(`the source is "${source}"`);
  return `${told(text)}, from ${source}`;
}

/** Clauses in the table, from a reply that is JSON. */
async function extracts(page, { url }) {
  await open(page, url);
  await page.getByRole("button", { name: "Extract" }).click();
  const cells = page.locator("#rows td");
  await shown(page, cells.first());
  const { clauses } = JSON.parse(await page.locator("#json").textContent());
  const [number, kind, summary] = await cells.allTextContents();
  return `${told(summary)}, which is clause ${number} of ${clauses.length}, ${kind}`;
}

/** A turn in the panel, opened as a page of its own: no click of a user can be made on the browser's button. */
async function reads(page, { url }) {
  const context = page.context();
  const worker = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  await page.goto(new URL(`panel.html?model=${url}/model.gguf`, worker.url()).href);
  return told(await turn(page));
}

/** A turn, then the server ends and the network goes: the page is loaded anew, and answers. */
async function staysThere(page, server) {
  await open(page, server.url);
  await turn(page);
  await page.evaluate(() => navigator.serviceWorker.ready);
  server.close();
  await page.context().setOffline(true);
  await page.reload();
  return `${told(await turn(page))}, without a network`;
}

const chat = { models: TINY, check: chats };

export const EXAMPLES = {
  "react-chat": chat,
  "ai-sdk-tools": { models: SMOL, check: callsTool },
  retrieval: { models: { ...SMOL, "/embedder.gguf": () => tinyModel("bert") }, check: finds },
  "contract-extraction": { models: SMOL, check: extracts },
  "vue-chat": chat,
  "svelte-chat": chat,
  "next-chat": { ...chat, out: "out" },
  "extension-side-panel": { models: TINY, isExtension: true, check: reads },
  "offline-pwa": { models: TINY, check: staysThere },
};
