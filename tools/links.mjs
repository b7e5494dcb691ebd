// Dead links: every relative link and anchor of the documents, and every file that they, or a comment
// in the code, name in backticks. Addresses of other sites are only read, never asked for.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import GithubSlugger from "github-slugger";
import { fromMarkdown } from "mdast-util-from-markdown";
import { toString as textOf } from "mdast-util-to-string";
import { visit } from "unist-util-visit";
import { ROOT, Stop } from "./setup.mjs";

/** Folders whose files are named by their path from the root. */
const NAMED = /`((?:crate|shaders|www|tests|tools|benches|bench|docs|examples)\/[^\s`]*)`/g;

/** What a name leaves open: `*`, `{name}`, `<adapter>`, `NAME`. */
const OPEN = /\*|\{\w+\}|<\w+>|[A-Z]{2,}/g;

/** The complaints, one a line: `file:line: what is wrong`. */
export function deadLinks(root = ROOT) {
  const git = ["ls-files", "--cached", "--others", "--exclude-standard"];
  const { stdout } = spawnSync("git", git, { cwd: root, encoding: "utf8" });
  if (!stdout) throw new Stop("git does not list the project's files: links are checked in a clone.");
  const files = stdout.split("\n").filter((file) => file !== "" && existsSync(join(root, file)));
  const paths = new Set(files);
  for (const file of files) for (let at = dirname(file); at !== "."; at = dirname(at)) paths.add(at);
  const read = (file) => readFileSync(join(root, file), "utf8");
  const documents = new Map(
    files.filter((file) => file.endsWith(".md")).map((file) => [file, readDocument(read(file))]),
  );
  const complaints = [];
  for (const [file, { links }] of documents) {
    for (const { url, line } of links) {
      const wrong = wrongLink(url, file, paths, documents);
      if (wrong) complaints.push(`${file}:${line}: ${wrong}`);
    }
  }
  for (const file of files.filter((file) => /\.(md|rs|ts|mjs|js|py|wgsl|toml|yml)$/.test(file))) {
    for (const [i, text] of read(file).split("\n").entries()) {
      for (const [, name] of text.matchAll(NAMED)) {
        if (!isThere(name, paths)) complaints.push(`${file}:${i + 1}: there is no ${name}`);
      }
    }
  }
  return complaints;
}

/** The links of a document, and the anchors that its headings make. */
function readDocument(text) {
  const slugger = new GithubSlugger();
  const links = [];
  const anchors = new Set();
  visit(fromMarkdown(text), (node) => {
    if (node.type === "heading") anchors.add(slugger.slug(textOf(node)));
    if (["link", "image", "definition"].includes(node.type)) {
      links.push({ url: node.url, line: node.position.start.line });
    }
  });
  return { links, anchors };
}

/** What is wrong with a link, if anything is. */
function wrongLink(url, from, paths, documents) {
  if (/^[a-z][a-z\d+.-]*:/i.test(url)) {
    return URL.canParse(url) && /^(https?|mailto):/i.test(url) ? undefined : `${url} is no address`;
  }
  const [path, anchor] = url.split("#");
  const to = path === "" ? from : normalize(join(dirname(from), decodeURIComponent(path))).replace(/\/$/, "");
  if (to !== "." && !paths.has(to)) return `there is no ${to}`;
  if (anchor !== undefined && documents.has(to) && !documents.get(to).anchors.has(anchor)) {
    return `${to} has no heading #${anchor}`;
  }
}

/** Whether a file or folder has this name, or one that fits it. */
function isThere(name, paths) {
  const path = name.replace(/\/$/, "");
  if (paths.has(path)) return true;
  const parts = path.split(OPEN).map((part) => part.replace(/[.+()[\]]/g, "\\$&"));
  if (parts.length === 1) return false;
  const fits = new RegExp(`^${parts.join(".+")}$`);
  return [...paths].some((known) => fits.test(known));
}
