// Static files over HTTP with range requests, for the chat page, the headless commands and tests.
import { createReadStream, statSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize, resolve, sep } from "node:path";
import { ROOT } from "./setup.mjs";

const TYPES = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".mjs": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".png": "image/png",
  ".json": "application/json",
  ".wasm": "application/wasm",
};

/** What a page is served with so that it may share memory between threads. */
export const ISOLATED = { "cross-origin-opener-policy": "same-origin", "cross-origin-embedder-policy": "require-corp" };

/** Answers with the file at `path`, or the part of it that was asked for; `through` is a stream that its bytes pass. */
export function sendFile(request, response, path, through) {
  const stat = statSync(path, { throwIfNoEntry: false });
  if (!stat?.isFile()) return void response.writeHead(404, { "content-type": "text/plain" }).end("not found");
  const etag = `"${stat.size}-${stat.mtimeMs}"`;
  const headers = {
    etag,
    "content-type": TYPES[extname(path)] ?? "application/octet-stream",
    "accept-ranges": "bytes",
    "cache-control": "no-cache",
  };
  const isSame = [undefined, etag].includes(request.headers["if-range"]);
  const range = isSame ? /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? "") : undefined;
  const from = range ? Number(range[1]) : 0;
  const to = range?.[2] ? Math.min(Number(range[2]), stat.size - 1) : stat.size - 1;
  if (range && from > to) return void response.writeHead(416, { "content-range": `bytes */${stat.size}` }).end();
  response.writeHead(range ? 206 : 200, {
    ...headers,
    "content-length": to - from + 1,
    ...(range && { "content-range": `bytes ${from}-${to}/${stat.size}` }),
  });
  if (request.method === "HEAD" || stat.size === 0) return void response.end();
  const stream = createReadStream(path, { start: from, end: to });
  stream.on("error", () => response.destroy());
  response.on("close", () => {
    stream.destroy();
    through?.destroy();
  });
  (through ? stream.pipe(through) : stream).pipe(response);
}

/** The file that a URL path means below `root`; never one outside. */
export function below(root, pathname) {
  const path = normalize(join(root, decodeURIComponent(pathname)));
  return path === root || path.startsWith(root + sep) ? path : undefined;
}

/** A server on this machine alone; `routes` maps path prefixes to folders, files or handlers. */
export async function serve(routes, { headers = {}, port = 0 } = {}) {
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
    const prefix = Object.keys(routes).find((prefix) => pathname.startsWith(prefix));
    const route = prefix && routes[prefix];
    if (typeof route === "function") return route(request, response, pathname);
    const path = route && below(route, pathname.slice(prefix.length));
    if (!path) return void response.writeHead(404).end("not found");
    sendFile(request, response, path);
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

/** A cross-origin isolated page beside the built package and a model, `/model.gguf`, for scripts that measure in it. */
export function serveModel(path) {
  const page = (_request, response) => response.setHeader("content-type", "text/html").end("<!doctype html>");
  const model = (request, response) => sendFile(request, response, resolve(path));
  return serve({ "/dist/": join(ROOT, "dist"), "/model.gguf": model, "/": page }, { headers: ISOLATED });
}
