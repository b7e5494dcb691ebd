// The site: static, its search too. Nothing in it comes from another server.
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { slug } from "github-slugger";
import { EXAMPLES, GROUPS } from "../contents.mjs";

const PAGES = join(import.meta.dirname, "..", "pages");

const linkOf = (name) => (name === "README" ? "/overview" : `/${name.toLowerCase()}`);
const guides = GROUPS.map(([text, pages]) => ({
  text,
  items: Object.entries(pages).map(([name, text]) => ({
    text,
    link: linkOf(name),
    ...(name === "EXAMPLES" && {
      collapsed: true,
      items: Object.entries(EXAMPLES).map(([name, text]) => ({ text, link: `/examples/${name}` })),
    }),
  })),
}));

const listed = join(PAGES, "api", "typedoc-sidebar.json");
const reference = existsSync(listed) ? JSON.parse(readFileSync(listed, "utf8")) : [];

export default {
  title: "Sotto",
  description: "Language models inside a web page",
  lang: "en",
  base: "/docs/",
  srcDir: "pages",
  outDir: process.env.SOTTO_SITE_OUT,
  lastUpdated: false,
  metaChunk: true,
  head: [["link", { rel: "icon", href: "/docs/icon.svg" }]],
  // Headings have the anchors that the documents' links were written for.
  markdown: {
    anchor: { slugify: (heading) => slug(heading) },
    theme: { light: "github-light-high-contrast", dark: "github-dark-high-contrast" },
  },
  vite: { logLevel: "warn", build: { chunkSizeWarningLimit: 2000 } },
  themeConfig: {
    logo: "/icon.svg",
    search: { provider: "local" },
    outline: [2, 3],
    nav: [
      { text: "Quick start", link: "/start" },
      { text: "Guides", link: "/chat" },
      { text: "Reference", link: "/api/" },
    ],
    sidebar: { "/": guides, "/api/": [{ text: "Reference", link: "/api/", items: reference }] },
    docFooter: { prev: "Before", next: "Next" },
  },
};
