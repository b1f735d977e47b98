// The pages of `nlapi console`: "sentence, review, send", what waits, "which of 40 rows failed, send those again", costs.
//
//   node local.mjs CHROMIUM SCREENSHOTS {"url", "code", "nlapi", "api", "sent"}
import { Client } from "@modelcontextprotocol/client";
import { StdioClientTransport } from "@modelcontextprotocol/client/stdio";
import { clean, close, expect, given, looked, opened, shot } from "./page.mjs";

const base = given.url.replace(/\/$/, "");
const campaign = async () => (await (await fetch(`${given.api}/campaigns/cmp_7h2k9q4m`, { headers: { authorization: "Bearer x" } })).json());

const it = await opened(`${base}/`);
expect("console: nothing is told before the pairing", !(await it.text()).includes("What do you want"), await it.text());
const other = await opened(`${base}/`);
await it.page.getByLabel("Code").fill("zzzz-zzzz");
await it.page.getByRole("button", { name: "Pair" }).click();
expect("console: a wrong code pairs nothing", await it.page.getByRole("alert").isVisible(), await it.text());
it.faults.length = 0;
await it.page.getByLabel("Code").fill(given.code);
await it.page.getByRole("button", { name: "Pair" }).click();
await it.page.getByRole("heading", { name: "What do you want?" }).waitFor();
await other.page.goto(`${base}/log`);
expect("console: another browser stays outside", !(await other.text()).includes("conversation"), await other.text());
await other.context.close();

// A question's page reloads itself until the answer is there.
const over = () => it.page.locator("#run h1 + .state").filter({ hasText: /done|stopped/ }).waitFor().catch(async () => expect("console: an answer comes", false, await it.text()));

// A sentence, its plan as it is typed, the review, the yes.
const before = (await campaign()).status;
await it.page.getByLabel("The sentence").pressSequentially("list the active campaigns", { delay: 5 });
await it.page.locator("#plan").getByText("listCampaigns").first().waitFor();
await shot(it, "console-plan");
await it.page.getByRole("button", { name: "Send", exact: true }).click();
await over();
expect("console: a read is shown as a table", (await it.text()).includes("cmp_"), await it.text());
await shot(it, "console-answer");
await it.page.goto(`${base}/`);
const wanted = before === "PAUSED" ? "ACTIVE" : "PAUSED";
await it.page.getByLabel("The sentence").fill(`set the status of campaign cmp_7h2k9q4m to ${wanted.toLowerCase()}`);
await it.page.getByRole("button", { name: "Plan", exact: true }).click();
await it.page.getByRole("button", { name: "Review and send…" }).click();
await it.page.getByRole("button", { name: "Send it" }).waitFor();
expect("console: before the yes nothing has changed", (await campaign()).status === before);
const review = await it.text();
expect("console: the review has the request and before -> after", review.includes("PATCH") && review.includes(before) && review.includes(wanted), review);
await shot(it, "console-review");
await it.page.getByRole("button", { name: "Send it" }).click();
await over();
expect("console: a yes sends it", (await campaign()).status === wanted, await it.text());
await it.page.reload();
expect("console: it is in the log", (await it.text()).includes("In the log"), await it.text());

// A change of an MCP server whose client cannot ask.
const client = new Client({ name: "host", version: "1" }, { capabilities: {} });
const words = ["mcp", "adverts"];
await client.connect(new StdioClientTransport({ command: given.nlapi, args: words, env: process.env, stderr: "ignore" }));
const call = { name: "change", arguments: { operation: "updateCampaign", arguments: { campaign_id: "cmp_7h2k9q4m", name: "<b>Rain</b>\u202e Boots" } } };
const answer = await client.callTool(call);
const told = answer.content.map(part => part.text).join(" ");
expect("console: an answer to a model names the page", told.includes(base.replace(/^https?:\/\//, "")) || told.includes("console"), told);
await it.page.goto(`${base}/waiting`);
await it.page.getByRole("link", { name: /updateCampaign/ }).click();
const question = await it.text();
expect("console: markup in a value is text", question.includes("<b>Rain</b>"), question);
await shot(it, "console-waiting");
await it.page.getByRole("button", { name: "Send it" }).click();
await it.page.locator("main").getByText("200").first().waitFor();
expect("console: a waiting change is sent once", (await campaign()).name.startsWith("<b>Rain</b>"));
await it.page.goto(`${base}/waiting`);
expect("console: nothing waits any more", (await it.text()).includes("Nothing waits"), await it.text());
await client.close();

// Which of 40 rows failed?
await it.page.goto(`${base}/log`);
await it.page.getByLabel("failed first").check();
await it.page.getByRole("button", { name: "Show" }).click();
await it.page.locator("tbody a").first().click();
const batch = await it.text();
expect("console: the batch names the rows that failed", batch.includes("37 rows done, 3 not"), batch);
await shot(it, "console-batch");
await it.page.getByRole("button", { name: /^Send these 3 rows again/ }).click();
await it.page.getByRole("button", { name: /^Send/ }).first().waitFor({ timeout: 10_000 }).catch(() => {});
expect("console: they are reviewed first", (await it.text()).includes("Exactly this is sent"), await it.text());
await it.page.getByRole("button", { name: "Send all 3" }).click();
await over();
expect("console: and sent again", await it.page.locator("tbody tr", { hasText: "404" }).count() === 3, await it.text());

await it.page.goto(`${base}/costs?since=7d`);
expect("console: what did last week cost", /\$0\.\d{4}/.test(await it.text()) && /claude/.test(await it.text()), await it.text());
await looked("console", it, base, ["/", "/waiting", "/log", "/costs", "/apis"]);
clean("console", it);

await it.context.storageState({ path: `${process.env.HOME_OF_WALK}/state.json` });
await close();
