/** What `npm run new` lays, in a copy of the folders that it writes to. */
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeEach, expect, test } from "vitest";
import { lay } from "../../tools/new.mjs";
import { ROOT } from "../../tools/setup.mjs";

const copies: string[] = [];
let root: string;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "sotto-new-"));
  copies.push(root);
  for (const folder of ["shaders", "crate/kernels", "tests/kernels", "rustfmt.toml"]) {
    cpSync(join(ROOT, folder), join(root, folder), { recursive: true });
  }
  const architectures = join(root, "crate/model/arch");
  mkdirSync(architectures, { recursive: true });
  for (const name of ["mod", "llama"]) writeFileSync(join(architectures, `${name}.rs`), "");
});
afterAll(() => {
  for (const copy of copies) rmSync(copy, { recursive: true });
});

const read = (path: string) => readFileSync(join(root, path), "utf8");
const lines = (path: string) => read(path).split("\n");
/** The lines that a file has beside those of the project's own. */
const added = (path: string) => {
  const before = new Set(readFileSync(join(ROOT, path), "utf8").split("\n"));
  return lines(path).filter((line) => !before.has(line));
};

test("a kernel of a family that is there: shader, row function, case, and a line in each list", () => {
  const { written, next } = lay("kernel", "norm/scaled_copy", root);
  expect(written.sort()).toEqual([
    "crate/kernels/norm/mod.rs",
    "crate/kernels/norm/scaled_copy.rs",
    "shaders/norm/scaled_copy.wgsl",
    "shaders/permutations",
    "tests/kernels/norm.rs",
  ]);
  expect(next.length).toBeGreaterThan(3);
  expect(added("shaders/permutations")).toEqual(["norm/scaled_copy"]);
  const permutations = lines("shaders/permutations");
  expect(permutations[permutations.indexOf("norm/scaled_copy") - 1]).toMatch(/^norm\//);
  expect(added("crate/kernels/norm/mod.rs")).toEqual(["mod scaled_copy;"]);
  expect(read("shaders/norm/scaled_copy.wgsl")).toContain("crate/kernels/norm/scaled_copy.rs");
  expect(read("crate/kernels/norm/scaled_copy.rs")).toContain("use crate::kernels::table::scaled_copy::Variant;");
  const tests = read("tests/kernels/norm.rs");
  expect(tests).toContain("use sotto::kernels::table::scaled_copy;\n");
  expect(tests).toMatch(/pub fn run\(rig: &mut impl Runs\) \{\n(?: .*\n)+ {4}scaled_copy_cases\(rig\);\n\}\n/);
  expect(tests).toContain("fn scaled_copy_by_hand()");
  for (const path of written) expect(read(path)).not.toMatch(/\bNAME|FAMILY/);
});

test("a family that is not there yet: a folder, a file of tests, and who lists them", () => {
  lay("kernel", "mix/blend", root);
  expect(added("crate/kernels/mod.rs")).toEqual(["pub mod mix;"]);
  expect(lines("crate/kernels/mix/mod.rs")).toContain("mod blend;");
  expect(added("tests/kernels/main.rs")).toEqual(["mod mix;", "    mix::run(rig);"]);
  expect(read("tests/kernels/simd.rs")).toContain('Rig::check(&["mix"], crate::mix::run);');
  expect(read("tests/kernels/mix.rs")).toMatch(/pub fn run\(rig: &mut impl Runs\) \{\n {4}blend_cases\(rig\);\n\}\n/);
  expect(lines("shaders/permutations")).toContain("mix/blend");
});

test("a name alone goes to elementwise; an architecture is one file, whatever marks its name has", () => {
  lay("kernel", "square", root);
  expect(existsSync(join(root, "shaders/elementwise/square.wgsl"))).toBe(true);
  expect(lay("architecture", "falcon-h1", root).written).toEqual(["crate/model/arch/falcon_h1.rs"]);
  expect(read("crate/model/arch/falcon_h1.rs")).toContain('NAMES: &[&str] = &["falcon-h1"];');
});

test("what cannot be is refused in a sentence, and nothing is written", () => {
  const before = read("shaders/permutations");
  expect(() => lay("kernel", "norm/rmsnorm", root)).toThrow("has a kernel rmsnorm already");
  expect(() => lay("kernel", "norm/Layer", root)).toThrow('"Layer" is no name of a kernel');
  expect(() => lay("kernel", "norm/move", root)).toThrow("a word of Rust's own");
  expect(() => lay("kernel", "product/mine", root)).toThrow("take another family");
  expect(() => lay("architecture", "llama", root)).toThrow("crate/model/arch/llama.rs is there already");
  expect(() => lay("tokenizer", "mine", root)).toThrow("usage:");
  expect(() => lay("kernel", "", root)).toThrow("usage:");
  expect(read("shaders/permutations")).toBe(before);
  expect(existsSync(join(root, "shaders/norm/Layer.wgsl"))).toBe(false);
});
