/** The package as others use it: installed in an app, under each way of serving it. */
import type { Page } from "@playwright/test";
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import type { IncomingMessage, ServerResponse } from "node:http";
import { join } from "node:path";
import { build as esbuild } from "esbuild";
import { rolldown } from "rolldown";
import { build, createServer, preview } from "vite";
import { ISOLATED, sendFile, serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { blocksIn } from "./blocks.js";
import { expect, test, tinyModel } from "./servers.js";

const APP = join(ROOT, "test-results", "consumer");
const INSTALLED = join(APP, "node_modules", "sotto");

/** The app loads a tiny model and writes what came of it into the page's title. */
const MAIN = `
addEventListener("unhandledrejection", ({ reason }) => (document.title = ["failed", reason.code, reason.message].join(": ")));
run();
async function run() {
const model = await load("/model.gguf");
let text = "";
let count = 0;
for await (const chunk of model.generate("the cat", { raw: true, maxTokens: 4, temperature: 0 })) {
  text += chunk.text;
  count += chunk.tokens.length;
}
const tokens = await model.tokenize("the cat");
await model.dispose();
document.title = \`\${model.info.architecture} \${tokens.length > 0} \${count}\`;
}
`;
/** Where no bundler finds the package. */
const STATIC = `import { load } from "/dist/index.js";\n${MAIN}`;
const HTML = (script: string) =>
  `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="${script}"></script>`;

test.beforeAll(() => {
  rmSync(APP, { recursive: true, force: true });
  mkdirSync(join(APP, "public"), { recursive: true });
  cpSync(join(ROOT, "dist"), join(INSTALLED, "dist"), { recursive: true });
  cpSync(join(ROOT, "package.json"), join(INSTALLED, "package.json"));
  cpSync(tinyModel("llama-f32"), join(APP, "public", "model.gguf"));
  writeFileSync(
    join(APP, "package.json"),
    JSON.stringify({ private: true, type: "module", dependencies: { sotto: "*" } }),
  );
  writeFileSync(join(APP, "main.js"), `import { load } from "sotto";\n${MAIN}`);
  writeFileSync(join(APP, "index.html"), HTML("./main.js"));
});

async function works(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await expect.poll(() => page.title(), { timeout: 60_000 }).toMatch(/^llama true [1-4]$/);
}

const inline = { configFile: false as const, root: APP, logLevel: "warn" as const };

test("Vite's dev server, unconfigured", async ({ page }) => {
  const server = await createServer({ ...inline, server: { port: 0 } });
  await server.listen();
  await works(page, server.resolvedUrls!.local[0]!);
  await server.close();
});

test("Vite's build, unconfigured", async ({ page }) => {
  await build(inline);
  const server = await preview({ ...inline, preview: { port: 0 } });
  await works(page, server.resolvedUrls!.local[0]!);
  await server.close();
});

/** `dist` and a page on a plain file server; `from` is another server that has `dist`. */
function plain(headers?: Record<string, string>, from = "", options = "") {
  const script = STATIC.replace('"/dist', `"${from}/dist`).replace(
    'load("/model.gguf"',
    `load("/model.gguf"${options}`,
  );
  return serve(
    {
      "/dist/": join(INSTALLED, "dist"),
      "/model.gguf": join(APP, "public", "model.gguf"),
      "/static.js": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/javascript").end(script),
      "/": (_request: unknown, response: ServerResponse) =>
        response.setHeader("content-type", "text/html").end(HTML("/static.js")),
    },
    { headers },
  );
}

test("plain static serving, without any header", async ({ page }) => {
  const server = await plain();
  await works(page, server.url);
  expect(await page.evaluate(() => crossOriginIsolated)).toBe(false);
  server.close();
});

test("a strict policy: no eval, no inline script, wasm-unsafe-eval alone", async ({ page }) => {
  // The one that the guide of privacy gives; the page's icon is in the page.
  const [policy] = blocksIn(["http"], (document) => document === "docs/PRIVACY.md");
  const [, value] = policy!.code.split("Content-Security-Policy: ");
  const server = await plain({ "content-security-policy": value!.replace("img-src 'self'", "$& data:") });
  const refused: string[] = [];
  page.on("console", (message) => message.text().includes("Content Security Policy") && refused.push(message.text()));
  await works(page, server.url);
  expect(refused).toEqual([]);
  server.close();
});

test("from another origin, as a content delivery network serves it: with one thread, and with several", async ({
  page,
}) => {
  const network = await plain({ "access-control-allow-origin": "*" });
  for (const headers of [{}, ISOLATED]) {
    const server = await plain(headers, network.url);
    await works(page, server.url);
    server.close();
  }
  network.close();
});

const TRUSTED = "require-trusted-types-for 'script'; trusted-types";

test("a page that requires Trusted Types lists one policy", async ({ page }) => {
  const server = await plain({ "content-security-policy": `${TRUSTED} sotto` });
  await works(page, server.url);
  server.close();
});

test("a page with a policy of its own gives trusted addresses, and lists no other", async ({ page }) => {
  const trusted = (file: string) => `policy.createScriptURL("/dist/${file}")`;
  const options = `, (() => {
    const policy = trustedTypes.createPolicy("page", { createScriptURL: (url) => url });
    return { workerUrl: ${trusted("worker.js")}, wasmUrl: ${trusted("sotto_bg.wasm")} };
  })()`;
  const server = await plain({ "content-security-policy": `${TRUSTED} page` }, "", options);
  const refused: string[] = [];
  page.on("console", (message) => message.text().includes("Trusted") && refused.push(message.text()));
  await works(page, server.url);
  expect(refused).toEqual([]);
  server.close();
});

for (const [policy, said] of [
  [`${TRUSTED} 'none'`, /refuses it by (require-trusted-types-for|trusted-types): add "trusted-types sotto"/],
  ["worker-src 'none'", /refuses it by worker-src: allow 'self'/],
  ["script-src 'self' 'wasm-unsafe-eval'; worker-src 'none'", /refuses it by worker-src/],
] as const) {
  test(`the error names what the policy "${policy}" refuses`, async ({ page }) => {
    const server = await plain({ "content-security-policy": policy });
    await page.goto(server.url);
    await expect.poll(() => page.title(), { timeout: 60_000 }).toMatch(said);
    server.close();
  });
}

/** A page whose `dist` is served as `answer` says; what its load failed with. */
async function fails(page: Page, headers: Record<string, string>, answer: Answer, said: RegExp): Promise<void> {
  const server = await serve({
    "/dist/": (request: IncomingMessage, response: ServerResponse, path: string) =>
      answer(response, path) ?? sendFile(request, response, join(INSTALLED, path)),
    "/": (_request: unknown, response: ServerResponse, path: string) => {
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      const [type, body] = path === "/" ? ["text/html", HTML("/static.js")] : ["text/javascript", STATIC];
      response.setHeader("content-type", type).end(body);
    },
  });
  await page.goto(server.url);
  await expect.poll(() => page.title(), { timeout: 60_000 }).toMatch(said);
  server.close();
}

/** Answers what is not to be answered as it is. */
type Answer = (response: ServerResponse, path: string) => unknown;

const asItIs: Answer = () => undefined;
const forWasm =
  (status: number, body = ""): Answer =>
  (response, path) =>
    path.endsWith("sotto_cpu_bg.wasm")
      ? response.writeHead(status, { "content-type": "text/html" }).end(body)
      : undefined;

for (const [what, headers, answer, said] of [
  ["worker.js lacks an isolated page's header", ISOLATED, asItIs, /^failed: blocked: .*Embedder-Policy: require-corp/],
  [
    "the wasm file is not there",
    {},
    forWasm(404),
    /^failed: not_started: .* there is no http.*sotto_cpu_bg.wasm \(HTTP 404\)/,
  ],
  [
    "a page is in its place",
    {},
    forWasm(200, "<!doctype html>"),
    /^failed: not_started: .*at its address is no wasm; serve sotto_cpu_bg.wasm/,
  ],
  [
    "the policy forbids wasm",
    { "content-security-policy": "script-src 'self'" },
    (response: ServerResponse) => void response.setHeader("content-security-policy", "script-src 'self'"),
    /^failed: blocked: .*by script-src; add 'wasm-unsafe-eval'/,
  ],
] as [string, Record<string, string>, Answer, RegExp][]) {
  test(`the error says so where ${what}`, ({ page }) => fails(page, headers, answer, said));
}

test("the error says so where the browser is offline", async ({ page, context }) => {
  const server = await plain();
  await works(page, server.url);
  server.close();
  await context.setOffline(true);
  const code = await page.evaluate(async () => {
    const url = "/dist/index.js";
    const { load } = (await import(url)) as typeof import("../../www/api/index.js");
    return load("/model.gguf").then(
      () => "loaded",
      (error: { code: string }) => error.code,
    );
  });
  expect(code).toBe("offline");
});

/** What a bundler without configuration for workers wrote into `folder`. */
async function bundled(page: Page, folder: string): Promise<void> {
  cpSync(join(APP, "public", "model.gguf"), join(folder, "model.gguf"));
  writeFileSync(join(folder, "index.html"), HTML("/main.js"));
  const server = await serve({ "/": folder });
  await works(page, `${server.url}/index.html`);
  server.close();
}

/** The plugins, of the installed package. */
const plugins = () =>
  import(join(INSTALLED, "dist", "bundler.js")) as Promise<typeof import("../../www/bundler/index.js")>;

test("esbuild, with the package's plugin", async ({ page }) => {
  const sotto = (await plugins()).esbuild();
  // Without the repository's paths, which name the package's sources.
  const options = { absWorkingDir: APP, entryPoints: ["main.js"], bundle: true, outdir: "esbuild", tsconfigRaw: {} };
  await esbuild({ ...options, format: "esm", plugins: [sotto] });
  await bundled(page, join(APP, "esbuild"));
  const wrong = esbuild({ ...options, format: "iife", logLevel: "silent", plugins: [sotto] });
  await expect(wrong).rejects.toThrow('set esbuild\'s format to "esm"');
});

test("Rolldown, which takes Rollup's plugins, with the package's", async ({ page }) => {
  const bundle = await rolldown({ cwd: APP, input: "main.js", plugins: [(await plugins()).rollup()] });
  await bundle.write({ dir: join(APP, "rolldown"), format: "esm" });
  await bundled(page, join(APP, "rolldown"));
});

test("importing it on a server touches nothing; load() says that it needs a browser", () => {
  const script = `const { load, SottoError } = await import("sotto"); await load("x").catch((e) => console.log(String([e instanceof SottoError, e.code])));`;
  const { stdout, status } = spawnSync(process.execPath, ["--input-type=module", "-e", script], {
    cwd: APP,
    encoding: "utf8",
  });
  expect({ stdout, status }).toEqual({ stdout: "true,not_started\n", status: 0 });
});

test("CommonJS has it too", () => {
  const script = `const { load, SottoError } = require("sotto"); console.log(typeof load, new SottoError("http", "x").code);`;
  const { stdout, status } = spawnSync(process.execPath, ["-e", script], { cwd: APP, encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "function http\n", status: 0 });
});

test("its types are found and complete", () => {
  writeFileSync(
    join(APP, "use.ts"),
    `import { load, SottoError, type Chunk, type ErrorCode } from "sotto";
     import { keep, packageFiles } from "sotto/service-worker";
     keep({ files: ["./", ...packageFiles("./sotto/")] });
     await using model = await load(new Blob([]), { shared: false, onProgress: ({ loaded, total }) => void [loaded.toFixed(), total?.toFixed()] });
     const last: Chunk[] = [];
     for await (const chunk of model.generate([{ role: "user", content: "hi" }], { topK: 3 })) last.push(chunk);
     export const code: ErrorCode = new SottoError("http", "x").code;
     // @ts-expect-error: an option that does not exist
     model.generate("x", { topk: 3 });`,
  );
  const tsc = join(ROOT, "node_modules", "typescript", "bin", "tsc");
  const compilerOptions = {
    noEmit: true,
    strict: true,
    target: "es2022",
    module: "esnext",
    moduleResolution: "bundler",
    lib: ["es2024", "esnext.disposable", "dom"],
    types: [],
  };
  writeFileSync(join(APP, "tsconfig.json"), JSON.stringify({ compilerOptions, files: ["use.ts"] }));
  const { stdout, status } = spawnSync(process.execPath, [tsc, "-p", APP], { cwd: APP, encoding: "utf8" });
  expect({ stdout, status }).toEqual({ stdout: "", status: 0 });
});
