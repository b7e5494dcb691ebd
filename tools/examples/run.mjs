// `npm run examples [-- NAME…]`: each project of examples/ with the packed package, built as its README says, opened in
// Chromium and used for one turn. Prints a table; fails where one does not work. Packages come from npm, into target/examples;
// a picture of each page at its end lies beside them.
import { cpSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { chromium } from "@playwright/test";
import { build, pack } from "../bundlers/packed.mjs";
import { firstLine } from "../browser.mjs";
import { serve } from "../serve.mjs";
import { ROOT, Stop, TARGET, chromiumArgs, ensureChromium, tool } from "../setup.mjs";
import { EXAMPLES } from "./checks.mjs";

const FOLDER = join(TARGET, "examples");

/** What a page of another origin (an extension's) needs to read the model. */
const READABLE = {
  "access-control-allow-origin": "*",
  "access-control-allow-headers": "*",
  "access-control-expose-headers": "*",
};

/** The example, installed and built, in a folder of its own. */
function built(name, tarball) {
  const folder = join(FOLDER, name);
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(ROOT, "examples", name), folder, { recursive: true });
  const wanted = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  wanted.dependencies.sotto = tarball;
  build(folder, { "package.json": JSON.stringify(wanted) }, "npm run build --silent");
  return folder;
}

/** A browser; where an extension is given, one that has it. */
function launch(extension) {
  const args = chromiumArgs("swiftshader");
  const executablePath = ensureChromium();
  if (!extension) return chromium.launch({ executablePath, args });
  return chromium.launchPersistentContext("", {
    executablePath,
    ignoreDefaultArgs: ["--disable-extensions"],
    args: [...args, `--disable-extensions-except=${extension}`, `--load-extension=${extension}`],
  });
}

/** What the check says of the page; throws where something is wrong. */
async function used({ out = "dist", models, isExtension = false, check }, folder) {
  let page;
  const site = join(folder, out);
  const routes = Object.fromEntries(Object.entries(models).map(([path, model]) => [path, model()]));
  const server = await serve({ ...routes, "/": site }, { headers: READABLE });
  const browser = await launch(isExtension ? site : undefined);
  const errors = [];
  try {
    page = await browser.newPage();
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    page.on("pageerror", (error) => errors.push(firstLine(error)));
    const said = await check(page, server);
    if (errors.length > 0) throw new Error(`the console says: ${errors[0]}`);
    return said;
  } finally {
    await page?.screenshot({ path: `${folder}.png` });
    await browser.close();
    server.close();
  }
}

await tool(async () => {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !EXAMPLES[name]);
  if (unknown) throw new Stop(`there is no example "${unknown}"; the names are ${Object.keys(EXAMPLES).join(", ")}.`);
  const tarball = pack(FOLDER);
  const failed = [];
  for (const name of named.length > 0 ? named : Object.keys(EXAMPLES)) {
    let said;
    try {
      said = await used(EXAMPLES[name], built(name, tarball));
    } catch (error) {
      failed.push(name);
      said = `FAILS: ${firstLine(error)}`;
    }
    console.log(`${name.padEnd(22)} ${said}`);
  }
  if (failed.length > 0) throw new Stop(`not all work: ${failed.join(", ")}.`);
});
