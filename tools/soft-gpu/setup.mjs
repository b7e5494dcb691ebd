// A Chromium whose software WebGPU adapter is Mesa's lavapipe: `shader-f16`, subgroups of 8, and many times
// SwiftShader's speed. `node tools/soft-gpu/setup.mjs` prints its path, or says why this machine has none.
//
// Mesa comes from Debian's backports, since Chromium refuses the one of Debian 12. It is fetched once, by apt with lists
// of its own, and unpacked beside this file; nothing is installed. The browser is Debian's, in a folder of links: only
// the driver is another (shim.c).
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  linkSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { ROOT, Stop, chromiumArgs, ensureChromium, ensurePackages, tool } from "../setup.mjs";

const HERE = join(ROOT, "tools", "soft-gpu");
const BUILT = join(HERE, ".built");
const SHIM = join(HERE, "shim.c");

/** Debian's Chromium, and the files of it that are not links in ours. */
const CHROMIUM = "/usr/lib/chromium";
const DRIVER = "libvk_swiftshader.so";
const DRIVER_LIST = "vk_swiftshader_icd.json";

const PACKAGE = "mesa-vulkan-drivers";
const LIBRARIES = join("usr", "lib", { x64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[process.arch] ?? "none");

/** What the browser's tests run with: kernels that compile sooner and run slower (shim.c; LLVM's passes left out). */
export const QUICK_COMPILE = { SOTTO_KEEP_LOOPS: "1", GALLIVM_PERF: "nopt" };

/**
 * `{ executablePath, args, env, label }`, or `{ reason }`: a sentence that says why this machine has no such browser. The
 * first call on a machine takes half a minute.
 */
export async function softGpu() {
  try {
    if (process.env.CHROMIUM) throw new Stop("CHROMIUM names a browser, which keeps its own adapter.");
    const mesa = ensureMesa();
    const executablePath = await ensureBrowser(mesa);
    // Kernels that were compiled once are kept from run to run.
    const env = { MESA_SHADER_CACHE_DIR: join(BUILT, "cache"), ...process.env };
    return { executablePath, args: ARGS, env, label: `lavapipe of Mesa ${mesa.version}` };
  } catch (error) {
    if (!(error instanceof Stop)) throw error;
    return { reason: error.message };
  }
}

/** With its own name for pages to see: without the flag it is called SwiftShader, after its ids. */
const ARGS = [...chromiumArgs("swiftshader"), "--enable-webgpu-developer-features"];

/** What `command` prints; a Stop where it fails, with the last line of its complaint. */
function output(command, ...args) {
  const { stdout, stderr, status, error } = spawnSync(command, args, { encoding: "utf8" });
  if (status === 0) return stdout;
  const said = (error?.message ?? stderr).trim().split("\n").at(-1);
  throw new Stop(`${command} failed: ${said || `exit code ${status}`}.`);
}

/** Mesa's version and the folder of its libraries. */
function ensureMesa() {
  const folder = join(BUILT, "mesa");
  const facts = join(folder, "mesa.json");
  if (!existsSync(facts)) {
    const part = `${folder}.part`;
    rmSync(part, { recursive: true, force: true });
    mkdirSync(part, { recursive: true });
    writeFileSync(join(part, "mesa.json"), JSON.stringify(fetchMesa(part)));
    rmSync(folder, { recursive: true, force: true });
    renameSync(part, folder);
  }
  const { version, own } = JSON.parse(readFileSync(facts, "utf8"));
  return { version, libraries: join(own ? join(folder, "root") : "/", LIBRARIES) };
}

/** Unpacks Mesa and what this machine lacks of the libraries that it needs below `folder`. */
function fetchMesa(folder) {
  const release = existsSync("/etc/os-release") ? readFileSync("/etc/os-release", "utf8") : "";
  const suite = /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1];
  if (!/^ID=debian$/m.test(release) || !suite) throw new Stop("this is not a Debian machine.");
  console.error("Fetching Mesa from Debian's backports, once…");
  const [lists, archives, sources] = ["lists", "archives", "sources.list"].map((name) => join(folder, name));
  for (const of of [lists, archives]) mkdirSync(join(of, "partial"), { recursive: true });
  // No file of the system is touched, so neither root nor apt's locks are needed.
  const options = {
    "Dir::State::Lists": lists,
    "Dir::Cache": folder,
    "Dir::Cache::Archives": archives,
    "Debug::NoLocking": true,
    "APT::Sandbox::User": "",
    "Acquire::http::Timeout": 30,
  };
  const flags = (options) => Object.entries(options).flatMap(([name, value]) => ["-o", `${name}=${value}`]);
  const apt = (options, ...args) => output("apt-get", "-qq", ...flags(options), ...args);
  // The machine's own mirror has the backports, too.
  apt(options, "update");
  const targets = apt(options, "indextargets", "--format", "$(SITE) $(CODENAME)", "Created-By: Packages");
  const mirror = new RegExp(`^(\\S+) ${suite}$`, "m").exec(targets)?.[1];
  if (!mirror) throw new Stop(`apt knows no mirror of Debian's ${suite}, or does not reach it.`);
  writeFileSync(sources, [suite, `${suite}-backports`].map((suite) => `deb ${mirror} ${suite} main\n`).join(""));
  const backports = { ...options, "Dir::Etc::SourceList": sources, "Dir::Etc::SourceParts": "/dev/null" };
  apt(backports, "update");
  const which = ["--no-install-recommends", "--download-only", "-y", "-t", `${suite}-backports`];
  apt(backports, "install", ...which, PACKAGE);
  const packages = readdirSync(archives).filter((name) => name.endsWith(".deb"));
  for (const name of packages) output("dpkg-deb", "-x", join(archives, name), join(folder, "root"));
  const own = packages.find((name) => name.startsWith(PACKAGE));
  const version = own
    ? output("dpkg-deb", "-f", join(archives, own), "Version")
    : output("dpkg-query", "-W", "-f", "$" + "{Version}", PACKAGE);
  for (const of of [lists, archives]) rmSync(of, { recursive: true });
  return { version: version.trim(), own: !!own };
}

/** Path of the browser; made anew where Chromium, Mesa or the shim is another than it was made from. */
async function ensureBrowser({ version, libraries }) {
  ensureChromium();
  const program = join(CHROMIUM, "chromium");
  if (!existsSync(program)) throw new Stop(`Debian's Chromium is not in ${CHROMIUM}.`);
  const folder = join(BUILT, "browser");
  const stamp = join(folder, "stamp");
  const { size, mtimeMs } = statSync(program);
  const sum = createHash("sha256").update(readFileSync(SHIM)).digest("hex");
  const made = JSON.stringify([size, mtimeMs, sum, version, libraries]);
  const path = join(folder, "chromium");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === made) return path;
  console.error("Making a Chromium on Mesa's lavapipe, once…");
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of readdirSync(CHROMIUM)) {
    const [from, to] = [join(CHROMIUM, name), join(folder, name)];
    if (name === "chromium") linkOrCopy(from, to);
    else if (name !== DRIVER && name !== DRIVER_LIST) symlinkSync(from, to);
  }
  // What the browser draws with stays as it is.
  const drawing = { library_path: join(CHROMIUM, DRIVER), api_version: "1.0.5" };
  writeFileSync(join(folder, DRIVER_LIST), JSON.stringify({ file_format_version: "1.0.0", ICD: drawing }));
  const compile = ["-shared", "-fPIC", "-O1", "-fvisibility=hidden", "-o", join(folder, DRIVER), SHIM, "-ldl"];
  const mesa = ["-Wl,--no-as-needed,--allow-shlib-undefined", `-L${libraries}`, "-l:libvulkan_lvp.so"];
  // The old kind of run path, which holds for what Mesa needs in turn.
  output("cc", ...compile, ...mesa, `-Wl,--disable-new-dtags,-rpath,${libraries}`);
  await probe(path);
  writeFileSync(stamp, made);
  return path;
}

/** The program finds its files beside itself, so it cannot be a symbolic link. */
function linkOrCopy(from, to) {
  try {
    linkSync(from, to);
  } catch {
    copyFileSync(from, to);
  }
}

/** A Stop unless a page in this browser gets an adapter with f16. */
async function probe(executablePath) {
  const { chromium } = await import("@playwright/test");
  const { serve } = await import("../serve.mjs");
  const server = await serve({ "/": (_request, response) => response.setHeader("content-type", "text/html").end("") });
  let browser;
  try {
    browser = await chromium.launch({ executablePath, args: ARGS });
    const page = await browser.newPage();
    await page.goto(server.url);
    const f16 = await page.evaluate(async () => (await navigator.gpu?.requestAdapter())?.features.has("shader-f16"));
    if (!f16) throw new Stop(f16 === undefined ? "Mesa's driver gave no adapter." : "Mesa's driver gave no f16.");
  } catch (error) {
    if (error instanceof Stop) throw error;
    throw new Stop(`Chromium did not start on Mesa's driver: ${String(error.message).split("\n")[0]}.`);
  } finally {
    await browser?.close();
    server.close();
  }
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  await tool(async () => {
    ensurePackages();
    const { executablePath, reason } = await softGpu();
    if (reason) throw new Stop(reason);
    console.log(executablePath);
  });
}
