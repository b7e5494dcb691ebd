// `npm run test:bundlers [-- NAME…]`: the packed package in an app of each bundler, built and run in Chromium, without and
// with threads. Prints a table; fails where one does not work. Bundlers come from npm, into target/bundlers.
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { APPS, HTML } from "./apps.mjs";
import { build, pack } from "./packed.mjs";
import { ISOLATED, serve } from "../serve.mjs";
import { Stop, TARGET, chromiumArgs, ensureChromium, tool } from "../setup.mjs";
import { tinyModel } from "../tiny-model.mjs";

const FOLDER = join(TARGET, "bundlers");

/** Loads a tiny model, writes text and a number under a grammar; what came of it is the page's title. */
const MAIN = `import { load } from "sotto";
async function run() {
  const model = await load("/model.gguf", { backend: "cpu", threads: crossOriginIsolated ? 2 : undefined });
  let count = 0;
  for await (const { tokens } of model.generate("the cat", { raw: true, maxTokens: 4, temperature: 0 })) count += tokens.length;
  const { choices } = await model.chat.completions.create({
    messages: [{ role: "user", content: "hi" }],
    response_format: { type: "regex", pattern: "[0-9]{3}" },
    max_tokens: 20,
  });
  document.title = \`\${count > 0} \${/^[0-9]{3}$/.test(choices[0].message.content)} \${model.info.threads}\`;
}
run().catch((error) => (document.title = "failed: " + error.message));
`;

function install(name, { packages, files = {}, build: command = [] }, tarball) {
  const folder = join(FOLDER, name);
  rmSync(folder, { recursive: true, force: true });
  const all = {
    "main.js": MAIN,
    // So that none is looked for above.
    "tsconfig.json": "{}",
    "package.json": JSON.stringify({ private: true, dependencies: { ...packages, sotto: tarball } }),
    ...files,
  };
  const runner = command[0] === "node" ? "" : "npx ";
  build(folder, all, command.length > 0 ? runner + command.join(" ") : undefined);
  return folder;
}

/** The page's title under each set of headers. */
async function opened(browser, out, page) {
  const titles = [];
  for (const headers of [{}, ISOLATED]) {
    const server = await serve({ "/model.gguf": tinyModel("llama-f32"), "/": out }, { headers });
    const tab = await browser.newPage();
    await tab.goto(`${server.url}/${page}`);
    await tab
      .waitForFunction(() => /^(true|false|failed)/.test(document.title), null, { timeout: 60_000 })
      .catch(() => {});
    titles.push(await tab.title());
    await tab.close();
    server.close();
  }
  return titles;
}

await tool(async () => {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !APPS[name]);
  if (unknown) throw new Stop(`there is no bundler "${unknown}"; the names are ${Object.keys(APPS).join(", ")}.`);
  const tarball = pack(FOLDER);
  const browser = await chromium.launch({ executablePath: ensureChromium(), args: chromiumArgs("swiftshader") });
  const failed = [];
  for (const name of named.length > 0 ? named : Object.keys(APPS)) {
    const app = APPS[name];
    let said;
    try {
      const folder = install(name, app, tarball);
      const out = join(folder, app.out ?? "out");
      if (!app.page) writeFileSync(join(out, "page.html"), HTML);
      const [plain, isolated] = await opened(browser, out, app.page ?? "page.html");
      said = plain === "true true 1" && isolated === "true true 2" ? "works" : `${plain} | ${isolated}`;
    } catch (error) {
      if (!(error instanceof Stop)) throw error;
      said = error.message;
    }
    console.log(`${name.padEnd(16)} ${said}`);
    if (said !== "works") failed.push(name);
  }
  await browser.close();
  if (failed.length > 0) throw new Stop(`not all work: ${failed.join(", ")}.`);
});
