/** Files that the headless commands read. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { readBatch } from "../../tools/cli/input.mjs";

test("a byte-order mark before a batch is no error", () => {
  const folder = mkdtempSync(join(tmpdir(), "sotto-batch-"));
  const file = join(folder, "batch.json");
  const batch = [{ name: "a", text: "b" }];
  writeFileSync(file, `\ufeff${JSON.stringify(batch)}`);
  expect(readBatch(file)).toEqual(batch);
  rmSync(folder, { recursive: true });
});
