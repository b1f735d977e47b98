// Calls a gateway by lines of JSON on standard input, and answers each with a line.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [file, url, token] = process.argv.slice(2);
const { GatewayClient } = await import(pathToFileURL(file).href);
let offset = 0;
const client = new GatewayClient(url, token, { now: () => performance.now() + offset });
for await (const line of createInterface({ input: process.stdin })) {
  const { call, args = [], later } = JSON.parse(line);
  if (later) offset += later;
  try {
    const answer = call === "revision" ? client.revision : call ? await client[call](...args) : null;
    console.log(JSON.stringify({ answer }));
  } catch (error) {
    console.log(JSON.stringify({ error: { status: error.status, code: error.code, message: error.message } }));
  }
}
client.close();
