// The built demo in headless Chromium, below a sub path of a server of this process: for the tests, the benchmark, the pictures.
import { createReadStream, existsSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const DIST = join(dirname(fileURLToPath(import.meta.url)), "../dist");
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".json": "application/json", ".wasm": "application/wasm", ".webmanifest": "application/manifest+json" };
const BELOW = "/some/where/";
const QUIET = ["--no-sandbox", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--autoplay-policy=no-user-gesture-required"];
const PATIENCE_MS = 120_000;

/** Returns where Chromium lies; throws with what to install. */
function executable() {
  const found = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/google-chrome", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"].find((path) => path && existsSync(path));
  if (!found) throw new Error("no Chromium: apt-get install chromium, or set CHROMIUM to the path of one");
  return found;
}

/** Resolves to { address, files, close() }: dist/ served on this machine; `files` are those that were asked for. */
export async function serve() {
  if (!existsSync(join(DIST, "index.html"))) throw new Error("web/dist is not built: make web");
  const files = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://localhost");
    const file = join(DIST, normalize(pathname.slice(BELOW.length)) || "index.html");
    const there = pathname.startsWith(BELOW) && file.startsWith(DIST) ? (pathname === BELOW ? join(DIST, "index.html") : file) : "";
    if (!there || !existsSync(there) || !statSync(there).isFile()) return response.writeHead(404).end();
    files.push(there.slice(DIST.length + 1));
    response.writeHead(200, { "content-type": TYPES[extname(there)] ?? "application/octet-stream" });
    return createReadStream(there).pipe(response);
  });
  await new Promise((done) => server.listen(0, "127.0.0.1", done));
  return {
    address: `http://127.0.0.1:${server.address().port}${BELOW}`,
    files,
    close: () => new Promise((done) => { server.close(done); server.closeAllConnections(); }),
  };
}

/**
 * Resolves to { page, server, context, opened, errors, next(type), close() }: the demo, ready. `next` resolves to the next thing of a type that the
 * worker tells. microphone: a WAV file that plays as the microphone; args: more of Chromium's; context: Playwright's options.
 */
export async function openDemo({ microphone, args = [], context: options = {} } = {}) {
  const server = await serve();
  const fake = microphone ? ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream", `--use-file-for-fake-audio-capture=${microphone}`] : [];
  const browser = await chromium.launch({ executablePath: executable(), args: [...QUIET, ...fake, ...args] });
  const close = async () => { await browser.close(); await server.close(); };
  try {
    const context = await browser.newContext({ permissions: microphone ? ["microphone"] : [], ...options });
    const page = await context.newPage();
    const errors = [];
    page.on("pageerror", (error) => errors.push(error.message));
    page.on("console", (message) => message.type() === "error" && errors.push(message.text()));
    await page.addInitScript(() => {
      globalThis.told = [];
      document.addEventListener("inherentd", ({ detail }) => globalThis.told.push(detail));
    });
    const next = async (type) => {
      const handle = await page.waitForFunction((wanted) => globalThis.told.find((one) => one.type === wanted || one.type === "error"), type, { timeout: PATIENCE_MS });
      const found = await handle.jsonValue();
      if (found.type === "error") throw new Error(found.message);
      return found;
    };
    await page.goto(server.address);
    const opened = await next("opened");
    return { browser, context, page, server, opened, errors, next, close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** Forgets what the worker told so far. */
export const forget = (page) => page.evaluate(() => { globalThis.told = []; });

/** Resolves to what the worker told since `forget`: { scores, seconds, steps, milliseconds, events }; `heads` in the artifact's order. */
export const heard = (page, heads) => page.evaluate((names) => {
  const { peaks, seconds, steps, milliseconds } = globalThis.told.find(({ type }) => type === "finished");
  const events = globalThis.told.filter(({ type }) => type === "event").map(({ event }) => event);
  return { scores: Object.fromEntries(names.map((head, index) => [head, peaks[index]])), seconds, steps, milliseconds, events };
}, heads);

/** Saves what the page heard last as a WAV file, by its button. */
export async function saveHeard(page, path) {
  const download = page.waitForEvent("download");
  await page.locator("#save").click();
  await (await download).saveAs(path);
}
