// What the other tools need of the machine, installed where it is missing.
import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, existsSync, readFileSync, readdirSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
export const TARGET = process.env.CARGO_TARGET_DIR ?? join(ROOT, "target");

/** A failure that a person can do something about: printed as one line. */
export class Stop extends Error {}

/** Stops on a Node older than package.json asks for, which would fail somewhere inside a package. */
function requireNode() {
  const oldest = packageJson().engines.node.replace(">=", "");
  const older = process.versions.node.localeCompare(oldest, "en", { numeric: true }) < 0;
  if (older) throw new Stop(`Node ${process.versions.node} is too old; install ${oldest} or a later one.`);
}

/** The project's own, or that of an installed package. */
function packageJson(...folder) {
  return JSON.parse(readFileSync(join(ROOT, ...folder, "package.json"), "utf8"));
}

/** Runs `main`; a `Stop` becomes one line on stderr and exit code 1. */
export async function tool(main) {
  try {
    requireNode();
    await main();
  } catch (error) {
    // So does a flag that is not known.
    if (!(error instanceof Stop || error.code?.startsWith("ERR_PARSE_ARGS"))) throw error;
    fail(error);
  }
}

/** Ends the program with what went wrong, as one line. */
export function fail(error) {
  console.error(`error: ${error.message.split(". To specify ")[0]}`);
  process.exit(1);
}

/** How a command is started: in the repository; output goes to stderr, so that stdout stays the tool's own. */
const started = ({ env, quiet = false, shell = false }) => ({
  cwd: ROOT,
  shell,
  stdio: ["ignore", quiet ? "ignore" : 2, quiet ? "ignore" : 2],
  env: { ...process.env, ...env },
});

/** What to say of a command that ended otherwise than well. */
function failure(command, args, error) {
  if (error?.code === "ENOENT") return new Stop(`${command} is not installed; install it and try again.`);
  return new Stop(`"${command} ${args.join(" ")}" failed; its output above says why.`);
}

/** Runs a command and waits for its end; says whether it ended well, where it may fail. */
export function run(command, args, { optional = false, ...options } = {}) {
  const { status, error } = spawnSync(command, args, started(options));
  if (status === 0) return true;
  if (optional) return false;
  throw failure(command, args, error);
}

/** As `run`, while other things go on. */
export function runBeside(command, args, options = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, started(options));
    child.on("error", (error) => reject(failure(command, args, error)));
    child.on("close", (status) => (status === 0 ? resolve() : reject(failure(command, args))));
  });
}

/** Path of the first of these commands that is there. */
export function onPath(...names) {
  for (const name of names) {
    for (const folder of (process.env.PATH ?? "").split(delimiter)) {
      try {
        accessSync(join(folder, name), constants.X_OK);
        return join(folder, name);
      } catch {}
    }
  }
}

/** The packages of package-lock.json. Everything imported from node_modules comes after this. */
export function ensurePackages() {
  const isThere = ([name, wanted]) => {
    const folder = ["node_modules", ...name.split("/")];
    // Under another name it is `npm:NAME@VERSION`.
    const version = wanted.replace(/^npm:.*@/, "");
    return existsSync(join(ROOT, ...folder, "package.json")) && packageJson(...folder).version === version;
  };
  if (Object.entries(packageJson().devDependencies).every(isThere)) return;
  // On Windows npm is a script for the shell.
  const shell = process.platform === "win32";
  run("npm", ["ci", "--no-audit", "--no-fund"], { shell });
}

/** The packages of a folder's own package-lock.json: of a tool that the project itself does without. */
export function ensureOwnPackages(folder) {
  const { dependencies } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const isThere = ([name, version]) => {
    const path = join(folder, "node_modules", name, "package.json");
    return existsSync(path) && JSON.parse(readFileSync(path, "utf8")).version === version;
  };
  if (Object.entries(dependencies).every(isThere)) return;
  const shell = process.platform === "win32";
  run("npm", ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund"], { shell });
}

export const hasCargo = () => onPath("cargo", "cargo.exe") !== undefined;

export function ensureWasmTarget() {
  if (!hasCargo()) throw new Stop("cargo is not installed; install Rust with rustup and try again.");
  if (!onPath("rustup", "rustup.exe")) return; // A distribution's Rust: cargo says what is missing.
  const { stdout } = spawnSync("rustup", ["target", "list", "--installed"], { cwd: ROOT, encoding: "utf8" });
  if (!stdout?.includes("wasm32-unknown-unknown")) run("rustup", ["target", "add", "wasm32-unknown-unknown"]);
}

/** The formatter and the linter, which rustup's smallest profile leaves out. */
export function ensureRustLints() {
  for (const [command, component] of [
    ["fmt", "rustfmt"],
    ["clippy", "clippy"],
  ]) {
    if (run("cargo", [command, "--version"], { quiet: true, optional: true })) continue;
    if (!onPath("rustup", "rustup.exe")) throw new Stop(`cargo ${command} is not installed; install it and try again.`);
    run("rustup", ["component", "add", component]);
  }
}

/** Whether the standard library's source is there, which the artifact with threads is built from. */
export function ensureRustSource() {
  const { stdout } = spawnSync("rustc", ["--print", "sysroot"], { cwd: ROOT, encoding: "utf8" });
  const there = () => existsSync(join(stdout.trim(), "lib", "rustlib", "src", "rust", "library", "Cargo.lock"));
  if (!stdout) return false;
  return (
    there() ||
    (!!onPath("rustup", "rustup.exe") && run("rustup", ["component", "add", "rust-src"], { optional: true }) && there())
  );
}

/** Installs Debian packages if this is such a machine and we may. */
export function aptInstall(...packages) {
  if (!onPath("apt-get") || process.getuid?.() !== 0) return false;
  const env = { DEBIAN_FRONTEND: "noninteractive" };
  run("apt-get", ["update", "-qq"], { optional: true, env });
  return run("apt-get", ["install", "-y", "-qq", "--no-install-recommends", ...packages], { optional: true, env });
}

const MAC_CHROME = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome";

/** Path of a Chromium or Chrome; installed by apt-get on a Debian machine without one. */
export function ensureChromium() {
  const find = () =>
    process.env.CHROMIUM ??
    onPath("chromium", "chromium-browser", "google-chrome", "google-chrome-stable") ??
    (existsSync(MAC_CHROME) ? MAC_CHROME : undefined);
  const path = find() ?? (aptInstall("chromium") ? find() : undefined);
  if (!path) throw new Stop("no Chromium was found; install Chromium or Chrome, or set CHROMIUM to its path.");
  return path;
}

/** The native tests run on any Vulkan adapter; Mesa's software one where there is none. */
export function ensureVulkan() {
  if (process.platform !== "linux") return;
  const folders = ["/usr/share/vulkan/icd.d", "/etc/vulkan/icd.d"];
  // The loader's package makes the folders, empty.
  const driver = folders.some(
    (folder) => existsSync(folder) && readdirSync(folder).some((name) => name.endsWith(".json")),
  );
  const found = process.env.VK_DRIVER_FILES || driver || aptInstall("mesa-vulkan-drivers", "libvulkan1");
  if (!found) throw new Stop("no Vulkan driver was found; install one (Debian: mesa-vulkan-drivers).");
}

/** Arguments of a headless Chromium with WebGPU; `swiftshader` for its software adapter. */
export function chromiumArgs(adapter) {
  const args = [
    "--no-sandbox",
    "--enable-unsafe-webgpu",
    "--enable-features=Vulkan",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
  ];
  return adapter === "swiftshader" ? [...args, "--use-webgpu-adapter=swiftshader"] : args;
}
