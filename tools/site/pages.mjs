// The pages of the site, made of what the repository has: documents with their links turned to the site's, examples with
// their files. They are written anew each time.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { dirname, extname, join, normalize } from "node:path";
import { fromMarkdown } from "mdast-util-from-markdown";
import { visit } from "unist-util-visit";
import { ROOT, Stop } from "../setup.mjs";
import { EXAMPLES, GROUPS, OUTSIDE } from "./contents.mjs";

const PICTURES = "docs/pictures";
const LANGUAGES = { ".mjs": "js", ".svelte": "html", ".vue": "vue", ".webmanifest": "json" };
/** Files of examples that say nothing: a picture, a style that all of them have. */
const LEFT_OUT = /\.(png|svg|css)$/;

const names = GROUPS.flatMap(([, pages]) => Object.keys(pages));
const fileOf = (name) => OUTSIDE[name] ?? ["docs", `${name}.md`].join("/");

/** Where a file of the repository is on the site; `undefined` where it is not. */
function placeOf(path) {
  const name = names.find((name) => fileOf(name) === path);
  if (name) return `/${name === "README" ? "overview" : name.toLowerCase()}.md`;
  const example = /^examples\/([^/]+)/.exec(path)?.[1];
  if (EXAMPLES[example]) return `/examples/${example}.md`;
  if (path.startsWith(`${PICTURES}/`)) return `/${path.slice("docs/".length)}`;
}

/** A document's text as the site's: links lead to its pages; what the site does not have is named and not linked. */
export function toPage(text, file) {
  const edits = [];
  visit(fromMarkdown(text), (node) => {
    const from = node.position.start.offset;
    const to = node.position.end.offset;
    // Marks for the scripts that write a part of the document.
    if (node.type === "html") edits.push([from, to, ""]);
    if (!["link", "image", "definition"].includes(node.type) || /^([a-z][a-z\d+.-]*:|#)/i.test(node.url)) return;
    const [path, anchor] = node.url.split("#");
    const place = placeOf(normalize(join(dirname(file), path)).replace(/\/$/, ""));
    const source = text.slice(from, to);
    // The address stands behind the text, which may be the same.
    const at = from + source.lastIndexOf(node.url);
    if (place) edits.push([at, at + node.url.length, anchor ? `${place}#${anchor}` : place]);
    else if (node.type === "link")
      edits.push([from, to, text.slice(from + 1, node.children.at(-1).position.end.offset)]);
    else throw new Stop(`${file}: the site has nothing for ${node.url}`);
  });
  return edits.reverse().reduce((page, [from, to, put]) => page.slice(0, from) + put + page.slice(to), text);
}

/** An example: what it says of itself, and its files. */
function examplePage(name) {
  const folder = join("examples", name);
  const files = readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(join(ROOT, folder).length + 1))
    .filter((path) => !/(^|\/)(node_modules|dist|out|\.next)\//.test(path) && !LEFT_OUT.test(path))
    .filter((path) => !["README.md", "package-lock.json"].includes(path))
    .sort();
  const readme = join(folder, "README.md");
  const head = existsSync(join(ROOT, readme))
    ? toPage(readFileSync(join(ROOT, readme), "utf8"), readme)
    : `# ${EXAMPLES[name]}\n`;
  const blocks = files.map((path) => {
    const language = LANGUAGES[extname(path)] ?? extname(path).slice(1);
    return `## ${path}\n\n\`\`\`\`${language}\n${readFileSync(join(ROOT, folder, path), "utf8").trimEnd()}\n\`\`\`\`\n`;
  });
  return [head, ...blocks].join("\n");
}

/** Writes all pages but the reference into `folder`. */
export function writePages(folder) {
  const unlisted = readdirSync(join(ROOT, "docs"))
    .filter((file) => file.endsWith(".md") && !names.includes(file.slice(0, -".md".length)))
    .map((file) => ["docs", file].join("/"));
  if (unlisted.length > 0) throw new Stop(`${unlisted.join(", ")}: on no list of tools/site/contents.mjs.`);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(join(folder, "examples"), { recursive: true });
  for (const name of names) {
    const file = fileOf(name);
    writeFileSync(join(folder, placeOf(file)), toPage(readFileSync(join(ROOT, file), "utf8"), file));
  }
  for (const name of Object.keys(EXAMPLES)) writeFileSync(join(folder, "examples", `${name}.md`), examplePage(name));
  cpSync(join(ROOT, PICTURES), join(folder, "public", "pictures"), { recursive: true });
  cpSync(join(ROOT, "www", "chat", "icon.svg"), join(folder, "public", "icon.svg"));
  cpSync(join(ROOT, "tools", "site", "home.md"), join(folder, "index.md"));
}
