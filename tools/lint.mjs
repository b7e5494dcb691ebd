// What is checked before anything is built or run: `npm run lint`. Every check runs, so that one call tells
// all there is to mend; `npx biome check --write` and `cargo fmt` mend what they can by themselves.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ensureBindings } from "./build.mjs";
import { deadLinks } from "./links.mjs";
import { ROOT, Stop, TARGET, ensureRustLints, ensureWasmTarget, run } from "./setup.mjs";

const node = (script, ...args) =>
  run(process.execPath, [join(ROOT, "node_modules", ...script.split("/")), ...args], { optional: true });

const cargo = (...args) => run("cargo", args, { optional: true });

/** In the profile of the tests, which then find what compilation itself runs (macros, build scripts) compiled. */
const clippy = (...args) => cargo("clippy", "--quiet", "--release", ...args, "--", "--deny", "warnings");

/** What cspell knows besides its dictionaries. */
const WORDS = "tools/words.txt";

const CLIPPY = "clippy";

/** Each says whether all is well; what is not, it has printed. */
const CHECKS = {
  "Rust's format": () => cargo("fmt", "--all", "--check"),
  [CLIPPY]: () => clippy("--workspace", "--all-targets"),
  "clippy for wasm": () =>
    clippy(
      "--package",
      "sotto",
      "--package",
      "sotto-grammar",
      "--package",
      "sotto-repository",
      "--package",
      "sotto-web",
      "--lib",
      "--target",
      "wasm32-unknown-unknown",
    ),
  // Advisories are looked up by hand: they come from a network, and change without a change of ours.
  "licences and sources of crates": () => {
    if (run("cargo", ["deny", "--version"], { quiet: true, optional: true }))
      return cargo("deny", "check", "licenses", "bans", "sources");
    console.error("skipped: cargo-deny is not installed.");
    return true;
  },
  biome: () => node("@biomejs/biome/bin/biome", "check", "--error-on-warnings"),
  "types of www": () => node("typescript/bin/tsc", "--noEmit"),
  "types of www/bundler": () =>
    node("typescript/bin/tsc", "--noEmit", "--emitDeclarationOnly", "false", "-p", "www/bundler"),
  "types of tests/web": () => node("typescript/bin/tsc", "--noEmit", "-p", "tests/web"),
  spelling: () => {
    const cache = ["--cache", "--cache-location", join(TARGET, "cspell")];
    return node("cspell/bin.mjs", "lint", "--no-progress", "--no-summary", "--gitignore", ...cache);
  },
  "order of the project's words": () => {
    const words = readFileSync(join(ROOT, WORDS), "utf8").trimEnd().split("\n");
    return complain(words.filter((word, i) => i > 0 && word <= words[i - 1]).map((word) => `${WORDS}: ${word}`));
  },
  links: () => complain(deadLinks()),
};

function complain(complaints) {
  for (const complaint of complaints) console.error(complaint);
  return complaints.length === 0;
}

/**
 * With this in its environment Cargo has clippy compile the project's own crates, as `cargo clippy` does, but whole: who compiles
 * them anyway need not have all libraries read a second time for their types alone, which takes minutes.
 */
export const WHILE_COMPILING = {
  RUSTC_WORKSPACE_WRAPPER: "clippy-driver",
  CLIPPY_ARGS: ["--deny", "warnings"].map((arg) => `${arg}__CLIPPY_HACKERY__`).join(""),
};

/** `native`: clippy looks at what is compiled for this machine, too. */
export function lint({ native = true } = {}) {
  ensureRustLints();
  ensureWasmTarget();
  ensureBindings();
  const failed = Object.keys(CHECKS).filter((name) => {
    if (name === CLIPPY && !native) return false;
    console.error(`-- ${name}`);
    return !CHECKS[name]();
  });
  if (failed.length > 0) throw new Stop(`these checks failed: ${failed.join(", ")}; their output above says why.`);
}
