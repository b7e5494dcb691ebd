/** The documentation's site: its pages' links, the check of the whole, and that no code or document is forgotten. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { deadSiteLinks } from "../../tools/site/check.mjs";
import { EXAMPLES } from "../../tools/site/contents.mjs";
import { toPage } from "../../tools/site/pages.mjs";
import { ERROR_CODES } from "../../www/wire/errors.js";

test("links of a document lead to the site's pages, or are words where it has none", () => {
  const text = [
    "<!-- begin -->",
    "[CHAT.md](CHAT.md) [errors](ERRORS.md#errors) [here](#top) [site](https://example.org/CHAT.md)",
    "[home](../README.md) [example](../examples/react-chat/main.jsx) ![A chat](pictures/chat.png)",
    "| [`a script`](../tools/serve.mjs) |",
    "`[code](CHAT.md)`",
  ].join("\n\n");
  expect(toPage(text, "docs/USAGE.md").split("\n\n")).toEqual([
    "",
    "[CHAT.md](/chat.md) [errors](/errors.md#errors) [here](#top) [site](https://example.org/CHAT.md)",
    "[home](/overview.md) [example](/examples/react-chat.md) ![A chat](/pictures/chat.png)",
    "| `a script` |",
    "`[code](CHAT.md)`",
  ]);
  expect(toPage("[chat](docs/CHAT.md)", "README.md")).toBe("[chat](/chat.md)");
  expect(() => toPage("![none](none.png)", "docs/USAGE.md")).toThrow(
    "docs/USAGE.md: the site has nothing for none.png",
  );
});

test("dead links of a built site are told: pages, files, headings, and what leads out", () => {
  const site = mkdtempSync(join(tmpdir(), "sotto-site-"));
  try {
    mkdirSync(join(site, "a"));
    const good = `<a href="/docs/">home</a> <img src="/docs/x.png"> <a href="https://example.org/none">out</a>`;
    writeFileSync(join(site, "x.png"), "");
    writeFileSync(join(site, "index.html"), `<h2 id="one">One</h2> <a href="#one">one</a> ${good}`);
    const bad = ["../index.html#two", "/docs/b.html", "/other/", "c/"].map((href) => `<a href="${href}">x</a>`);
    writeFileSync(join(site, "a", "page.html"), `${good} <a href="../index.html#one">one</a> ${bad.join(" ")}`);
    expect(deadSiteLinks(site, "/docs/")).toEqual([
      "a/page.html: ../index.html#two: index.html has no #two",
      "a/page.html: /docs/b.html: there is no b.html",
      "a/page.html: /other/: it leads out of the site",
      "a/page.html: c/: there is no a/c/index.html",
    ]);
  } finally {
    rmSync(site, { recursive: true });
  }
});

test("every error code has its place in the guide of what fails, and nothing else has", () => {
  const guide = readFileSync("docs/TROUBLESHOOTING.md", "utf8");
  const codes = Array.from(guide.matchAll(/^### `(\w+)`$/gm), ([, code]) => code!);
  expect(codes.toSorted()).toEqual(ERROR_CODES.toSorted());
});

test("the site has every example that the list of examples has", () => {
  const listed = Array.from(
    readFileSync("docs/EXAMPLES.md", "utf8").matchAll(/^\| \[`([\w-]+)`\]/gm),
    ([, name]) => name,
  );
  expect(Object.keys(EXAMPLES).toSorted()).toEqual(listed.toSorted());
});
