// A site with the chat element on the fake engine, under a strict policy: for tests, and for what is measured by hand.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bundle } from "../../../tools/build.mjs";
import { sendFile, serve } from "../../../tools/serve.mjs";
import { ROOT } from "../../../tools/setup.mjs";

/** The strictest that a page can have: nothing inline, nothing from elsewhere, no text as a script or an element. */
const CSP = "default-src 'self'; require-trusted-types-for 'script'; trusted-types sotto";

const HERE = join(ROOT, "tests", "web", "element");

/** Attributes of the element that an address may set: `/element?mode=launcher&lang=ar`. */
const ATTRIBUTES = [
  "mode",
  "heading",
  "keep",
  "feedback",
  "figures",
  "theme",
  "math-src",
  "fallback",
  "fallback-model",
];

function page(query) {
  const set = ATTRIBUTES.filter((name) => query.has(name)).map((name) => `${name}="${query.get(name)}"`);
  return `<!doctype html><html lang="${query.get("lang") ?? "en"}"><head><meta charset="utf-8" />
    <meta name="viewport" content="width=device-width, initial-scale=1" /><title>A page</title>
    <link rel="stylesheet" href="/page.css" />
    <script type="module" src="/dist/pieces/element.js"></script></head>
    <body><main><h1>A page</h1><form><sotto-chat name="chat" ${set.join(" ")}></sotto-chat></form></main>
    <script type="module" src="/page.js"></script></body></html>`;
}

/** The beginning of a file, and then nothing. */
function stuck(_, response) {
  response.writeHead(200, { "content-length": 100_000_000 });
  response.write(Buffer.concat([Buffer.from("GGUF\x03\0\0\0", "latin1"), Buffer.alloc(2_000_000)]));
}

/** The beginning of a file, a cut, and no more of it. */
function broken({ headers }, response) {
  if (headers.range && !headers.range.startsWith("bytes=0-")) return response.writeHead(404).end();
  response.writeHead(200, { "content-length": 100_000_000, etag: '"1"' });
  response.write(Buffer.concat([Buffer.from("GGUF\x03\0\0\0", "latin1"), Buffer.alloc(2_000_000)]));
  setTimeout(() => response.destroy(), 500);
}

/** A server with OpenAI's API, of the page's own: it says what it was asked, in cut events. */
async function answer(request, response) {
  const parts = [];
  for await (const part of request) parts.push(part);
  const { model, messages, overflow } = JSON.parse(Buffer.concat(parts).toString());
  const said = messages.at(-1).content;
  if (said === "refuse")
    return response.writeHead(401).end(JSON.stringify({ error: { message: "No key was given." } }));
  response.writeHead(200, { "content-type": "text/event-stream" });
  const events = [...`${model} heard ${said}${overflow ? " and overflow" : ""}`].map((content) => ({
    delta: { content },
  }));
  const all = [...events, { delta: {}, finish_reason: "stop" }].map((choice) => ({
    choices: [{ index: 0, ...choice }],
  }));
  const text = `${all.map((event) => `data: ${JSON.stringify(event)}\n\n`).join("")}data: [DONE]\n\n`;
  for (let at = 0; at < text.length; at += 37) response.write(text.slice(at, at + 37));
  response.end();
}

/**
 * Builds into `dist`, and serves.
 * @returns {Promise<{ url: string, close: () => void }>}
 */
export async function startSite(dist) {
  await bundle(dist, { engine: join(ROOT, "tests", "web", "fake-engine.ts") });
  const model = join(dist, "model.gguf");
  writeFileSync(model, Buffer.concat([Buffer.from("GGUF"), Buffer.alloc(3_000_000)]));
  const html = (response, text) => response.writeHead(200, { "content-type": "text/html; charset=utf-8" }).end(text);
  const routes = {
    "/dist/": dist,
    "/node_modules/sotto/dist/": dist,
    "/page.": (request, response, path) => sendFile(request, response, join(HERE, path.slice(1))),
    "/element": (request, response) => html(response, page(new URL(request.url, "http://localhost").searchParams)),
    "/empty": (_, response) => html(response, "<!doctype html><html lang=en><title>A page</title>"),
    "/widget": (_, response) => html(response, readFileSync(join(ROOT, "examples", "widget", "index.html"), "utf8")),
    "/v1/chat/completions": answer,
    "/slow.gguf": stuck,
    "/broken.gguf": broken,
    "/bare": (_, response) =>
      html(response, '<sotto-chat></sotto-chat><script type="module" src="/dist/pieces/element.js"></script>'),
    "/favicon.ico": (_, response) => response.writeHead(204).end(),
    "/model.gguf": (request, response) => sendFile(request, response, model),
  };
  return serve(routes, { headers: { "content-security-policy": CSP } });
}
