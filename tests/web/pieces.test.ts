/** The pieces of the package: each has a subpath of its own. */
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { PIECES } from "../../tools/build.mjs";
import { ROOT } from "../../tools/setup.mjs";

test("each piece is exported, with its types", () => {
  const { exports } = JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));
  for (const name of Object.keys(PIECES)) {
    expect(readdirSync(join(ROOT, "www", "pieces", name))).toContain("index.ts");
    expect(exports[`./${name}`]).toEqual({
      types: `./dist/pieces/${name}/index.d.ts`,
      default: `./dist/pieces/${name}.js`,
    });
  }
});
