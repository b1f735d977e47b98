// Clicks through the panel in Chromium and prints a line of JSON for each thing that should hold.
//
//   node drive.mjs CHROMIUM DESCRIPTION SCREENSHOTS NLAPI
import { createServer } from "node:http";
import { readFile } from "node:fs/promises";
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { chromium } from "playwright-core";
import axeCore from "axe-core";

const [executablePath, description, screenshots, nlapi] = process.argv.slice(2);
const here = new URL(".", import.meta.url);
const ERAS = { "2025-11-25": "legacy", "2026-07-28": { pin: "2026-07-28" } };
// The policy of the specification for a panel that asks for none.
const POLICY = "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
  "media-src 'self' data:; connect-src 'none'; frame-src 'self'; object-src 'none'";
const NAME = "<img src=x onerror=\"document.getElementById('yes').click()\"><script>document.getElementById('yes').click()</script>\u202e";

const expect = (name, holds, seen = "") => console.log(JSON.stringify({ name, holds: Boolean(holds), seen: holds ? "" : seen }));
const listen = server => new Promise(resolve => server.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${server.address().port}`)));
const pages = policy => createServer(async (request, response) => {
  const file = new URL(request.url, "http://x").pathname.slice(1);
  const content = await readFile(new URL(file, here)).catch(() => "");
  response.writeHead(content ? 200 : 404, { "content-type": file.endsWith(".js") ? "text/javascript" : "text/html", ...policy });
  response.end(content);
});

let note = { id: "7", name: "Winter Boots", place: "attic" };
const changes = [];
const api = createServer((request, response) => {
  let body = "";
  request.on("data", part => { body += part; });
  request.on("end", () => {
    if (request.method !== "GET") {
      changes.push(body);
      note = { ...note, ...JSON.parse(body || "{}") };
    }
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify(note));
  });
});
const [apiUrl, hostUrl, sandboxUrl] = await Promise.all([api, pages({}), pages({ "content-security-policy": POLICY })].map(listen));
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });

async function opened(era, { theme = "light", width = 700, values = { name: NAME }, isFrozen = false } = {}) {
  const capabilities = { extensions: { "io.modelcontextprotocol/ui": { mimeTypes: ["text/html;profile=mcp-app"] } } };
  const client = new Client({ name: "host", version: "1" }, { capabilities, versionNegotiation: { mode: ERAS[era] } });
  const words = ["mcp", description, "--base-url", apiUrl];
  await client.connect(new StdioClientTransport({ command: nlapi, args: words, env: process.env, stderr: "ignore" }));
  const context = await browser.newContext({ viewport: { width, height: 900 }, colorScheme: theme });
  const page = await context.newPage();
  if (isFrozen) await page.clock.install();
  if (isFrozen) await page.clock.pauseAt(Date.now() + 60_000);
  const foreign = [], faults = [];
  page.on("request", request => { if (![hostUrl, sandboxUrl].includes(new URL(request.url()).origin)) foreign.push(request.url()); });
  page.on("pageerror", error => faults.push(String(error)));
  await page.exposeFunction("callTool", params => client.callTool(params));
  await page.goto(`${hostUrl}/host.html?theme=${theme}&sandbox=${sandboxUrl}`);
  const { contents: [{ text: html }] } = await client.readResource({ uri: "ui://nlapi/consent" });
  const call = { name: "updateNote", arguments: { id: "7", ...values } };
  const result = await client.callTool(call);
  const before = changes.length;
  await page.evaluate(([html, values, result]) => show(html, values, result), [html, call.arguments, result]);
  const panel = page.frameLocator("iframe[title=panel]").last().frameLocator("iframe");
  await panel.locator("#title").filter({ hasNotText: "Reading" }).waitFor();
  const ticket = result.structuredContent.ticket;
  const end = async () => { await context.close(); await client.close(); };
  const outcome = async () => (await client.callTool({ name: "outcome", arguments: { ticket } })).structuredContent;
  return { client, page, panel, html, call, result, foreign, faults, end, outcome, sent: () => changes.length - before, inner: page.frames().at(-1) };
}

const yes = panel => panel.locator("#yes:enabled");
const withoutSpaces = text => text.replaceAll(/\s/g, "");
const state = panel => panel.locator("#state").innerText();

for (const era of Object.keys(ERAS)) {
  let it = await opened(era);
  expect(`${era}: before a click nothing is sent`, it.sent() === 0);
  await yes(it.panel).waitFor();
  const shown = (await it.panel.locator("#question").innerText()).split("\n").slice(1).join("").replaceAll("  ", "");
  await it.page.screenshot({ path: `${screenshots}/panel-${era}.png` });
  expect(`${era}: markup in a value is text, and a script in it does not run`, it.sent() === 0 && shown.includes("<script>"), shown);
  await it.inner.evaluate(() => document.getElementById("yes").click());
  expect(`${era}: a click by a script is none`, it.sent() === 0);
  await yes(it.panel).click();
  await it.panel.locator("#state").filter({ hasText: "Sent" }).waitFor();
  expect(`${era}: a yes sends one request`, it.sent() === 1 && (await state(it.panel)) === "Sent: the API answered 200.", await state(it.panel));
  const sent = changes.at(-1).replace("\u202e", "\\u202e");
  expect(`${era}: what was sent is what was shown`, withoutSpaces(shown).includes(withoutSpaces(sent)), shown);
  expect(`${era}: the model is told where the answer is, and no data`, await it.page.evaluate(() => told.length === 2 && !told.join().includes("Boots")));
  expect(`${era}: outcome has the answer of the API`, (await it.outcome()).data.name === NAME.replace("\u202e", ""));
  await it.page.evaluate(([html, values, result]) => show(html, values, result), [it.html, it.call.arguments, it.result]);
  const again = it.page.frameLocator("iframe[title=panel]").last().frameLocator("iframe");
  await again.locator("#title").filter({ hasText: "Nothing to agree to" }).waitFor();
  expect(`${era}: a conversation that is opened again asks nothing`, it.sent() === 1 && await again.locator("#yes").isHidden());
  expect(`${era}: no request leaves the panel, and no script fails`, !it.foreign.length && !it.faults.length, it.foreign.concat(it.faults).join());
  await it.end();

  it = await opened(era, { theme: "dark", width: 390, values: { place: "cellar" } });
  await yes(it.panel).waitFor();
  await it.page.screenshot({ path: `${screenshots}/panel-${era}-dark.png` });
  expect(`${era}: before and after are shown`, (await it.panel.locator("#rows tbody").innerText()).split(/\s+/).join(" ") === 'place "attic" "cellar"', await it.panel.locator("#rows tbody").innerText());
  expect(`${era}: it fits 390 pixels`, await it.inner.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await it.panel.locator("#no").focus();
  await it.page.keyboard.press("Enter");
  await it.panel.locator("#state").filter({ hasText: "declined" }).waitFor();
  expect(`${era}: a no by keyboard sends nothing`, it.sent() === 0 && (await it.outcome()).state === "declined");
  await it.end();

  it = await opened(era, { isFrozen: true });
  await it.panel.locator("#yes").click({ force: true });
  await it.page.clock.runFor(700);
  expect(`${era}: a click before the button is ready is none`, it.sent() === 0 && await it.panel.locator("#yes").isDisabled());
  await it.page.clock.runFor(200);
  await yes(it.panel).waitFor();
  expect(`${era}: and then it is`, it.sent() === 0);
  await it.end();

  it = await opened(era);
  await yes(it.panel).waitFor();
  await it.page.evaluate(() => {
    const cover = document.createElement("div");
    cover.style.cssText = "position: fixed; inset: 0; background: #fff; opacity: .98; pointer-events: none";
    document.body.append(cover);
  });
  await it.panel.locator("#yes:disabled").waitFor();
  expect(`${era}: under a page laid over it the button is off`, it.sent() === 0);
  await it.end();

  it = await opened(era, { values: { place: "roof" } });
  await yes(it.panel).waitFor();
  note = { ...note, place: "garden" };
  await yes(it.panel).click();
  await it.panel.locator("#state").filter({ hasText: "no longer what" }).waitFor();
  expect(`${era}: what has changed since it was shown is not sent`, it.sent() === 0);
  note = { ...note, place: "attic" };
  await it.end();

  it = await opened(era);
  const { ticket } = it.result.structuredContent;
  const decide = values => it.client.callTool({ name: "nlapi_decide", arguments: { ticket, answer: "yes", ...values } });
  const review = (await it.client.callTool({ name: "nlapi_review", arguments: { ticket } })).structuredContent;
  const refused = await decide({ digest: review.digest, token: `guess.${review.half}` });
  expect(`${era}: a model with all but the metadata cannot answer`, refused.isError && it.sent() === 0 && (await it.outcome()).state === "withdrawn");
  await it.end();
}

for (const theme of ["light", "dark"]) {
  const it = await opened("2025-11-25", { theme });
  await yes(it.panel).waitFor();
  await it.inner.evaluate(axeCore.source);
  const { violations } = await it.inner.evaluate(() => axe.run(document));
  expect(`${theme}: axe finds no fault`, !violations.length, violations.map(entry => entry.id).join());
  await it.end();
}
await browser.close();
[api].forEach(server => server.close());
process.exit(0);
