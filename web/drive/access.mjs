// node drive/access.mjs: problems for who cannot see colour or use a mouse, a JSON list: contrast under WCAG AA, what the keyboard does not
// reach or shows no focus on, controls without a name, a page wider than 360 px, movement for who wants none.
import { openDemo } from "./browser.mjs";

const problems = [];
for (const colorScheme of ["light", "dark"]) {
  const demo = await openDemo({ context: { colorScheme, viewport: { width: 360, height: 740 }, reducedMotion: "reduce" } });
  const { page } = demo;
  await page.locator("summary").click();
  await page.locator("#example").selectOption("clips/13-hasStartTimerIntent.flac");
  await page.locator("#fast").check();
  await page.locator("#play").click();
  await demo.next("finished");
  await page.waitForTimeout(1_000);
  problems.push(...(await page.evaluate(inspect)).map((problem) => `${colorScheme}: ${problem}`));
  await page.evaluate(() => { // from the top, wherever the mouse was
    const title = document.querySelector("h1");
    title.tabIndex = -1;
    title.focus();
  });
  const reached = new Set();
  for (let n = 0; n < 30; n++) {
    await page.keyboard.press("Tab");
    const [name, outline] = await page.evaluate(() => {
      const element = document.activeElement;
      const seen = element.id === "file" ? element.parentElement : element;
      return [element.id || element.tagName, getComputedStyle(seen).outlineStyle];
    });
    if (name === "BODY") break;
    if (outline === "none") problems.push(`${colorScheme}: no focus is seen on ${name}`);
    reached.add(name);
  }
  for (const id of ["listen", "file", "example", "play", "save", "events", "form", "processor", "fast"]) {
    if (!reached.has(id)) problems.push(`${colorScheme}: the keyboard does not reach ${id}`);
  }
  problems.push(...demo.errors);
  await demo.close();
}
console.log(JSON.stringify(problems));

/** In the page: returns what is wrong with its colours, names, width and movement. */
function inspect() {
  const found = [];
  const numbers = (colour) => colour.match(/[\d.]+/g).map(Number);
  const over = ([r, g, b, a = 1], under) => [r, g, b].map((value, index) => value * a + under[index] * (1 - a));
  const background = (element) => {
    const base = element.parentElement ? background(element.parentElement) : [255, 255, 255];
    return over(numbers(getComputedStyle(element).backgroundColor), base);
  };
  const luminance = (colour) => colour.slice(0, 3).map((value) => value / 255)
    .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4))
    .reduce((sum, value, index) => sum + value * [0.2126, 0.7152, 0.0722][index], 0);
  const contrast = (one, other) => {
    const [low, high] = [luminance(one), luminance(other)].sort((left, right) => left - right);
    return (high + 0.05) / (low + 0.05);
  };
  const told = document.querySelector("#heads .was");
  told.classList.replace("was", "told"); // as it looks while it is lit
  for (const element of document.querySelectorAll("body *")) {
    const words = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
    const ratio = contrast(numbers(getComputedStyle(element).color), background(element));
    if (words && ratio < 4.5) found.push(`contrast ${ratio.toFixed(1)} of ${element.className || element.id || element.tagName}`);
  }
  for (const bar of document.querySelectorAll(".fill, .peak, .mark:not(.lower)")) {
    const ratio = contrast(numbers(getComputedStyle(bar).backgroundColor), background(bar.parentElement));
    if (ratio < 3 && !bar.classList.contains("mark")) found.push(`contrast ${ratio.toFixed(1)} of a ${bar.className}`);
  }
  for (const control of document.querySelectorAll("button, select, input")) {
    if (!control.textContent.trim() && !control.labels?.length) found.push(`${control.id} has no name`);
  }
  if (document.documentElement.scrollWidth > innerWidth) found.push(`the page is ${document.documentElement.scrollWidth} px wide`);
  if (getComputedStyle(document.querySelector(".fill")).transitionDuration !== "0s") found.push("bars move");
  if (!/heard/.test(told.textContent)) found.push("a lit head is told by colour only");
  return found;
}
