// The pages of a gateway: "see a bad canary, roll it back, undo", "why did this user get v2 then".
//
//   node gateway.mjs CHROMIUM SCREENSHOTS {"url", "token", "request", "viewer"}
import { clean, close, expect, given, looked, opened, shot } from "./page.mjs";

const base = `${given.url}/console`;
const signIn = async (it, token) => {
  await it.page.getByLabel("Token").fill(token);
  await it.page.getByRole("button", { name: "Sign in" }).click();
};

for (const javaScriptEnabled of [true, false]) {
  const how = javaScriptEnabled ? "gateway" : "gateway without scripts";
  const it = await opened(`${base}/`, { javaScriptEnabled });
  expect(`${how}: nothing is told before the sign-in`, !(await it.text()).includes("continue-watching"), await it.text());
  await signIn(it, "wrong-token-of-nobody");
  expect(`${how}: a wrong token is refused in words`, await it.page.getByRole("alert").isVisible());
  it.faults.length = 0; // the browser notes the 401
  await signIn(it, given.token);
  await it.page.getByRole("heading", { name: "Objectives", exact: true }).waitFor();
  const address = it.page.url() + await it.page.content();
  expect(`${how}: the token is in no page and no address`, !address.includes(given.token));

  const canary = it.page.locator("article").filter({ hasText: "ranker-v2" });
  expect(`${how}: the first page shows the canary with its errors`, (await canary.innerText()).includes("errors"), await it.text());
  if (javaScriptEnabled) await shot(it, "gateway-canary");
  await canary.getByRole("button", { name: "Roll back…" }).click();
  await it.page.getByLabel(/Reason/).fill("too many false alarms");
  await it.page.getByRole("button", { name: "Send it" }).click(); // the reason is shown in the request first
  const review = await it.text();
  expect(`${how}: the review has the request and its digest`, review.includes("/v1/canaries/ranker-v2/rollback") && review.includes("sha256"), review);
  if (javaScriptEnabled) await shot(it, "gateway-review");
  await it.page.getByRole("button", { name: "Send it" }).click();
  expect(`${how}: a yes rolls it back`, (await it.text()).startsWith("Done"), await it.text());
  await it.page.reload();
  await it.page.getByRole("button", { name: /^Undo/ }).click();
  await it.page.getByRole("button", { name: "Send it" }).click();
  expect(`${how}: and it is undone`, (await it.text()).startsWith("Done"), await it.text());
  await it.page.goto(`${base}/`);
  expect(`${how}: the canary runs again`, (await canary.first().innerText()).includes("running"), await it.text());

  await it.page.getByRole("link", { name: "Revisions", exact: true }).click();
  expect(`${how}: the reason stands in the revisions`, (await it.text()).includes("too many false alarms"), await it.text());

  await it.page.goto(`${base}/decisions`);
  await it.page.getByLabel("Id of a request").fill(given.request);
  await it.page.getByRole("button", { name: "Show" }).click();
  const why = await it.text();
  expect(`${how}: a decision says why, by the rules of then`, /Why ranker@v2/.test(why) && why.includes("canary") && why.includes("decided"), why);
  if (javaScriptEnabled) {
    await shot(it, "gateway-decision");
    await looked("gateway", it, base, ["/", "/objectives/continue-watching", "/decisions", "/revisions", "/revisions/2", "/spend", "/shards", "/audit"]);
  }
  clean(how, it);
  await it.context.close();
}

const viewer = await opened(`${base}/`);
await signIn(viewer, given.viewer);
await viewer.page.getByRole("heading", { name: "Objectives", exact: true }).waitFor();
expect("gateway: a viewer's pages have nothing to change", (await viewer.page.getByRole("button", { name: "Roll back…" }).count()) === 0);
await close();
