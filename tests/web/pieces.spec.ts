/** The clients of other libraries in a page, with the built package and a real model, under a policy that lets nothing out. */
import { mkdirSync } from "node:fs";
import type { ServerResponse } from "node:http";
import { join } from "node:path";
import { build } from "esbuild";
import { serve } from "../../tools/serve.mjs";
import { ROOT } from "../../tools/setup.mjs";
import { DEFAULT_MODEL, expect, test } from "./servers.js";

const POLICY = "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self'; img-src data:";

/** As a page's bundler has it, but that the package stays a file of its own: it is there once. */
async function bundled(folder: string): Promise<string> {
  mkdirSync(folder, { recursive: true });
  const outfile = join(folder, "app.js");
  await build({
    entryPoints: [join(ROOT, "tests", "web", "pieces-page.ts")],
    bundle: true,
    format: "esm",
    outfile,
    tsconfigRaw: {},
    logLevel: "error",
    plugins: [
      {
        name: "package",
        setup({ onResolve }) {
          onResolve({ filter: /^(sotto|\.\.\/index\.js)$/ }, ({ importer, path }) =>
            path === "sotto" || importer.startsWith(join(ROOT, "dist", "pieces"))
              ? { path: "/dist/index.js", external: true }
              : undefined,
          );
          onResolve({ filter: /^sotto\// }, ({ path }) => ({
            path: join(ROOT, "dist", "pieces", `${path.slice("sotto/".length)}.js`),
          }));
        },
      },
    ],
  });
  return outfile;
}

test("OpenAI's client, the AI SDK, LangChain and the Prompt API answer in the tab, and nothing leaves it", async ({
  page,
}) => {
  const app = await bundled(join(ROOT, "test-results", "pieces"));
  const server = await serve(
    {
      "/dist/": join(ROOT, "dist"),
      "/model.gguf": join(ROOT, "models", DEFAULT_MODEL),
      "/app.js": app,
      "/": (_request: unknown, response: ServerResponse) =>
        response
          .setHeader("content-type", "text/html")
          .end(
            '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="/app.js"></script>',
          ),
    },
    { headers: { "content-security-policy": POLICY } },
  );
  const asked: string[] = [];
  page.on("request", (request) => void asked.push(request.url()));
  await page.goto(server.url);
  const held = await page.waitForFunction(() => (globalThis as { result?: unknown }).result, null, {
    timeout: 120_000,
  });
  const { found, text, error } = (await held.jsonValue()) as {
    found?: Record<string, unknown>;
    text?: string;
    error?: string;
  };
  expect(error).toBeUndefined();
  const city = { city: expect.stringMatching(/^(Paris|Rome)$/) };
  expect(found).toEqual({
    streamIsWhole: true,
    openai: city,
    object: city,
    tools: expect.stringMatching(/^warm in (Paris|Rome)$/),
    langchain: text,
    structured: city,
    prompt: city,
    prefix: city,
    prefixed: expect.stringMatching(/^(Paris|Rome)$/),
    outside: [],
  });
  const names = asked.map((url) => url.slice(server.url.length));
  const loaded = names.indexOf("/model.gguf");
  expect(asked.filter((url) => !/^(data:|blob:)/.test(url) && !url.startsWith(server.url))).toEqual([]);
  // After the load it is the module of grammars alone.
  expect(names.slice(loaded + 1).filter((name) => name !== "/model.gguf")).toEqual(["/dist/sotto_grammar_bg.wasm"]);
  server.close();
});
