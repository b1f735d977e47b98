// What the walks share: a browser, pages that report what they load and log, and checks that print a line of JSON each.
import { chromium } from "playwright-core";
import axeCore from "axe-core";

const [executablePath, screenshots, settings] = process.argv.slice(2);
export const given = JSON.parse(settings);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
export const close = () => browser.close();

export const expect = (name, holds, seen = "") => console.log(JSON.stringify({ name, holds: Boolean(holds), seen: holds ? "" : String(seen) }));

// A page in a browser of its own. `faults` are messages of its console, `foreign` requests to any other origin.
export async function opened(url, { theme = "light", width = 1240, javaScriptEnabled = true } = {}) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: theme, javaScriptEnabled });
  const page = await context.newPage();
  const faults = [], foreign = [];
  const { origin } = new URL(url);
  page.on("console", message => { if (["error", "warning"].includes(message.type())) faults.push(message.text()); });
  page.on("pageerror", error => faults.push(String(error)));
  page.on("request", request => { if (new URL(request.url()).origin !== origin) foreign.push(request.url()); });
  await page.goto(url);
  return { page, context, faults, foreign, text: () => page.locator("main").innerText() };
}

// Looks at pages in both themes and at the width of a telephone.
export async function looked(name, it, base, paths) {
  const quiet = [];
  for (const path of paths) {
    for (const theme of ["light", "dark"]) {
      await it.page.emulateMedia({ colorScheme: theme });
      await it.page.goto(base + path);
      const file = `${name}${path.replaceAll(/[^a-z]+/g, "-").replace(/-$/, "") || "-first"}-${theme}.png`;
      await it.page.screenshot({ path: `${screenshots}/${file}`, fullPage: true });
      // The page's own policy lets nothing be added to it; the debugger's evaluation is not of the page.
      await it.page.evaluate(axeCore.source);
      const violations = await it.page.evaluate(() => axe.run().then(found => found.violations.map(one => `${one.id}: ${one.nodes[0].html.slice(0, 120)}`)));
      expect(`${name}: ${path} has no violation that axe finds, ${theme}`, violations.length === 0, violations.join("; "));
    }
    await it.page.emulateMedia({ colorScheme: "light" });
    await it.page.setViewportSize({ width: 390, height: 800 });
    const sideways = await it.page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
    if (sideways > 1) quiet.push(`${path}: ${sideways} px`);
    await it.page.setViewportSize({ width: 1240, height: 860 });
  }
  expect(`${name}: no page is wider than a telephone`, quiet.length === 0, quiet.join(", "));
}

export function clean(name, it) {
  expect(`${name}: nothing comes from elsewhere`, it.foreign.length === 0, it.foreign.join(", "));
  expect(`${name}: the browser has nothing to complain of`, it.faults.length === 0, it.faults.join("; "));
}

export const shot = (it, name) => it.page.locator("body").screenshot({ path: `${screenshots}/${name}.png` });
