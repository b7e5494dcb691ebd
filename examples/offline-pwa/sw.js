// Keeps the page's files. The model is none of them: it is in the package's own store.
const CACHE = "page __VERSION__";

/** Addresses; the build puts a list of names in the place of the text. */
const FILES = new Set(Array.from("__FILES__", (name) => new URL(name, self.registration.scope).href));

self.addEventListener("install", (event) => {
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll([...FILES])));
});

self.addEventListener("activate", (event) => {
  const forget = async () => {
    for (const name of await caches.keys()) if (name !== CACHE) await caches.delete(name);
  };
  event.waitUntil(forget());
});

self.addEventListener("fetch", (event) => {
  const url = new URL(event.request.url);
  url.search = "";
  if (url.pathname.endsWith("/")) url.pathname += "index.html";
  if (!FILES.has(url.href)) return;
  const kept = caches.match(url.href, { cacheName: CACHE });
  event.respondWith(kept.then((answer) => answer ?? fetch(event.request)));
});
