// Drives Chromium through a console, and prints a line of JSON for each thing that should hold.
//
//   node drive.mjs CHROMIUM SCREENSHOTS WALK < FACTS
//
// WALK.mjs exports a function of a stage: open(), expect(), check() and the facts.
import { chromium } from "playwright-core";
import { text } from "node:stream/consumers";
import axeCore from "axe-core";

const [executablePath, screenshots, walk] = process.argv.slice(2);
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const expect = (name, holds, seen = "") => console.log(JSON.stringify({ name, holds: Boolean(holds), seen: holds ? "" : String(seen) }));

// A browser of its own: `page`, and what went wrong in it so far.
async function open({ origin, theme = "light", width = 1240, scripts = true }) {
  const context = await browser.newContext({ viewport: { width, height: 860 }, colorScheme: theme, javaScriptEnabled: scripts });
  const page = await context.newPage();
  const faults = [];
  page.on("console", message => { if (["error", "warning"].includes(message.type())) faults.push(message.text()); });
  page.on("pageerror", error => faults.push(String(error)));
  page.on("request", request => { if (new URL(request.url()).origin !== origin) faults.push(`another host: ${request.url()}`); });
  page.setDefaultTimeout(10_000);
  return { page, faults, scripts, end: () => context.close() };
}

async function accessible(session, name) {
  await session.send("Runtime.evaluate", { expression: axeCore.source });
  const run = "axe.run().then(r => JSON.stringify(r.violations.map(v => [v.id, v.nodes.length, v.nodes[0].html.slice(0, 160)])))";
  const { result } = await session.send("Runtime.evaluate", { expression: run, awaitPromise: true });
  expect(`${name}: axe has nothing to say`, result.value === "[]", result.value);
}

// What holds of every page: no fault, nothing that axe finds, no sideways scrolling.
async function check(it, name) {
  await it.page.screenshot({ path: `${screenshots}/${name}.png`, fullPage: true });
  const session = await it.page.context().newCDPSession(it.page);
  // Without scripts the promise of axe is never settled.
  if (it.scripts) await accessible(session, name);
  const { result: wide } = await session.send("Runtime.evaluate", { expression: "document.documentElement.scrollWidth - innerWidth" });
  expect(`${name}: it does not scroll sideways`, wide.value <= 1, wide.value);
  expect(`${name}: no fault and no other host`, it.faults.length === 0, it.faults.join(" | "));
  it.faults.length = 0;
  await session.detach();
}

try {
  const { default: run } = await import(`./${walk}.mjs`);
  await run({ open, expect, check, facts: JSON.parse(await text(process.stdin)) });
} finally {
  await browser.close();
}
