// The walks through the console of this machine.
async function paired({ open, facts }, name, options) {
  const origin = `http://${facts.name}:${facts[`${name}.port`]}`;
  const it = await open({ origin, ...options });
  await it.page.goto(`${origin}/`);
  return { ...it, code: facts[`${name}.code`] };
}

// Types a sentence; the plan forms by itself with scripts, and by the button without.
async function planned(it, sentence) {
  const { page } = it;
  await page.getByRole("link", { name: "Ask", exact: true }).click();
  await page.getByLabel("The sentence").pressSequentially(sentence);
  if (!it.scripts) await page.getByRole("button", { name: "Plan" }).click();
  await page.getByRole("heading", { name: "Understood" }).waitFor();
  // What was typed last: the plan of a part of it may stand there before.
  await page.locator(`input[type=hidden][name=q][value="${sentence}"]`).waitFor({ state: "attached" });
}

// Sentence, review, send.
async function sent(stage, it, name, was, next) {
  const { expect, check } = stage, { page } = it;
  await planned(it, `rename the campaign ${was} to ${next}`);
  const words = await page.locator(".said").innerText();
  expect(`${name}: the words stand in the colours of their values`, await page.locator(".said span[class]").count() >= 2, words);
  await check(it, `${name}-plan`);
  await page.getByRole("button", { name: "Review and send…" }).click();
  const text = await page.locator("main").innerText();
  expect(`${name}: the request, and the name before and after`, text.includes("PATCH ") && text.includes(was) && text.includes(next), text);
  await check(it, `${name}-review`);
  await page.getByRole("button", { name: "Send it" }).click();
  await page.getByRole("heading", { name: "What was done" }).waitFor();
  expect(`${name}: it was sent`, /updateCampaign[\s\S]*200/.test(await page.locator("main").innerText()), await page.locator("main").innerText());
  await check(it, `${name}-sent`);
}

// A read, and its answer as a table.
async function read(stage, it, name) {
  const { expect, check } = stage, { page } = it;
  await planned(it, "list the active campaigns");
  await page.getByRole("button", { name: "Send", exact: true }).click();
  await page.getByRole("heading", { name: "What was done" }).waitFor();
  expect(`${name}: the answer is a table`, await page.getByRole("columnheader", { name: "name", exact: true }).count() > 0);
  await check(it, `${name}-answer`);
}

// Which of 40 rows failed? Send those again.
async function again(stage, it, name) {
  const { expect, check } = stage, { page } = it;
  await page.getByRole("link", { name: "Log", exact: true }).click();
  await page.getByLabel("failed first").check();
  await page.getByLabel("Words").fill(`${name.replace("local-", "")}.csv`);
  await page.getByRole("button", { name: "Show" }).click();
  await check(it, `${name}-log`);
  await page.locator("tbody a").first().click();
  const text = await page.locator("section").first().innerText();
  expect(`${name}: 36 rows done and 4 not, with the reason`, /36 rows done, 4 not/.test(text) && /404/.test(text), text);
  await check(it, `${name}-batch`);
  await page.getByRole("button", { name: "Send these 4 rows again…" }).click();
  await page.getByRole("button", { name: "Send all 4" }).waitFor();
  await check(it, `${name}-again`);
  await page.getByRole("button", { name: "Send all 4" }).click();
  await page.getByRole("heading", { name: "What was done" }).waitFor();
  expect(`${name}: those 4 were sent again`, await page.locator("tbody tr", { hasText: "404" }).count() === 4);
}

// What did last week cost?
async function cost(stage, it, name) {
  const { expect, check } = stage, { page } = it;
  await page.getByRole("link", { name: "Costs", exact: true }).click();
  const text = await page.locator("main").innerText();
  expect(`${name}: the dollars of last week, by day and model`, /\$0\.\d{4}/.test(text) && /claude/.test(text), text);
  await check(it, `${name}-costs`);
}

// An MCP question that waits.
async function answered(stage, it, name) {
  const { expect, check } = stage, { page } = it;
  await page.getByRole("link", { name: /^Waiting/ }).click();
  await check(it, `${name}-waiting`);
  await page.locator("tbody a").first().click();
  expect(`${name}: the exact request`, /PATCH/.test(await page.locator("pre").innerText()), await page.locator("pre").innerText());
  await check(it, `${name}-question`);
  await page.getByRole("button", { name: "Send it" }).click();
  const text = await page.locator("main").innerText();
  expect(`${name}: the question is sent, or its item had changed and nothing was`, /answered 200|nothing was sent/.test(text), text);
  await check(it, `${name}-answered`);
}

async function walk(stage, theme, options, was, next) {
  const { check } = stage, name = `local-${theme}`, it = await paired(stage, theme, options);
  await check(it, `${name}-pair`);
  await it.page.getByLabel("Code").fill(it.code);
  await it.page.getByRole("button", { name: "Pair" }).click();
  await sent(stage, it, name, was, next);
  await read(stage, it, name);
  await answered(stage, it, name);
  await again(stage, it, name);
  await cost(stage, it, name);
  await it.page.getByRole("link", { name: "APIs", exact: true }).click();
  await check(it, `${name}-apis`);
  await it.page.locator("tbody a").first().click();
  await check(it, `${name}-api`);
  await it.end();
}

export default async function walks(stage) {
  const names = ["Summer Sale", "Rain Boots", "Red Vase", "Blue Vase", "Green Vase"];
  const looks = { light: {}, dark: { theme: "dark" }, narrow: { width: 390 }, "no-scripts": { scripts: false } };
  for (const [index, [theme, options]] of Object.entries(looks).entries()) await walk(stage, theme, options, names[index], names[index + 1]);
}
