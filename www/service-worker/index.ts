/**
 * For a page's service worker: keeps files of the page and of the package in the browser, so that the page opens without a
 * network. Models are not among them: they are in the package's own store.
 *
 *     import { keep, packageFiles } from "sotto/service-worker";
 *     keep({ files: ["./", "./app.js", ...packageFiles("./sotto/")], version: "1" });
 */
import { FILES } from "../wire/files.js";

/** What is to be kept. */
export interface Kept {
  /**
   * Addresses, relative to the service worker's scope. Each has to be there: else nothing is kept. A folder's `index.html`
   * answers for the folder too.
   */
  files: readonly string[];
  /** Another one wherever a file has changed under its old name, such as the build's number. */
  version?: string;
}

/** What is needed of a service worker's own types, which are not a page's. */
interface Scope {
  registration: { scope: string };
  addEventListener(type: "install" | "activate" | "fetch", listener: (event: Happening) => void): void;
}

interface Happening extends Event {
  request: Request;
  waitUntil(work: Promise<unknown>): void;
  respondWith(response: Promise<Response>): void;
}

/** The addresses of the package's files where its `dist` folder is served as it is, at `folder`. */
export function packageFiles(folder: string): string[] {
  return ["index.js", ...FILES].map((name) => folder.replace(/\/?$/, "/") + name);
}

/**
 * Has the service worker that calls it, in its first turn, keep these files and answer requests for them, whatever else it
 * does. Files of another version, or that are listed no more, go when the pages that use them are closed.
 */
export function keep({ files, version = "" }: Kept): void {
  const self = globalThis as unknown as Scope;
  const { scope } = self.registration;
  const urls = new Set(files.map((name) => new URL(name, scope).href));
  const own = `sotto-files ${scope} `;
  const name = crypto.subtle
    .digest("SHA-256", new TextEncoder().encode(JSON.stringify([version, ...urls])))
    .then((hash) => own + Array.from(new Uint8Array(hash, 0, 8), (byte) => byte.toString(16)).join("-"));

  self.addEventListener("install", (event) => event.waitUntil(fill()));
  self.addEventListener("activate", (event) => event.waitUntil(forget()));
  self.addEventListener("fetch", (event) => {
    const { request } = event;
    const url = new URL(request.url);
    url.search = "";
    url.hash = "";
    const found = [url.href, `${url.href}index.html`].find((href) => urls.has(href));
    if (request.method === "GET" && found) event.respondWith(answer(found, request));
  });

  async function fill(): Promise<void> {
    const cache = await caches.open(await name);
    // What the browser's own cache has may be older than this version.
    await cache.addAll(Array.from(urls, (url) => new Request(url, { cache: "no-cache" })));
  }

  async function forget(): Promise<void> {
    const current = await name;
    for (const old of await caches.keys()) if (old.startsWith(own) && old !== current) await caches.delete(old);
  }

  async function answer(url: string, request: Request): Promise<Response> {
    const cache = await caches.open(await name);
    return (await cache.match(url)) ?? fetch(request);
  }
}
