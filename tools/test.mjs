// `npm test`: every test there is, from the crate's to the browser's, after installing what this
// machine lacks. `npm test -- unit browser` runs only the steps named.
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { TESTED, fetchModel } from "./fetch-models.mjs";
import { fetchTemplates } from "./fetch-templates.mjs";
import {
  ROOT,
  Stop,
  ensureChromium,
  ensurePackages,
  ensureVulkan,
  ensureWasmTarget,
  run,
  runBeside,
  tool,
} from "./setup.mjs";

const node = (script, ...args) => run(process.execPath, [join(ROOT, "node_modules", ...script.split("/")), ...args]);

/** Mesa's software driver, which has every feature that a kernel asks for. */
const LAVAPIPE = `/usr/share/vulkan/icd.d/lvp_icd.${{ x64: "x86_64", arm64: "aarch64" }[process.arch]}.json`;

/** Where distributions put the driver that Chromium ships. */
const DRIVERS = ["/usr/lib/chromium/vk_swiftshader_icd.json", "/opt/google/chrome/vk_swiftshader_icd.json"];

/** The commands natively. */
const BINARY = join(ROOT, "target", "release", process.platform === "win32" ? "sotto.exe" : "sotto");

const cargoTest = (args, env, start = run) => start("cargo", ["test", "--release", ...args], { env });

const STEPS = {
  /** Formats, lints, types, spelling and links, of all languages. */
  lint: async (whole) => {
    const { WHILE_COMPILING, lint } = await import("./lint.mjs");
    lint({ native: !whole });
    if (whole) Object.assign(process.env, WHILE_COMPILING);
  },
  /** The real models and chat templates that some tests read. */
  models: async () => {
    for (const name of TESTED) await fetchModel(name);
    try {
      fetchTemplates();
    } catch (error) {
      console.error(`the tests of real chat templates will be skipped: ${error.message}`);
    }
  },
  /**
   * The crates on Mesa's software adapter, or on what VK_DRIVER_FILES names or is there; its kernel cases are kept for the
   * browser. Grammars also on the official tests of JSON Schema, where they can be fetched.
   */
  rust: async (whole) => {
    ensureVulkan();
    const { fetchSchemaTests } = await import("./fetch-schema-tests.mjs");
    try {
      fetchSchemaTests();
    } catch (error) {
      console.error(`skipped: the tests of JSON Schema (${error.message}).`);
    }
    const driver = process.env.VK_DRIVER_FILES ?? (existsSync(LAVAPIPE) ? LAVAPIPE : undefined);
    const env = {
      SOTTO_KERNEL_CASES: join(ROOT, "target", "kernel-cases"),
      ...(driver && { VK_DRIVER_FILES: driver }),
    };
    const { QUICK_COMPILE } = await import("./soft-gpu/setup.mjs");
    const ALL = ["--lib", "--bins", "--test", "native", "--test", "grammar"];
    cargoTest([...ALL, "--test", "kernels", ...(whole ? ["--benches"] : []), "--no-run"], env);
    // Kernels run once each, so they are compiled quickly; whole models run long enough to want the other.
    cargoTest(["--test", "kernels"], { ...env, ...QUICK_COMPILE });
    cargoTest(ALL, env);
    cargoTest(["--doc"], env);
    // Of a build for tests: another would take minutes, since some of its libraries have other features.
    process.env.SOTTO_BINARY = BINARY;
  },
  /** Real chat templates render as Hugging Face renders them. */
  templates: () => {
    if (!process.env.SOTTO_BINARY) run("cargo", ["build", "--release", "--bin", "sotto"]);
    const script = join(ROOT, "tests", "golden", "templates.py");
    const { status, error } = spawnSync("python3", [script, BINARY], { stdio: "inherit" });
    if (error || status === 2) return console.error("skipped: the templates or jinja2 could not be fetched.");
    if (status !== 0) throw new Stop("chat templates render otherwise than by Hugging Face; `--list` says where.");
  },
  /** What is generated from the Rust code (types, checks of options, docs/ERRORS.md) is fresh. */
  wire: () => run(process.execPath, [join(ROOT, "tools", "wire.mjs"), "--check"]),
  /** The kernels once more on Chromium's software adapter: 4 lanes, no f16. */
  swiftshader: async () => {
    ensureChromium();
    const driver = DRIVERS.find((path) => existsSync(path));
    if (!driver) return console.error(`skipped: this Chromium brings no Vulkan driver at ${DRIVERS.join(" or ")}.`);
    const env = { VK_DRIVER_FILES: driver };
    await cargoTest(["--test", "kernels"], env, runBeside);
    await cargoTest(["--test", "native", "quant_gpu"], env, runBeside);
  },
  build: async () => {
    ensureWasmTarget();
    const { build } = await import("./build.mjs");
    await build();
  },
  unit: () => node("vitest/vitest.mjs", "run"),
  browser: () => {
    ensureChromium();
    if (!existsSync(join(ROOT, "dist", "sotto_bg.wasm")))
      throw new Stop("the package is not built; run `npm run build` first.");
    // Cargo builds one thing at a time: a test that waits for another's build would stop the server that it is.
    run("cargo", ["build", "--release", "-p", "tiny-models"]);
    node("@playwright/test/cli.js", "test");
  },
  /** What needs no WebGPU once more, where Playwright's Firefox is there. */
  firefox: async () => {
    const { firefox } = await import("@playwright/test");
    if (!existsSync(firefox.executablePath()))
      return console.error("skipped: Playwright's Firefox is not there; `npx playwright install firefox` brings it.");
    node("@playwright/test/cli.js", "test", "--config", "playwright.firefox.config.mjs");
  },
};

/** Steps go on in turn, those on one line beside each other: neither of them keeps two cores busy. */
const TURNS = [
  ["lint"],
  ["models"],
  ["rust"],
  ["templates"],
  ["wire"],
  ["swiftshader", "build"],
  ["unit"],
  ["browser"],
  ["firefox"],
];

/** Does a step and says how long it took. */
async function timed(name, whole) {
  console.error(`\n== ${name}`);
  const begun = performance.now();
  await STEPS[name](whole);
  return `${name} ${Math.round((performance.now() - begun) / 1000)} s`;
}

// Vulkan's loader complains of each start without it.
process.env.XDG_RUNTIME_DIR ??= tmpdir();

await tool(async () => {
  const named = process.argv.slice(2);
  const unknown = named.find((name) => !STEPS[name]);
  if (unknown) throw new Stop(`there is no step "${unknown}"; the steps are ${Object.keys(STEPS).join(", ")}.`);
  ensurePackages();
  const whole = named.length === 0;
  const took = [];
  for (const turn of TURNS) {
    const wanted = turn.filter((name) => whole || named.includes(name));
    took.push(...(await Promise.all(wanted.map((name) => timed(name, whole)))));
  }
  console.error(`\nAll tests passed: ${took.join(", ")}.`);
});
