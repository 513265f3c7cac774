// node drive/screenshots.mjs FOLDER: pictures of the demo while a head is lit: desktop and phone, light and dark.
import { join } from "node:path";
import { openDemo } from "./browser.mjs";

const EXAMPLE = "clips/13-hasStartTimerIntent.flac";
const SIZES = { desktop: { width: 1280, height: 800 }, phone: { width: 390, height: 844 } };
const TRIES = 5; // a busy machine may be late

for (const [device, viewport] of Object.entries(SIZES)) {
  for (const colorScheme of ["light", "dark"]) {
    const demo = await openDemo({ context: { viewport, colorScheme } });
    await demo.page.locator("#example").selectOption(EXAMPLE);
    let lit = false;
    for (let n = 0; !lit && n < TRIES; n++) {
      await demo.page.locator("#play").click();
      await demo.page.locator("#heads .told").first().waitFor();
      await demo.page.screenshot({ path: join(process.argv[2], `browser-${device}-${colorScheme}.png`) });
      lit = (await demo.page.locator("#heads .told").count()) > 0;
      await demo.page.locator("#play:enabled").waitFor();
    }
    if (!lit) throw new Error(`${device}, ${colorScheme}: no head was lit in any of ${TRIES} pictures`);
    await demo.close();
  }
}
