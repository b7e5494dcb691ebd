// Builds the package into dist/: `npm run build`, or `npm run build -- --fast` without the slow
// size optimisation. Steps whose input did not change are skipped.
import { createHash } from "node:crypto";
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { MAX_GZIP_BYTES, complaints } from "./first-load.mjs";
import { withoutRelaxed } from "./plain-simd.mjs";
import {
  ROOT,
  Stop,
  TARGET,
  ensurePackages,
  ensureRustSource,
  ensureWasmTarget,
  run,
  runBeside,
  tool,
} from "./setup.mjs";

const SCRIPTS_OF_ALL = ["index.js", "worker.js"];

/** The engine, compiled more than once: a page fetches one of them, by what it computes on. */
const ENGINE = { name: "sotto", folder: "wasm", kind: "gpu", scripts: SCRIPTS_OF_ALL };
const CPU = { name: "sotto_cpu", folder: "wasm-cpu", kind: "cpu", scripts: SCRIPTS_OF_ALL };
const THREADS = {
  name: "sotto_threads",
  /** In a target folder of its own, so that it is built while others are. */
  beside: true,
  folder: "wasm-threads",
  kind: "cpu",
  scripts: SCRIPTS_OF_ALL,
  features: "+atomics,+bulk-memory,+mutable-globals,+simd128,+relaxed-simd",
  /** The memory is made by the page, and each thread has its own stack and thread-local data in it. */
  link: [
    "--shared-memory",
    "--import-memory",
    "--max-memory=4294967296",
    ...["__wasm_init_tls", "__tls_size", "__tls_align", "__tls_base", "__heap_base"].map((name) => `--export=${name}`),
  ],
};

/** Grammars: no part of the first load. A page fetches the module when a request first asks for one. */
const GRAMMAR = {
  name: "sotto_grammar",
  beside: true,
  folder: "wasm-grammar",
  scripts: [],
  crate: "sotto-grammar",
  /** A grammar is compiled as deep as it is. */
  link: ["-zstack-size=4194304"],
  /** Its bindings can begin anew, should that not suffice. */
  resets: true,
};

/** Repositories of safetensors: fetched when a page first loads one. */
const REPOSITORY = {
  name: "sotto_repository",
  beside: true,
  folder: "wasm-repository",
  kind: "cpu",
  scripts: [],
  crate: "sotto-repository",
};

/** No part of the first load. */
const LATER = [GRAMMAR, REPOSITORY];

const WASM = "wasm32-unknown-unknown";
const hash = (...parts) => parts.reduce((sum, part) => sum.update(part), createHash("sha256")).digest("hex");

/** The standard library compiled anew, its sorts and searches for size: 5 % of the first load. */
const SMALL_STD = ["-Zbuild-std=std,panic_abort", "-Zbuild-std-features=optimize_for_size"];

/**
 * A panic ends the module at once, without its message, whose words and places would be 5 % of the first load. A build
 * with `--fast` says them.
 */
const SILENT = ["-Zunstable-options", "-Cpanic=immediate-abort"];

/** An artifact has a part of the crate, of which clippy says what is true of that part alone. */
const NO_CLIPPY = { RUSTC_WORKSPACE_WRAPPER: "" };

/** Rust to wasm, with its bindings in the artifact's folder of www, or in `out`. `std`: Rust's source is there. */
export async function buildWasm(artifact, profile, std) {
  const { name, folder, beside, crate = "sotto-web", kind, features, link = [], resets, out } = artifact;
  // As a library of the commands the crate of grammars is no module.
  const args = ["--package", crate, "--profile", profile, "--target", WASM, "--crate-type", "cdylib"];
  if (kind) args.push("--no-default-features", "--features", kind);
  const linked = ["--", ...link.map((arg) => `-Clink-arg=${arg}`)];
  const target = beside ? join(TARGET, "threads") : TARGET;
  if (std) {
    // Cargo builds the standard library only if told that it is a nightly one. That `atomics` is unstable rustc says once
    // a crate, in a warning that has no name to allow it by. What else there is to warn of, the builds and the lints of
    // the other artifact say: all but a few lines are the same.
    const flags = [`-Ctarget-feature=${features ?? "+simd128"}`, ...(profile === "wasm" ? SILENT : [])];
    const RUSTFLAGS = [...flags, ...(features ? ["-Awarnings"] : [])].join(" ");
    const env = { RUSTC_BOOTSTRAP: "1", RUSTFLAGS, ...NO_CLIPPY };
    await runBeside("cargo", ["rustc", ...args, ...SMALL_STD, "--target-dir", target, ...linked], { env });
  } else {
    await runBeside("cargo", ["rustc", ...args, "--target-dir", target, ...linked], { env: NO_CLIPPY });
  }
  const wasm = join(target, WASM, profile, `${crate.replace("-", "_")}.wasm`);
  const bindings = out ?? join(ROOT, "www", folder);
  const stamp = join(bindings, "stamp");
  const sum = hash(readFileSync(wasm));
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === sum) return;
  rmSync(bindings, { recursive: true, force: true });
  // Bindings are named after the file.
  const named = join(target, WASM, profile, `${name}.wasm`);
  copyFileSync(wasm, named);
  await runBeside("cargo", [
    "run",
    "-q",
    "-p",
    "sotto-bindgen",
    "--",
    named,
    bindings,
    ...(resets ? ["--resets"] : []),
  ]);
  writeFileSync(stamp, sum);
}

/** Similarity of vectors: a module so small that `sotto/search` carries it as text, and has no second file to be found. */
function buildSearch() {
  const crate = ["--package", "sotto-search", "--profile", "wasm", "--target", WASM, "--crate-type", "cdylib"];
  run("cargo", ["rustc", ...crate, "--", "-Clink-arg=--export=__heap_base"]);
  writeSearch(readFileSync(join(TARGET, WASM, "wasm", "sotto_search.wasm")));
}

function writeSearch(wasm) {
  const folder = join(ROOT, "www", "wasm-search");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "sotto_search.js"), `export const SEARCH_WASM = "${wasm.toString("base64")}";\n`);
  writeFileSync(join(folder, "sotto_search.d.ts"), "export declare const SEARCH_WASM: string;\n");
}

/** Bindings that say that the artifact is not built: where it cannot be, and where the types alone are wanted. */
function writeStub({ name, folder }) {
  const bindings = join(ROOT, "www", folder);
  rmSync(bindings, { recursive: true, force: true });
  mkdirSync(bindings, { recursive: true });
  const missing = `() => { throw new Error("${name} is not part of this build of the package"); }`;
  const names = [
    "shared",
    "serve",
    "fail",
    "initSync",
    "Loader",
    "Vocabulary",
    "Constraint",
    "Repository",
    "Requantizer",
    "__wbg_reset_state",
  ];
  writeFileSync(
    join(bindings, `${name}.js`),
    `${names.map((name) => `export const ${name} = ${missing};\n`).join("")}export default async ${missing};\n`,
  );
  const types = names.map((name) => `export const ${name}: (...args: unknown[]) => unknown;\n`).join("");
  writeFileSync(
    join(bindings, `${name}.d.ts`),
    `${types}export default function init(...args: unknown[]): Promise<unknown>;\n`,
  );
}

/** Lets TypeScript read www before the first build. */
export function ensureBindings() {
  for (const artifact of [ENGINE, CPU, THREADS, ...LATER]) {
    if (!existsSync(join(ROOT, "www", artifact.folder, `${artifact.name}.d.ts`))) writeStub(artifact);
  }
  if (!existsSync(join(ROOT, "www", "wasm-search", "sotto_search.d.ts"))) writeSearch(Buffer.alloc(0));
}

/** wasm-opt takes a minute, so its results are kept. */
async function optimise(input, output) {
  // Large functions stay apart: engines take long over one that holds them all. In the order of their names they are beside
  // others like them, which takes 3 % off what is compressed.
  const shape = ["--one-caller-inline-max-function-size=1000", "--reorder-functions-by-name"];
  const flags = ["-Oz", ...shape, "--strip-debug", "--strip-producers"];
  const { version } = JSON.parse(readFileSync(join(ROOT, "node_modules", "binaryen", "package.json"), "utf8"));
  const kept = join(TARGET, "wasm-opt", `${hash(readFileSync(input), version, ...flags)}.wasm`);
  if (!existsSync(kept)) {
    mkdirSync(join(TARGET, "wasm-opt"), { recursive: true });
    await runBeside(process.execPath, [
      join(ROOT, "node_modules", "binaryen", "bin", "wasm-opt"),
      ...flags,
      input,
      "-o",
      `${kept}.part`,
    ]);
    copyFileSync(`${kept}.part`, kept);
    rmSync(`${kept}.part`);
  }
  copyFileSync(kept, output);
}

/** The artifact with threads, without relaxed SIMD; kept, too. */
function plain(input, output) {
  const kept = join(
    TARGET,
    "wasm-opt",
    `${hash(readFileSync(input), readFileSync(join(ROOT, "tools/plain-simd.mjs")))}.wasm`,
  );
  if (!existsSync(kept)) withoutRelaxed(input, kept);
  copyFileSync(kept, output);
}

/** The package's scripts: each is one file beside the wasm, whatever room its source is in. */
const SCRIPTS = {
  index: { room: "api" },
  worker: { room: "worker" },
  bundler: { room: "bundler", entry: "index", platform: "node" },
  catalog: { room: "catalog", entry: "index" },
  "service-worker": { room: "service-worker", entry: "index" },
};

/**
 * The pieces of `www/pieces`, by the names of their subpaths, and how large each may be, compressed. `package.json` exports
 * them. The package itself and its optional peers stay outside of them.
 */
export const PIECES = {
  "ai-sdk": 8000,
  compress: 2000,
  element: 60_000,
  langchain: 4000,
  openai: 4000,
  "prompt-api": 5000,
  react: 3000,
  search: 13_000,
  svelte: 3000,
  vue: 3000,
};

const packageJson = () => JSON.parse(readFileSync(join(ROOT, "package.json"), "utf8"));

/** What a piece imports as its page has it: the frameworks that it is made for, and the package, beside it. */
function outside() {
  const { peerDependencies = {} } = packageJson();
  return ["sotto", ...Object.keys(peerDependencies)].map((name) => new RegExp(`^${name}($|/)`));
}

/** Without a bundler a page has no names, so the package is its file. */
const PATHS = { sotto: "../index.js" };

/** What the fake engine of tests stands in for. */
const REAL = ["../wasm/sotto.js", "../wasm-cpu/sotto_cpu.js", "./threads.js", "./thread.js"];

/** The element's texts as lists: their names are in one language alone. */
const TEXTS = {
  name: "texts",
  transform: (code, id) =>
    /[\\/]element[\\/]texts[\\/]\w+\.json$/.test(id)
      ? {
          code: `import { named } from "./named.js"; export default named(${JSON.stringify(Object.values(JSON.parse(code)))});`,
          moduleType: "js",
        }
      : null,
};

/** The element's sheet without what is for readers alone. */
const SHEETS = {
  name: "sheets",
  transform: (code, id) =>
    id.endsWith("view/styles.ts")
      ? code.replace(/CSS_TEXT = `[^`]*`/, (css) =>
          css
            .replace(/\/\*.*?\*\//gs, "")
            .replace(/\s*\n\s*/g, "")
            .replace(/;? ?\} ?/g, "}")
            .replace(/ ?\{ ?/g, "{")
            .replace(/([:;,]) /g, "$1")
            .replaceAll(" > ", ">")
            .replace(/\b0\./g, "."),
        )
      : null,
};

/** The scripts; `engine` replaces the wasm bindings (tests give a fake). */
export async function bundle(out, { engine } = {}) {
  const { rolldown } = await import("rolldown");
  const external = outside();
  const fake = engine && {
    name: "engine",
    resolveId: (id) => (REAL.includes(id) ? engine : null),
  };
  const pieces = Object.keys(PIECES).map((name) => [
    `pieces/${name}`,
    { room: `pieces/${name}`, entry: "index", external },
  ]);
  for (const [name, { room, entry = name, platform = "browser", external = [] }] of [
    ...Object.entries(SCRIPTS),
    ...pieces,
  ]) {
    const input = join(ROOT, "www", room, `${entry}.ts`);
    // A directive such as React's "use client" is kept, being an entry's.
    const checks = { moduleLevelDirective: false };
    const transform = { define: { SOTTO_VERSION: JSON.stringify(packageJson().version) } };
    const bundle = await rolldown({ input, platform, external, checks, transform, plugins: [TEXTS, SHEETS, fake] });
    await bundle.write({ file: join(out, `${name}.js`), format: "esm", minify: true, paths: PATHS });
    await bundle.close();
  }
}

/** Prints what each file takes; the bytes of the first load by each engine. */
function sizes(dist, artifacts) {
  const gzip = (name) => gzipSync(readFileSync(join(dist, name)), { level: 9 }).length;
  const compressed = {};
  for (const name of new Set(artifacts.flatMap(({ name, scripts }) => [...scripts, `${name}_bg.wasm`]))) {
    compressed[name] = gzip(name);
    console.error(`dist/${name.padEnd(22)} ${kB(readFileSync(join(dist, name)).length)}  gzip ${kB(compressed[name])}`);
  }
  const loaded = artifacts.filter((artifact) => !LATER.includes(artifact));
  return loaded.map(({ name, scripts }) => {
    const total = [...scripts, `${name}_bg.wasm`].reduce((sum, name) => sum + compressed[name], 0);
    console.error(`first load with ${name.padEnd(22)} gzip ${kB(total)} of at most ${kB(MAX_GZIP_BYTES)}`);
    return total;
  });
}

/** Prints what each piece takes, compressed. Throws where one is too large. */
export function weigh(dist) {
  for (const [name, limit] of Object.entries(PIECES)) {
    const size = gzipSync(readFileSync(join(dist, "pieces", `${name}.js`)), { level: 9 }).length;
    console.error(`dist/pieces/${name.padEnd(15)} gzip ${size} of at most ${limit} bytes`);
    if (size > limit) throw new Stop(`sotto/${name} is ${size} bytes compressed, over its limit of ${limit}.`);
  }
}

const kB = (bytes) => `${(bytes / 1000).toFixed(0).padStart(6)} kB`;

export async function build({ fast = false } = {}) {
  ensurePackages();
  ensureWasmTarget();
  const dist = join(ROOT, "dist");
  const threads = ensureRustSource();
  if (!threads)
    console.error(
      "The artifact with threads is left out, and the others are larger: Rust's source is not there (rustup component add rust-src).",
    );
  const artifacts = [ENGINE, CPU, ...(threads ? [THREADS] : []), ...LATER];
  const profile = fast ? "release" : "wasm";
  // All of it is written anew: what an older build left would be packed too.
  rmSync(dist, { recursive: true, force: true });
  mkdirSync(dist, { recursive: true });
  // Memory that threads share wants a standard library of its own; without them it is only the smaller one.
  const make = (artifact) => buildWasm(artifact, profile, threads && (!fast || artifact === THREADS));
  const finish = ({ name, folder }) => {
    const [wasm, output] = [join(ROOT, "www", folder), dist].map((folder) => join(folder, `${name}_bg.wasm`));
    return fast ? copyFileSync(wasm, output) : optimise(wasm, output);
  };
  // Linking and wasm-opt are one core's work each, so they go on beside each other. Those that share a target folder take turns.
  const turns = { true: Promise.resolve(), false: Promise.resolve() };
  const made = artifacts.map((artifact) => {
    const key = !!artifact.beside;
    turns[key] = turns[key].then(() => make(artifact));
    return turns[key].then(() => finish(artifact));
  });
  if (!threads) writeStub(THREADS);
  await Promise.all(made);
  buildSearch();
  if (threads) plain(join(dist, "sotto_threads_bg.wasm"), join(dist, "sotto_plain_bg.wasm"));
  await bundle(dist);
  for (const name of ["catalog.json", "catalog.schema.json"])
    copyFileSync(join(ROOT, "www", "catalog", name), join(dist, name));
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  for (const types of ["tsconfig.build.json", "www/bundler"]) run(process.execPath, [tsc, "-p", types]);
  const totals = sizes(dist, artifacts);
  weigh(dist);
  const wrong = fast || !threads ? [] : complaints(totals);
  if (wrong.length > 0) throw new Stop(wrong.join("\n"));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(() => build({ fast: process.argv.includes("--fast") }));
}
