// The chat page on Vite's server, with the built package, the models' folder and the documentation.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { ISOLATED, below, sendFile } from "./serve.mjs";
import { ROOT, TARGET } from "./setup.mjs";

const NO_DOCS = { "content-type": "text/html; charset=utf-8", refresh: "5" };
const WAIT =
  "<!doctype html><title>Documentation</title><p>The documentation is not built yet. This page looks again by itself.";

/**
 * `dist` is the built package, `models` the folder behind /models/, `site` that behind /docs/, `headers` what each answer has.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function startChat({
  port = 5173,
  host,
  dist = join(ROOT, "dist"),
  models = join(ROOT, "models"),
  site = join(TARGET, "site"),
  logLevel = "warn",
  headers = ISOLATED,
} = {}) {
  const { createServer } = await import("vite");
  // Vite's own `server.headers` are not in its answers 304, without which WebKit does not start a worker a second time.
  const always = {
    name: "headers",
    configureServer(server) {
      server.middlewares.use((_, response, next) => {
        for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
        next();
      });
    },
  };
  const serveModels = {
    name: "models",
    configureServer(server) {
      server.middlewares.use("/models", (request, response) => {
        const path = below(models, new URL(request.url, "http://localhost").pathname);
        if (path) sendFile(request, response, path);
        else response.writeHead(404).end();
      });
    },
  };
  const serveDocs = {
    name: "docs",
    configureServer(server) {
      server.middlewares.use("/docs", (request, response) => {
        const { pathname } = new URL(request.originalUrl, "http://localhost");
        if (pathname === "/docs") return response.writeHead(301, { location: "/docs/" }).end();
        if (!existsSync(join(site, "index.html"))) return response.writeHead(503, NO_DOCS).end(WAIT);
        const path = below(site, pathname.slice("/docs".length).replace(/\/$/, "/index.html"));
        if (path) sendFile(request, response, path);
        else response.writeHead(404).end();
      });
    },
  };
  const server = await createServer({
    configFile: false,
    root: join(ROOT, "www", "chat"),
    cacheDir: join(ROOT, "node_modules", ".vite"),
    logLevel,
    resolve: {
      alias: [
        { find: /^sotto$/, replacement: join(dist, "index.js") },
        { find: /^sotto\/catalog$/, replacement: join(dist, "catalog.js") },
        { find: /^sotto\/([\w-]+)$/, replacement: join(dist, "pieces", "$1.js") },
      ],
    },
    server: { port, host, fs: { allow: [ROOT, dist] } },
    plugins: [always, serveModels, serveDocs],
  });
  await server.listen();
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}
