// node drive/offline.mjs WAV: loads the demo, takes its server away, loads it again and scores a file. One JSON object: told (what the page
// says about being offline), requests (addresses that were asked for, other hosts too), scores.
import { forget, heard, openDemo } from "./browser.mjs";

const demo = await openDemo();
try {
  const { page, next } = demo;
  const requests = [];
  demo.context.on("request", (request) => requests.push(request.url()));
  await page.waitForFunction(() => document.getElementById("offline").textContent !== "not yet");
  const told = await page.locator("#offline").textContent();
  await demo.server.close();
  await page.reload();
  const opened = await next("opened");
  await page.locator("summary").click();
  await page.locator("#fast").check();
  await forget(page);
  await page.locator("#file").setInputFiles(process.argv[2]);
  await next("finished");
  console.log(JSON.stringify({ told, address: demo.server.address, requests, ...(await heard(page, opened.heads)) }));
  if (demo.errors.length) throw new Error(demo.errors.join("\n"));
} finally {
  await demo.close();
}
