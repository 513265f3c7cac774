// node drive/score.mjs [--form FILE] [--processor PROCESSOR] [--heard FOLDER] FILE…: what the demo hears in files that are chosen in the
// page as a visitor does. One JSON object a line: path, seconds, scores, events, as `inherentd score --json`; the first line tells what
// the model runs on and which files of dist/ were downloaded for it. --heard keeps what the page says it heard, NAME.wav each.
import { basename, join } from "node:path";
import { parseArgs } from "node:util";
import { forget, heard, openDemo, saveHeard } from "./browser.mjs";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { form: { type: "string" }, processor: { type: "string" }, heard: { type: "string" }, flag: { type: "string", multiple: true } },
});
const demo = await openDemo({ args: values.flag });
try {
  const { page, next } = demo;
  let { opened } = demo;
  await page.locator("summary").click();
  for (const id of ["form", "processor"]) {
    if (!values[id]) continue;
    await forget(page);
    await page.locator(`#${id}`).selectOption(values[id]);
    opened = await next("opened");
  }
  await page.locator("#fast").check();
  console.log(JSON.stringify({ words: opened.words, form: opened.form, downloads: [...new Set(demo.server.files)] }));
  for (const path of positionals) {
    await forget(page);
    await page.locator("#file").setInputFiles(path);
    await next("finished");
    if (values.heard) await saveHeard(page, join(values.heard, `${basename(path)}.wav`));
    console.log(JSON.stringify({ path, ...(await heard(page, opened.heads)) }));
  }
  if (demo.errors.length) throw new Error(demo.errors.join("\n"));
} finally {
  await demo.close();
}
