// Builds the package into dist/: `npm run build`, or `npm run build -- --fast` without the slow
// size optimisation. Steps whose input did not change are skipped.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { ROOT, Stop, TARGET, ensurePackages, ensureWasmTarget, run, tool } from "./setup.mjs";

/** The first load of a page: js and wasm, compressed. */
const MAX_GZIP_BYTES = 1_500_000;
const PACKAGE = ["index.js", "worker.js", "sotto_bg.wasm"];

const bindings = join(ROOT, "www", "wasm");
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest("hex");

/** Rust to wasm, with its bindings in www/wasm. */
function buildWasm(fast) {
  ensureWasmTarget();
  const profile = fast ? "release" : "wasm";
  run("cargo", ["build", "--lib", "--profile", profile, "--target", "wasm32-unknown-unknown"]);
  const wasm = join(TARGET, "wasm32-unknown-unknown", profile, "sotto.wasm");
  const stamp = join(bindings, "stamp");
  const sum = hash(readFileSync(wasm));
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === sum) return;
  rmSync(bindings, { recursive: true, force: true });
  run("cargo", ["run", "-q", "-p", "sotto-bindgen", "--", wasm, bindings]);
  writeFileSync(stamp, sum);
}

/** wasm-opt takes a minute, so its results are kept. */
function optimise(input, output) {
  const flags = ["-Oz", "--strip-debug", "--strip-producers"];
  const { version } = JSON.parse(readFileSync(join(ROOT, "node_modules", "binaryen", "package.json"), "utf8"));
  const kept = join(TARGET, "wasm-opt", `${hash(readFileSync(input), version, ...flags)}.wasm`);
  if (!existsSync(kept)) {
    mkdirSync(join(TARGET, "wasm-opt"), { recursive: true });
    run(process.execPath, [join(ROOT, "node_modules", "binaryen", "bin", "wasm-opt"), ...flags, input, "-o", `${kept}.part`]);
    copyFileSync(`${kept}.part`, kept);
    rmSync(`${kept}.part`);
  }
  copyFileSync(kept, output);
}

/** The scripts; `engine` replaces the wasm bindings (tests give a fake). */
export async function bundle(out, { engine } = {}) {
  const { rolldown } = await import("rolldown");
  const fake = engine && {
    name: "engine",
    resolveId: (id) => (id === "./wasm/sotto.js" ? engine : null),
  };
  for (const entry of ["index", "worker"]) {
    const bundle = await rolldown({ input: join(ROOT, "www", `${entry}.ts`), platform: "browser", plugins: fake ? [fake] : [] });
    await bundle.write({ file: join(out, `${entry}.js`), format: "esm", minify: true });
    await bundle.close();
  }
}

function sizes(dist) {
  const rows = PACKAGE.map((name) => {
    const bytes = readFileSync(join(dist, name));
    return { name, bytes: bytes.length, gzip: gzipSync(bytes, { level: 9 }).length };
  });
  const total = rows.reduce((sum, { gzip }) => sum + gzip, 0);
  for (const { name, bytes, gzip } of rows) console.error(`dist/${name.padEnd(14)} ${kB(bytes)}  gzip ${kB(gzip)}`);
  console.error(`first load                     gzip ${kB(total)} of at most ${kB(MAX_GZIP_BYTES)}`);
  return total;
}

const kB = (bytes) => `${(bytes / 1000).toFixed(0).padStart(6)} kB`;

export async function build({ fast = false } = {}) {
  ensurePackages();
  const dist = join(ROOT, "dist");
  buildWasm(fast);
  mkdirSync(dist, { recursive: true });
  const wasm = join(bindings, "sotto_bg.wasm");
  if (fast) copyFileSync(wasm, join(dist, "sotto_bg.wasm"));
  else optimise(wasm, join(dist, "sotto_bg.wasm"));
  await bundle(dist);
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  run(process.execPath, [tsc, "-p", "tsconfig.build.json"]);
  const total = sizes(dist);
  if (!fast && total > MAX_GZIP_BYTES) throw new Stop(`the package is ${total} bytes compressed, over the limit of ${MAX_GZIP_BYTES}.`);
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(() => build({ fast: process.argv.includes("--fast") }));
}
