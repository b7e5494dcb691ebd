// Tiny models with random weights, from the crate's generator.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop } from "./setup.mjs";

/**
 * Path of a tiny model; made once.
 * @param {string} name
 */
export function tinyModel(name) {
  const folder = join(ROOT, "test-results", "tiny");
  const path = join(folder, `${name}.gguf`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  const { status, stderr } = spawnSync("cargo", ["run", "-q", "--release", "-p", "tiny-models", "--", name, path], {
    cwd: ROOT,
    encoding: "utf8",
  });
  if (status !== 0) throw new Stop(`the tiny model ${name} could not be made: ${stderr}`);
  return path;
}
