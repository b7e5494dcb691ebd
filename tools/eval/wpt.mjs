// The web platform tests of the Prompt API, run against sotto/prompt-api in headless Chromium:
//
//   node tools/eval/wpt.mjs [--tests WPT] [--commit SHA] [--model FILE] [--context N] [--only TEXT]
//
// Without `--tests`, git fetches them once into models/wpt (BSD-3-Clause; nothing of them becomes part of this repository): the
// newest, or those of `--commit`. Without `--model` it is the chat page's default model. docs/PIECES.md says what came out.
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { dirname, join, posix, resolve } from "node:path";
import { parseArgs } from "node:util";
import { launchBrowser } from "../browser.mjs";
import { fetchModel } from "../fetch-models.mjs";
import { below, sendFile, serve } from "../serve.mjs";
import { ROOT, Stop, ensurePackages, run, tool } from "../setup.mjs";

const REPOSITORY = "https://github.com/web-platform-tests/wpt";

/** Where the tests are, and what they fetch. */
const TESTS = "ai/language-model";
const FOLDERS = [TESTS, "ai/resources", "resources", "common", "images", "media"];

/** A file that takes longer is ended: what has not come by then counts as failed. */
const PATIENCE_MS = 120_000;
const GRACE_MS = 10_000;

/** By the numbers of the harness. */
const STATUS = ["pass", "fail", "timeout", "not run", "not for here"];

await tool(async () => {
  const text = { type: "string" };
  const options = { tests: text, commit: text, model: text, context: { ...text, default: "1024" }, only: text };
  const { values } = parseArgs({ options });
  ensurePackages();
  const root = values.tests ? resolve(values.tests) : fetchTests(values.commit);
  const model = values.model ? resolve(values.model) : await fetchModel("smollm2");
  const files = testsBelow(root, TESTS).filter((path) => path.includes(values.only ?? ""));
  if (files.length === 0) throw new Stop(`there are no tests of ${values.only ?? TESTS} in ${root}.`);
  const server = await serve(routes(root, model));
  const { browser } = await launchBrowser(server.url);
  const counts = Object.fromEntries(STATUS.map((status) => [status, 0]));
  try {
    for (const file of files) {
      const results = await runFile(browser, `${server.url}/run/${file}?context=${values.context}`);
      const passed = results.filter(({ status }) => status === "pass").length;
      console.log(
        `${String(passed).padStart(3)} of ${String(results.length).padEnd(3)} ${file.slice(TESTS.length + 1)}`,
      );
      for (const { status, name, message } of results) {
        counts[status]++;
        if (status !== "pass") console.log(`           ${status}: ${name}${message ? `: ${message}` : ""}`);
      }
    }
  } finally {
    await browser.close();
    server.close();
  }
  const told = Object.entries(counts).map(([status, count]) => `${count} ${status}`);
  console.log(`\n${files.length} files: ${told.join(", ")}`);
});

function fetchTests(commit) {
  const folder = join(ROOT, "models", "wpt");
  const git = (...args) => run("git", ["-C", folder, ...args]);
  if (!existsSync(join(folder, "resources", "testharness.js"))) {
    console.error("Fetching the web platform tests (BSD-3-Clause), once…");
    rmSync(folder, { recursive: true, force: true });
    run("git", ["clone", "--quiet", "--depth=1", "--filter=blob:none", "--sparse", REPOSITORY, folder]);
    git("sparse-checkout", "set", ...FOLDERS);
  }
  if (commit) {
    git("fetch", "--quiet", "--depth=1", "--filter=blob:none", "origin", commit);
    git("checkout", "--quiet", commit);
  }
  return folder;
}

function testsBelow(root, folder) {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) return testsBelow(root, path);
      return entry.name.endsWith(".window.js") ? [path] : [];
    });
}

/** The tests' own server, as far as these need one. */
function routes(root, model) {
  const html = (response, text) => response.setHeader("content-type", "text/html").end(text);
  return {
    "/dist/": join(ROOT, "dist"),
    "/model.gguf": (request, response) => sendFile(request, response, model),
    "/run/": (_request, response, pathname) => html(response, pageOf(root, pathname.slice("/run/".length))),
    // A click stands for the user's leave, which nothing here asks for.
    "/resources/testdriver-vendor.js": (_request, response) =>
      response.setHeader("content-type", "text/javascript").end("test_driver.bless = async (_, act) => act?.();"),
    "/blank": (_request, response) => html(response, "<!doctype html>"),
    "/": (request, response, pathname) => sendFile(request, response, below(root, pathname) ?? root),
  };
}

/** A page that installs the model, and then reads what the tests' own server would put into it. */
function pageOf(root, file) {
  const source = readFileSync(join(root, file), "utf8");
  const meta = Array.from(source.matchAll(/^\/\/ META: script=(.+)$/gm), ([, path]) =>
    posix.resolve(`/${dirname(file)}`, path.trim()),
  );
  return `<!doctype html><meta charset="utf-8"><title>${file}</title><body>
<script src="/resources/testharness.js"></script>
<script>
  setup({ explicit_done: true, explicit_timeout: true, output: false });
  add_completion_callback((tests, { status, message }) =>
    finished(tests.map(({ name, status, message }) => ({ name, status, message })), status === 1 ? message : null));
</script>
<script type="module">
  import { load } from "/dist/index.js";
  import { install } from "/dist/pieces/prompt-api.js";
  const contextLength = Number(new URLSearchParams(location.search).get("context"));
  install(await load("/model.gguf", { cache: "none", contextLength }), { replace: true });
  for (const src of ${JSON.stringify([...new Set([...meta, `/${file}`])])}) {
    const script = Object.assign(document.createElement("script"), { src, async: false });
    await new Promise((resolve, reject) => {
      script.onload = resolve;
      script.onerror = () => reject(new Error(src + " is not there"));
      document.body.append(script);
    });
  }
  done();
</script>`;
}

/** What the harness says of each test of a file. */
async function runFile(browser, url) {
  const context = await browser.newContext();
  const page = await context.newPage();
  const chrome = await context.newCDPSession(page);
  await page.exposeFunction("gc", () => chrome.send("HeapProfiler.collectGarbage").then(() => {}));
  const timers = [];
  const finished = new Promise((resolve) => {
    const failed = (error) => resolve([[], error.message]);
    timers.push(setTimeout(() => page.evaluate("timeout()").catch(failed), PATIENCE_MS));
    timers.push(setTimeout(() => resolve([[], "the page hangs"]), PATIENCE_MS + GRACE_MS));
    page.on("pageerror", failed);
    void page.exposeFunction("finished", (...results) => resolve(results)).then(() => page.goto(url).catch(failed));
  });
  const [tests, broke] = await finished;
  timers.forEach(clearTimeout);
  await context.close();
  const results = tests.map(({ name, status, message }) => ({ name, status: STATUS[status], message }));
  return broke ? [...results, { name: "the file itself", status: "fail", message: broke }] : results;
}
