// The package as npm would have it, in a project of its own: what users have, without the repository around it.
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { run } from "../setup.mjs";

/** Path of the packed package. */
export function pack(folder) {
  mkdirSync(folder, { recursive: true });
  run("npm", ["pack", "--silent", "--pack-destination", folder], { quiet: true });
  return join(folder, "sotto-0.1.0.tgz");
}

/** Writes `files`, texts by their paths in `folder`; installs what package.json names, and runs `command`. */
export function build(folder, files, command) {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
  const env = { NEXT_TELEMETRY_DISABLED: "1" };
  const inside = (line) => run("sh", ["-c", `cd "$0" && ${line}`, folder], { env });
  inside("npm install --silent --no-audit --no-fund --ignore-scripts --prefer-offline");
  if (command) inside(command);
}
