// Keeps the page for use without a network: the shell when it is installed, everything else (runtime, model, examples) when
// it is first fetched. Each build has a cache of its own; files of the same build never change.
const CACHE = `inherentd-${BUILD}`; // BUILD and SHELL are put in by build.mjs

self.addEventListener("install", (event) => {
  self.skipWaiting();
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(SHELL.map((file) => new Request(file, { cache: "no-cache" })))));
});

self.addEventListener("activate", (event) => {
  event.waitUntil((async () => {
    const old = (await caches.keys()).filter((name) => name.startsWith("inherentd-") && name !== CACHE);
    await Promise.all(old.map((name) => caches.delete(name)));
    await self.clients.claim();
  })());
});

self.addEventListener("fetch", (event) => {
  const { request } = event;
  if (request.method !== "GET" || !request.url.startsWith(self.registration.scope)) return;
  event.respondWith((async () => {
    const cache = await caches.open(CACHE);
    const kept = await cache.match(request, { ignoreSearch: true });
    if (kept) return kept;
    // Names do not change from build to build: an old model from the browser's own cache would not fit new metadata.
    const response = await fetch(new Request(request.url, { cache: "no-cache" }));
    if (response.status === 200) await cache.put(request, response.clone());
    return response;
  })());
});
