// The chat page on Vite's server, with the built package and the models' folder.
import { join } from "node:path";
import { ISOLATED, below, sendFile } from "./serve.mjs";
import { ROOT } from "./setup.mjs";

/**
 * `dist` is the built package, `models` the folder behind /models/.
 * @returns {Promise<{ url: string, close: () => Promise<void> }>}
 */
export async function startChat({
  port = 5173,
  host,
  dist = join(ROOT, "dist"),
  models = join(ROOT, "models"),
  logLevel = "warn",
} = {}) {
  const { createServer } = await import("vite");
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
  const server = await createServer({
    configFile: false,
    root: join(ROOT, "www", "chat"),
    cacheDir: join(ROOT, "node_modules", ".vite"),
    logLevel,
    resolve: { alias: { sotto: join(dist, "index.js") } },
    server: { port, host, headers: ISOLATED, fs: { allow: [ROOT, dist] } },
    plugins: [serveModels],
  });
  await server.listen();
  return { url: server.resolvedUrls.local[0], close: () => server.close() };
}
