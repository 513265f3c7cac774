// Works offline once loaded: the service worker keeps whatever the page fetched.
const CONTROL_WAIT_MS = 4_000;

/** Resolves when the service worker sees what this page fetches, or to "" with a reason why it does not. */
export async function keepForOffline() {
  if (!navigator.serviceWorker) return "this browser keeps no page here";
  try {
    await navigator.serviceWorker.register(new URL("service-worker.js", document.baseURI));
    if (navigator.serviceWorker.controller) return "";
    const control = new Promise((done) => navigator.serviceWorker.addEventListener("controllerchange", () => done(true), { once: true }));
    const waited = new Promise((done) => setTimeout(() => done(false), CONTROL_WAIT_MS));
    return (await Promise.race([control, waited])) ? "" : "after the next visit";
  } catch (error) {
    return `no: ${error.message}`;
  }
}

/** Resolves to whether everything that was fetched is kept. */
export async function allKept(addresses) {
  const kept = await Promise.all(addresses.map((address) => caches.match(address)));
  return kept.every(Boolean);
}
