/** The check of the documents' links, on a small repository with one of each mistake. */
import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { deadLinks } from "../../tools/links.mjs";

const ROOT = mkdtempSync(join(tmpdir(), "sotto-links-"));
afterAll(() => rmSync(ROOT, { recursive: true }));

function repository(files: Record<string, string>): void {
  spawnSync("git", ["init", "-q"], { cwd: ROOT });
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(ROOT, name)), { recursive: true });
    writeFileSync(join(ROOT, name), text);
  }
}

// In pieces, or the check would complain of this file.
const named = (path: string) => `\`${path}\``;

test("dead links, anchors, names and addresses are told with their lines; what is there is not", () => {
  repository({
    "README.md": [
      "# One",
      "[there](docs/guide.md) [top](#one) [a heading](docs/guide.md#how-it-goes--why) [folder](docs/)",
      "[gone](docs/gone.md) and [no heading](docs/guide.md#nowhere), [not here](#two)",
      "[site](https://example.org/a) [mail](mailto:a@example.org) [odd](htp://example.org) [none](https://)",
      "```",
      "[in code](nothing.md)",
      "```",
      `${named("crate/lib.rs")} ${named("crate/")} ${named("crate/*.rs")} ${named("crate/gone.rs")}`,
      "[by name][ref]",
      "",
      "[ref]: ../outside.md",
    ].join("\n"),
    "docs/guide.md": "## How it goes, & why\n\n![picture](../shaders/none.png) [back](../README.md#one)\n",
    "crate/lib.rs": `//! See ${named("shaders/old.wgsl")}.\n`,
  });
  expect(deadLinks(ROOT).sort()).toEqual([
    "README.md:11: there is no ../outside.md",
    "README.md:3: README.md has no heading #two",
    "README.md:3: docs/guide.md has no heading #nowhere",
    "README.md:3: there is no docs/gone.md",
    "README.md:4: htp://example.org is no address",
    "README.md:4: https:// is no address",
    "README.md:8: there is no crate/gone.rs",
    "crate/lib.rs:1: there is no shaders/old.wgsl",
    "docs/guide.md:3: there is no shaders/none.png",
  ]);
});
