// Tiny models with random weights, from the crate's generator.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, renameSync } from "node:fs";
import { join } from "node:path";
import { ROOT, Stop } from "./setup.mjs";

/**
 * Path of a tiny model; made once.
 * @param {string} name
 */
export function tinyModel(name) {
  return made(name, ".gguf", []);
}

/**
 * Path of a folder with a tiny model as Hugging Face has it; made once.
 * @param {string} name
 */
export function tinyRepository(name) {
  return made(name, "", ["repository"]);
}

function made(name, ending, how) {
  const folder = join(ROOT, "test-results", "tiny");
  const path = join(folder, `${name.replaceAll("/", "-")}${ending}`);
  if (existsSync(path)) return path;
  mkdirSync(folder, { recursive: true });
  // Two processes may make it at the same time, and neither may see a part.
  const part = `${path}.${process.pid}`;
  const args = ["run", "-q", "--release", "-p", "tiny-models", "--", ...how, name, part];
  const { status, stderr } = spawnSync("cargo", args, { cwd: ROOT, encoding: "utf8" });
  if (status !== 0) throw new Stop(`the tiny model ${name} could not be made: ${stderr}`);
  renameSync(part, path);
  return path;
}
