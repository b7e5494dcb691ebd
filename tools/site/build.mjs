// The documentation as a static site, `npm run docs`: target/site, which `npm start` serves at /docs. What it is made with is
// installed on first use, in an ignored folder of its own. What has not changed is not built again.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureBindings } from "../build.mjs";
import { ROOT, Stop, TARGET, ensureOwnPackages, tool } from "../setup.mjs";
import { deadSiteLinks } from "./check.mjs";
import { writePages } from "./pages.mjs";

const HERE = join(ROOT, "tools", "site");
const PAGES = join(HERE, "pages");

/** Where the site lies. */
export const SITE = join(TARGET, "site");

/** What the site is made of. */
const SOURCES = ["docs", "README.md", "CHANGELOG.md", "examples", "www", "tools/site"];
const MADE = /(^|\/)(node_modules|pages|cache|dist|out|\.next|wasm(-\w+)?)(\/|$)/;

function sum() {
  const hash = createHash("sha256");
  for (const source of SOURCES) {
    const path = join(ROOT, source);
    const files = statSync(path).isDirectory() ? readdirSync(path, { recursive: true }).sort() : [""];
    for (const file of files.filter((file) => !MADE.test(file))) {
      if (statSync(join(path, file)).isFile())
        hash.update(`${source}/${file}\n`).update(readFileSync(join(path, file)));
    }
  }
  return hash.digest("hex");
}

/** Builds the site, unless it is as its sources are. Throws where a link leads nowhere. */
export async function buildSite() {
  const stamp = join(SITE, "stamp");
  const now = sum();
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === now) return;
  ensureOwnPackages(HERE);
  ensureBindings();
  // The old one is served until the new one is whole.
  const part = `${SITE}.part`;
  rmSync(part, { recursive: true, force: true });
  writePages(PAGES);
  const { writeReference } = await import("./reference.mjs");
  await writeReference(PAGES);
  // Read by its configuration, which VitePress loads by itself.
  process.env.SOTTO_SITE_OUT = part;
  const { build } = await import("vitepress");
  await build(HERE);
  const complaints = deadSiteLinks(part, "/docs/");
  if (complaints.length > 0) throw new Stop(`links of the site lead nowhere:\n${complaints.join("\n")}`);
  writeFileSync(join(part, "stamp"), now);
  rmSync(SITE, { recursive: true, force: true });
  renameSync(part, SITE);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(async () => {
    await buildSite();
    console.error(`The documentation is in ${SITE}; npm start serves it at /docs.`);
  });
}
