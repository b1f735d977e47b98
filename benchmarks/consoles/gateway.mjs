// The walks through the console of a gateway.
const home = facts => `${facts.url}/console/`;

async function signedIn({ open, facts }, options = {}, token = "ana") {
  const it = await open({ origin: new URL(facts.url).origin, ...options });
  await it.page.goto(home(facts));
  await it.page.getByLabel("Token").fill(facts[token]);
  await it.page.getByRole("button", { name: "Sign in" }).press("Enter");
  await it.page.getByRole("heading", { name: "Objectives" }).waitFor();
  return it;
}

// See a bad canary, roll it back, undo.
async function rolledBack(stage, name, options) {
  const { expect, check } = stage, it = await signedIn(stage, options), { page } = it;
  const canary = page.locator("article").filter({ hasText: "ranker-v2" });
  expect(`${name}: the canary is there with its figures`, /running/.test(await canary.innerText()) && /base v1/.test(await canary.innerText()), await canary.innerText());
  await check(it, `${name}-objectives`);
  await canary.getByRole("button", { name: "Roll back…" }).click();
  await page.getByLabel(/Reason/).fill("too many false alarms");
  await page.getByRole("button", { name: "Set the reason" }).click();
  const shown = await page.locator("pre").innerText();
  expect(`${name}: the exact request is shown`, shown.includes("rollback?why=too+many+false+alarms") && shown.includes("if-match"), shown);
  await check(it, `${name}-review`);
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByRole("heading", { name: /^Done/ }).waitFor();
  await check(it, `${name}-done`);
  await page.getByRole("button", { name: /^Undo/ }).click();
  expect(`${name}: the undo says what it brings back`, /rolled_back\s+running/.test(await page.locator("table").first().innerText()), await page.locator("table").first().innerText());
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByRole("heading", { name: /^Done/ }).waitFor();
  await page.getByRole("link", { name: "Revisions", exact: true }).click();
  expect(`${name}: the reason stands in the revisions`, (await page.locator("main").innerText()).includes("too many false alarms"));
  await check(it, `${name}-revisions`);
  await it.end();
}

// Why did this user get v2 then?
async function explained(stage, name, options) {
  const { expect, check, facts } = stage, it = await signedIn(stage, options, "vera"), { page } = it;
  await page.getByRole("link", { name: "Decisions", exact: true }).click();
  await check(it, `${name}-decisions`);
  await page.getByLabel("Id of a request").fill(facts.request);
  await page.getByRole("button", { name: "Show" }).click();
  const text = await page.locator("main").innerText();
  expect(`${name}: the steps of then`, /Why ranker@v2/.test(text) && /canary .* moved its 30 %/.test(text), text);
  await check(it, `${name}-decision`);
  await it.end();
}

export default async function walks(stage) {
  const { open, check, facts } = stage;
  const guest = await open({ origin: new URL(facts.url).origin });
  await guest.page.goto(home(facts));
  await check(guest, "sign-in");
  await guest.end();
  for (const [name, options] of Object.entries({ light: {}, dark: { theme: "dark" }, narrow: { width: 390 }, "no-scripts": { scripts: false } })) {
    await rolledBack(stage, `gateway-${name}`, options);
    await explained(stage, `gateway-${name}`, options);
  }
  const it = await signedIn(stage);
  for (const path of ["objectives/continue-watching", "spend", "shards", "audit", "revisions/2"]) {
    await it.page.goto(home(facts) + path);
    await check(it, `gateway-${path.replace("/", "-")}`);
  }
  await it.page.setViewportSize({ width: 390, height: 800 });
  for (const path of ["objectives/continue-watching", "spend", "shards", "audit", "revisions/2"]) {
    await it.page.goto(home(facts) + path);
    await check(it, `gateway-narrow-${path.replace("/", "-")}`);
  }
  await it.end();
}
