// THIRD-PARTY.md: what of others is inside the published package, with the licences that ask to go along.
// `node tools/third-party.mjs` writes it, with `--check` it says whether it is fresh.
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { ROOT, Stop, tool } from "./setup.mjs";

const FILE = join(ROOT, "THIRD-PARTY.md");

/** Each becomes a wasm file of the package. */
const SHIPPED = ["sotto-web", "sotto-grammar", "sotto-repository", "sotto-search"];

const json = (...path) => JSON.parse(readFileSync(join(...path), "utf8"));

/** What cargo prints; nothing is fetched but what a build fetches. */
function cargo(...args) {
  const { status, stdout, stderr } = spawnSync("cargo", args, { cwd: ROOT, encoding: "utf8", maxBuffer: 1 << 28 });
  if (status !== 0) throw new Stop(`"cargo ${args[0]}" failed: ${stderr.trim()}`);
  return stdout;
}

/** The crates inside a wasm file, without those that only build it: `{ name, version, from, id, texts }`. */
function crates(shipped, folders) {
  const edges = ["-e", "normal,no-proc-macro", "--target", "wasm32-unknown-unknown", "--locked"];
  const lines = cargo("tree", "-p", shipped, ...edges, "--prefix", "none", "--no-dedupe", "-f", "{p}|{l}").split("\n");
  return [...new Set(lines)].flatMap((line) => {
    const [, name, version, id] = /^(\S+) v([^ |]+)[^|]*\|(.*)$/.exec(line) ?? [];
    const folder = folders.get(`${name} ${version}`);
    return folder ? [{ name, version, from: "Cargo", id: id.replaceAll("/", " OR "), texts: texts(folder, id) }] : [];
  });
}

/** Where the sources of all crates lie that are not the project's own. */
function sources() {
  const { packages } = JSON.parse(cargo("metadata", "--format-version", "1", "--locked"));
  const others = packages.filter(({ source }) => source);
  return new Map(others.map(({ name, version, manifest_path }) => [`${name} ${version}`, dirname(manifest_path)]));
}

/** The texts of a licence, or of the first of those to choose from that a file is named for. */
function texts(folder, id) {
  const files = readdirSync(folder).filter((name) => /^(license|licence|copying|notice)(?!.*\.html)/i.test(name));
  const choice = id.includes("AND") ? undefined : PREFERRED.find((name) => id.includes(name) && files.some(of(name)));
  return files.filter(choice ? of(choice) : () => true).map((file) => plain(readFileSync(join(folder, file), "utf8")));
}

/** Of several the one with the shortest text. */
const PREFERRED = ["MIT", "Zlib", "BSL", "Apache"];
const of = (licence) => (file) => file.toLowerCase().includes(licence.toLowerCase());

/** Lines of text as they are, without blanks at their ends. */
const plain = (text) =>
  text
    .replaceAll("\r", "")
    .replace(/[ \t]+$/gm, "")
    .trim();

/** Packages that the scripts import, and are bundled with; those of the page stay outside, and types are no code. */
function packages() {
  const { devDependencies, peerDependencies } = json(ROOT, "package.json");
  const sources = readdirSync(join(ROOT, "www"), { recursive: true }).filter((path) => path.endsWith(".ts"));
  const imported = new Set();
  for (const path of sources) {
    const text = readFileSync(join(ROOT, "www", path), "utf8");
    for (const [, types, from] of text.matchAll(/^(?:import|export)( type)? [^;]*?from "([^".][^"]*)";$/gm)) {
      const name = from.split("/", from.startsWith("@") ? 2 : 1).join("/");
      if (!types && devDependencies[name] && !peerDependencies[name]) imported.add(name);
    }
  }
  return [...imported].flatMap(withThose);
}

/** A package and those that it needs itself. */
function withThose(name) {
  const folder = join(ROOT, "node_modules", name);
  const { version, license: id, author, dependencies = {} } = json(folder, "package.json");
  const found = texts(folder, id);
  // Who puts no text into a package has said its name and who wrote it.
  const own = found.length > 0 ? found : [`${id}, by ${author?.name ?? author}`];
  return [{ name, version, from: "npm", id, texts: own }, ...Object.keys(dependencies).flatMap(withThose)];
}

function page(parts) {
  const key = ({ name, version, from, id }) => `${name} ${version} ${from} ${id}`;
  const each = [...new Map(parts.map((part) => [key(part), part])).values()];
  each.sort((a, b) => (key(a) < key(b) ? -1 : 1));
  const users = new Map();
  for (const { name, texts } of each)
    for (const text of texts) users.set(text, (users.get(text) ?? new Set()).add(name));
  const rows = each.map(({ name, version, from, id }) => `| ${name} | ${version} | ${from} | ${id} |\n`);
  const sections = [...users].map(
    ([text, names]) => `\n## ${[...names].join(", ")}\n\n\`\`\`\`text\n${text}\n\`\`\`\`\n`,
  );
  return `# What of others is in the package

<!-- Written by tools/third-party.mjs. -->

Sotto has no dependencies at run time: these are inside its wasm files and scripts, each under the licence named; the texts that they
bring follow, of licences to choose from one. A text of Apache-2.0 that is not there is that of LICENSE-APACHE. Rust's standard library is
inside the wasm files as well, under MIT or Apache-2.0.

| Name | Version | From | Licence |
| --- | --- | --- | --- |
${rows.join("")}${sections.join("")}`;
}

await tool(() => {
  const { values } = parseArgs({ options: { check: { type: "boolean", default: false } } });
  const folders = sources();
  const fresh = page([...SHIPPED.flatMap((crate) => crates(crate, folders)), ...packages()]);
  const old = existsSync(FILE) ? readFileSync(FILE, "utf8") : "";
  if (values.check && fresh !== old)
    throw new Stop("THIRD-PARTY.md is not fresh; node tools/third-party.mjs writes it.");
  if (!values.check) writeFileSync(FILE, fresh);
});
