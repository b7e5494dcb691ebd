// `npm run new -- kernel FAMILY/NAME` and `npm run new -- architecture NAME`: lays the files that the checklists of
// docs/CONTRIBUTING.md name, out of the templates in tools/new, and says what to fill in.
//
// A kernel is laid as one that copies its rows, with a case and numbers worked out by hand: it builds and passes its
// tests as it is, and becomes another step by step.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, Stop, run, tool } from "./setup.mjs";

const USAGE = "usage: npm run new -- kernel FAMILY/NAME, or npm run new -- architecture NAME";

/** Words joined by `_`: a file's name, and a module's. */
const NAME = /^[a-z][a-z0-9]*(_[a-z0-9]+)*$/;

/** Names that Rust keeps for itself. */
const KEYWORDS = new Set(
  (
    "as async await break const continue crate do dyn else enum extern false final fn for gen if impl in let loop macro " +
    "match mod move mut override priv pub ref return self static struct super trait true try type typeof unsafe use " +
    "virtual where while yield"
  ).split(" "),
);

const SHADERS = "shaders";
const PERMUTATIONS = "shaders/permutations";
const KERNELS = "crate/kernels";
const TESTS = "tests/kernels";
const ARCHITECTURES = "crate/model/arch";

/** What a family's test file imports for the cases of a kernel. */
const IMPORTS = {
  "crate::case": ["Case", "Data", "Runs", "bits", "close", "floats"],
  "crate::host": ["mirror"],
  "crate::random": ["Random", "poison"],
};

/** Files by path from the root, read and changed in memory: all are written, or none. */
class Files {
  constructor(root) {
    this.root = root;
    this.changed = new Map();
  }

  has(path) {
    return this.changed.has(path) || existsSync(join(this.root, path));
  }

  read(path) {
    if (!this.has(path)) throw new Stop(`there is no ${path}, which a new file would be listed in.`);
    return this.changed.get(path) ?? readFileSync(join(this.root, path), "utf8");
  }

  edit(path, change) {
    this.changed.set(path, change(this.read(path), path));
  }

  create(path, text) {
    if (this.has(path)) throw new Stop(`${path} is there already; give another name.`);
    this.changed.set(path, text);
  }

  write() {
    for (const [path, text] of this.changed) {
      mkdirSync(dirname(join(this.root, path)), { recursive: true });
      writeFileSync(join(this.root, path), text);
    }
    return [...this.changed.keys()];
  }
}

function template(name, words) {
  const text = readFileSync(join(ROOT, "tools", "new", name), "utf8");
  return Object.entries(words).reduce((text, [word, value]) => text.replaceAll(word, value), text);
}

function checked(name, what) {
  if (!NAME.test(name)) throw new Stop(`"${name}" is no name of ${what}: small letters, digits and _, a letter first.`);
  if (KEYWORDS.has(name)) throw new Stop(`"${name}" is a word of Rust's own; give another name.`);
  return name;
}

/** Lines with one more, before the first that comes after it in the alphabet, or behind the last. */
function inserted(lines, first, count, line) {
  const before = lines.slice(first, first + count).findIndex((other) => other > line);
  lines.splice(before < 0 ? first + count : first + before, 0, line);
  return lines.join("\n");
}

/** The text of a Rust file with a module declared. */
function withModule(text, line) {
  const lines = text.split("\n");
  const isModule = (line) => /^(pub )?mod \w+;$/.test(line);
  const first = lines.findIndex(isModule);
  if (first >= 0) {
    const count = lines.slice(first).findIndex((line) => !isModule(line));
    return inserted(lines, first, count, line);
  }
  const after = lines.findLastIndex((line) => line.startsWith("//!"));
  lines.splice(after + 1, 0, "", line);
  return lines.join("\n");
}

/** The text with these names imported. */
function withImport(text, path, names) {
  const found = text.match(new RegExp(`^use ${path}::(?:\\{([^}]*)\\}|(\\w+));$`, "m"));
  const there = (found?.[1] ?? found?.[2] ?? "").split(",").map((name) => name.trim());
  const all = [...new Set([...there, ...names])].filter((name) => name !== "").sort();
  const line = `use ${path}::${all.length > 1 ? `{${all.join(", ")}}` : all[0]};`;
  if (found) return text.replace(found[0], line);
  // Into the block of imports that start alike.
  const lines = text.split("\n");
  const isLike = (line) => line.startsWith(`use ${path.split("::")[0]}::`);
  const first = lines.findIndex(isLike);
  const block = lines.slice(first).findIndex((line) => !isLike(line));
  return inserted(lines, first, block, line);
}

/** The text with a kernel of the table imported, before all that is the tests' own. */
function withTable(text, line) {
  const lines = text.split("\n");
  const first = lines.findIndex((line) => line.startsWith("use "));
  const count = lines.slice(first).findIndex((line) => !line.startsWith("use sotto::"));
  return inserted(lines, first, count, count > 0 ? line : `${line}\n`);
}

/** The text with a call at the end of its function `run`. */
function withCall(text, call, path) {
  const head = "pub fn run(rig: &mut impl Runs) {";
  const start = text.indexOf(`${head}\n`);
  if (start < 0) throw new Stop(`${path} has no ${head.slice(4, -2)}: its kernels read weights; take another family.`);
  const close = text.indexOf("\n}\n", start + head.length) + 1;
  return `${text.slice(0, close)}    ${call}\n${text.slice(close)}`;
}

/** The text with a line after another. */
function withLineAfter(text, line, added, path) {
  if (!text.includes(`${line}\n`))
    throw new Stop(`${path} has no line "${line.trim()}", after which one would be added.`);
  return text.replace(`${line}\n`, `${line}\n${added}\n`);
}

/** A line behind those of its family. */
function withPermutation(text, family, line) {
  const lines = text.split("\n");
  const last = lines.findLastIndex((line) => line.startsWith(`${family}/`));
  lines.splice(last < 0 ? lines.length - 1 : last + 1, 0, line);
  return lines.join("\n");
}

/** Lays a folder and a file of tests for a family that is not there yet. */
function family(files, name) {
  const what = `//! Say what this family computes.`;
  files.create(`${KERNELS}/${name}/mod.rs`, `${what} The shaders are in \`${SHADERS}/${name}\`.\n`);
  files.edit(`${KERNELS}/mod.rs`, (text) => withModule(text, `pub mod ${name};`));
  const tests = [`${what}\n`, "use crate::F32;", "use crate::case::Runs;\n", "pub fn run(rig: &mut impl Runs) {\n}\n"];
  files.create(`${TESTS}/${name}.rs`, tests.join("\n"));
  files.edit(`${TESTS}/main.rs`, (text, path) => {
    const declared = withModule(text, `mod ${name};`);
    return withLineAfter(declared, "    norm::run(rig);", `    ${name}::run(rig);`, path);
  });
  const check = `\n#[test]\nfn kernels_of_${name}() {\n    Rig::check(&["${name}"], crate::${name}::run);\n}\n`;
  files.edit(`${TESTS}/simd.rs`, (text) => text + check);
}

/** Lays a kernel that works row by row; `FAMILY/NAME`, or `NAME` in the family `elementwise`. */
function kernel(files, path) {
  const [name, folder = "elementwise", ...rest] = path.split("/").reverse();
  if (rest.length > 0) throw new Stop(USAGE);
  checked(name, "a kernel");
  checked(folder, "a family");
  const known = files.read(PERMUTATIONS).split("\n");
  if (known.some((line) => line.split(/\s/)[0].endsWith(`/${name}`))) {
    throw new Stop(`${PERMUTATIONS} has a kernel ${name} already; give another name.`);
  }
  if (!files.has(`${KERNELS}/${folder}/mod.rs`)) family(files, folder);
  const words = { FAMILY: folder, NAME: name };
  const shader = `${SHADERS}/${folder}/${name}.wgsl`;
  const row = `${KERNELS}/${folder}/${name}.rs`;
  files.create(shader, template("kernel.wgsl", words));
  files.edit(PERMUTATIONS, (text) => withPermutation(text, folder, `${folder}/${name}`));
  files.create(row, template("kernel.rs", words));
  files.edit(`${KERNELS}/${folder}/mod.rs`, (text) => withModule(text, `mod ${name};`));
  const tests = [`${TESTS}/${folder}.rs`, `${TESTS}/${folder}/mod.rs`].find((path) => files.has(path));
  files.edit(tests ?? `${TESTS}/${folder}.rs`, (text, path) => {
    let all = withCall(text, `${name}_cases(rig);`, path);
    all = withImport(all, "crate", ["F32"]);
    for (const [module, names] of Object.entries(IMPORTS)) all = withImport(all, module, names);
    all = withTable(all, `use sotto::kernels::table::${name};`);
    return `${all}${template("cases.rs", words)}`;
  });
  return [
    `${shader}: the formula and its source, shapes, grid; uniforms and buffers with a comment each`,
    `${row}: the same formula, once for f64 (the mirror) and f32 (the CPU backend)`,
    `${tests ?? `${TESTS}/${folder}.rs`}: ${name}_cases, so that every parameter matters, and ${name}_by_hand`,
    `${PERMUTATIONS}: its choices, if it has any, behind its name`,
    `Try it: cargo test --release --test kernels ${name}_by_hand, then cargo test --release --test kernels.`,
  ];
}

/** Lays an architecture as Llama's, but for the pairs that are rotated. */
function architecture(files, given) {
  const name = checked(given.replaceAll("-", "_"), "an architecture");
  const path = `${ARCHITECTURES}/${name}.rs`;
  if (!files.has(`${ARCHITECTURES}/mod.rs`)) throw new Stop(`there is no folder ${ARCHITECTURES} for it.`);
  files.create(path, template("architecture.rs", { ARCH: name, GGUF: given }));
  return [
    `${path}: what its keys and tensors say that others' do not; the build lists the file by itself`,
    "tests/tiny/archs.rs: a row, with what its metadata and tensors have",
    "tests/golden/make_archs.py: it writes llama.cpp's logits of all rows, which tests/native/archs.rs compares",
    "npm run wire: its row in docs/MODELS.md, its models in the README",
  ];
}

const KINDS = { kernel, architecture };

/** Lays the files in `root`; the paths that were written, and what is to be filled in. */
export function lay(kind, name, root = ROOT) {
  if (!Object.hasOwn(KINDS, kind ?? "") || !name) throw new Stop(USAGE);
  const files = new Files(root);
  const next = KINDS[kind](files, name);
  return { written: files.write(), next };
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(async () => {
    const [kind, name, ...rest] = process.argv.slice(2);
    if (rest.length > 0) throw new Stop(USAGE);
    const { written, next } = lay(kind, name);
    // A long name may have made a line too long.
    const rust = written.filter((path) => path.endsWith(".rs"));
    run("rustfmt", ["--edition", "2024", ...rust], { optional: true });
    console.log(`Written: ${written.join(", ")}.\nTo be filled in:`);
    for (const line of next) console.log(`- ${line}`);
  });
}
