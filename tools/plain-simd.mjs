// The artifact with threads for browsers without relaxed SIMD (Safari before 27.3). It is not compiled again: in its text each
// relaxed instruction gets the plain one that gives the same numbers. Bindings, imports and exports stay as they are.
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, run } from "./setup.mjs";

/** All that the artifact is allowed to use: the assembler refuses what is left of relaxed SIMD. */
const FEATURES = [
  "threads",
  "mutable-globals",
  "nontrapping-float-to-int",
  "simd",
  "bulk-memory",
  "bulk-memory-opt",
  "sign-ext",
  "reference-types",
  "multivalue",
  "call-indirect-overlong",
].map((feature) => `--enable-${feature}`);

const PLAIN = [
  [/\(f32x4\.relaxed_(max|min)/g, "(f32x4.$1"],
  [/\(i8x16\.relaxed_swizzle/g, "(i8x16.swizzle"],
  [/\(i16x8\.relaxed_dot_i8x16_i7x16_s/g, "(call $plain_dot"],
];

/** Sums of two products of neighbours, which plain SIMD has no instruction for. */
const DOT = ` (func $plain_dot (param $a v128) (param $b v128) (result v128)
  (local $low v128) (local $high v128)
  (local.set $low (i16x8.extmul_low_i8x16_s (local.get $a) (local.get $b)))
  (local.set $high (i16x8.extmul_high_i8x16_s (local.get $a) (local.get $b)))
  (i16x8.add
   (i8x16.shuffle 0 1 4 5 8 9 12 13 16 17 20 21 24 25 28 29 (local.get $low) (local.get $high))
   (i8x16.shuffle 2 3 6 7 10 11 14 15 18 19 22 23 26 27 30 31 (local.get $low) (local.get $high))))
`;

/** Writes `output` from the artifact `input`; takes 20 s. */
export function withoutRelaxed(input, output) {
  const tool = (name, ...args) => run(process.execPath, [join(ROOT, "node_modules", "binaryen", "bin", name), ...args]);
  mkdirSync(dirname(output), { recursive: true });
  const text = `${output}.wat`;
  tool("wasm-dis", "--all-features", input, "-o", text);
  let wat = readFileSync(text, "utf8");
  for (const [relaxed, plain] of PLAIN) wat = wat.replace(relaxed, plain);
  const end = wat.lastIndexOf(")");
  writeFileSync(text, wat.slice(0, end) + DOT + wat.slice(end));
  tool("wasm-as", ...FEATURES, text, "-o", `${output}.part`);
  rmSync(text);
  renameSync(`${output}.part`, output);
}
