// node drive/microphone.mjs WAV SECONDS HEARD: a file plays as the microphone for some seconds; HEARD becomes what the page heard of it.
// One JSON object: seconds, scores, events, words (what a screen reader was told).
import { forget, heard, openDemo, saveHeard } from "./browser.mjs";

const [wav, seconds, path] = process.argv.slice(2);
const demo = await openDemo({ microphone: wav });
try {
  const { page, next, opened } = demo;
  await forget(page);
  await page.locator("#listen").press("Enter"); // by the keyboard
  await page.waitForTimeout(seconds * 1000);
  await page.locator("#stop").press("Enter");
  await next("finished");
  await saveHeard(page, path);
  console.log(JSON.stringify({ ...(await heard(page, opened.heads)), words: await page.locator("#spoken p").allTextContents() }));
  if (demo.errors.length) throw new Error(demo.errors.join("\n"));
} finally {
  await demo.close();
}
