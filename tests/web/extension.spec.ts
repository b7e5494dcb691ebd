/** A real extension, unpacked: where in one a model can be, and what a service worker is told. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { blocksIn } from "./blocks.js";
import { expect, test, tinyModel } from "./servers.js";

const FOLDER = join(ROOT, "test-results", "extension");

const MANIFEST = {
  manifest_version: 3,
  name: "Sotto",
  version: "1.0",
  background: { service_worker: "background.js", type: "module" },
  // What the guide says that a manifest needs, but for where the model is.
  ...JSON.parse(blocksIn(["json"], (document) => document === "docs/SERVING.md")[0]!.code),
  host_permissions: ["http://127.0.0.1/*"],
};

/** Says something by the model at an address, or the code of why not. */
const SAY = `import { load } from "./dist/index.js";
export async function say(url) {
  try {
    await using model = await load(url, { contextLength: 64 });
    return "said " + (await model.chat("the cat", { max_tokens: 4 })).text.length;
  } catch (error) {
    return error.code ?? String(error);
  }
}`;

/** Tries itself, or has the offscreen document try. */
const BACKGROUND = `import { say } from "./say.js";
const here = { url: "offscreen.html", reasons: ["WORKERS"], justification: "runs a language model" };
chrome.runtime.onMessage.addListener(({ to, url }, _sender, answer) => {
  if (to === "itself") say(url).then(answer);
  if (to === "offscreen")
    chrome.offscreen.createDocument(here).then(() => chrome.runtime.sendMessage({ to: "document", url })).then(answer);
  return to === "itself" || to === "offscreen";
});`;

const OFFSCREEN = `import { say } from "./say.js";
chrome.runtime.onMessage.addListener(({ to, url }, _sender, answer) => {
  if (to === "document") say(url).then(answer);
  return to === "document";
});`;

const FILES: Record<string, string> = {
  "manifest.json": JSON.stringify(MANIFEST),
  "say.js": SAY,
  "background.js": BACKGROUND,
  "offscreen.js": OFFSCREEN,
  "offscreen.html": '<!doctype html><script type="module" src="offscreen.js"></script>',
  "panel.html": "<!doctype html><title>Panel</title>",
  "own-worker.js": `import { say } from "./say.js"; onmessage = async ({ data }) => postMessage(await say(data));`,
};

declare const chrome: { runtime: { sendMessage(message: object): Promise<string> } };

test("a model in a panel, in a worker of one's own and in an offscreen document, but not in a service worker", async ({
  playwright,
  browser,
}) => {
  rmSync(FOLDER, { recursive: true, force: true });
  mkdirSync(FOLDER, { recursive: true });
  for (const [name, text] of Object.entries(FILES)) writeFileSync(join(FOLDER, name), text);
  cpSync(join(ROOT, "dist"), join(FOLDER, "dist"), { recursive: true });
  cpSync(tinyModel("llama-f32"), join(FOLDER, "model.gguf"));
  const server = await serve({ "/model.gguf": tinyModel("llama-f32") });
  const options = test.info().project.use.launchOptions ?? {};
  const context = await playwright[browser.browserType().name() as "chromium"].launchPersistentContext("", {
    ...options,
    ignoreDefaultArgs: ["--disable-extensions"],
    args: [...(options.args ?? []), `--disable-extensions-except=${FOLDER}`, `--load-extension=${FOLDER}`],
  });
  const background = context.serviceWorkers()[0] ?? (await context.waitForEvent("serviceworker"));
  const page = await context.newPage();
  await page.goto(new URL("panel.html", background.url()).href);
  const ask = (to: string) =>
    page.evaluate((message) => chrome.runtime.sendMessage(message), { to, url: `${server.url}/model.gguf` });
  const said = /^said \d+$/;
  expect(await ask("itself")).toBe("service_worker");
  expect(await ask("offscreen")).toMatch(said);
  const own = await page.evaluate(async () => {
    const worker = new Worker("own-worker.js", { type: "module" });
    const answered = new Promise<string>((resolve) => (worker.onmessage = ({ data }) => resolve(data)));
    // A file of the extension's own.
    worker.postMessage("model.gguf");
    return answered;
  });
  expect(own).toMatch(said);
  const panel = await page.evaluate(async () => {
    const url = "./say.js";
    return (await import(url)).say("model.gguf") as Promise<string>;
  });
  expect(panel).toMatch(said);
  await context.close();
  server.close();
});
