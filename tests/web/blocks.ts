/** The code blocks of the README and the documents, for the tests that run them and those that compile them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fromMarkdown } from "mdast-util-from-markdown";
import { visit } from "unist-util-visit";
import { ROOT } from "../../tools/setup.mjs";

export interface Block {
  /** The document, from the root. */
  document: string;
  line: number;
  /** What stands behind the fence: `js`, `sh`, …; empty where nothing does. */
  language: string;
  code: string;
}

const markdown = (folder: string) =>
  readdirSync(join(ROOT, folder))
    // What others wrote is no document of ours.
    .filter((name) => name.endsWith(".md") && name !== "THIRD-PARTY.md")
    .map((name) => (folder === "" ? name : `${folder}/${name}`));

/** Every document that people read. */
export const DOCUMENTS = [
  ...markdown(""),
  ...markdown("docs"),
  ...readdirSync(join(ROOT, "examples")).flatMap((name) => markdown(["examples", name].join("/"))),
];

/** Documents whose `js` is run, on the fake engine; that of the others only has to fit the types. */
export const RUN = [
  "docs/ADAPTERS.md",
  "docs/CHAT.md",
  "docs/TOOLS.md",
  "docs/STRUCTURED.md",
  "docs/REASONING.md",
  "docs/CONTEXT.md",
  "docs/EMBEDDINGS.md",
  "docs/PIECES.md",
];

export const BLOCKS: readonly Block[] = DOCUMENTS.flatMap((document) => {
  const blocks: Block[] = [];
  visit(fromMarkdown(readFileSync(join(ROOT, document), "utf8")), "code", ({ lang, value, position }) => {
    blocks.push({ document, line: position?.start.line ?? 0, language: lang ?? "", code: value });
  });
  return blocks;
});

/** The blocks of these languages, in the documents that `among` takes. */
export const blocksIn = (languages: readonly string[], among = (_document: string) => true) =>
  BLOCKS.filter(({ document, language }) => languages.includes(language) && among(document));

/** The scripts that a page or a component has in itself. */
export const scriptsIn = (code: string) =>
  Array.from(code.matchAll(/<script(?![^>]*(?:src=|importmap))[^>]*>([\s\S]*?)<\/script>/g), ([, script]) => script!);

/** Where a block is, to be named in a message. */
export const placeOf = ({ document, line }: Block) => `${document}:${line}`;
