// A page of a host: it shows a panel in a sandbox of another origin, by the bridge that hosts use. What it does for the panel
// goes through `callTool`, which the driver gives it; what it would tell a model is in `told`.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

const search = new URLSearchParams(location.search);
window.told = [];

window.show = async (html, toolArguments, result) => {
  const frame = document.createElement("iframe");
  frame.title = "panel";
  frame.setAttribute("sandbox", "allow-scripts allow-same-origin allow-forms");
  const ready = new Promise(resolve => addEventListener("message", function listen(event) {
    if (event.source !== frame.contentWindow || event.data?.method !== "ui/notifications/sandbox-proxy-ready") return;
    removeEventListener("message", listen);
    resolve();
  }));
  frame.src = `${search.get("sandbox")}/sandbox.html`;
  document.querySelector("main").append(frame);
  await ready;
  const capabilities = { serverTools: {}, message: { text: {} }, updateModelContext: { text: {} } };
  const hostContext = { theme: search.get("theme"), displayMode: "inline" };
  const bridge = new AppBridge(null, { name: "host", version: "1" }, capabilities, { hostContext });
  bridge.onmessage = async params => { told.push(params.content[0].text); return {}; };
  bridge.onupdatemodelcontext = async params => { told.push(params.content[0].text); return {}; };
  bridge.onsizechange = ({ height }) => { if (height) frame.style.height = `${height}px`; };
  const initialized = new Promise(resolve => { bridge.oninitialized = resolve; });
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  bridge.oncalltool = params => callTool(params);
  await bridge.sendSandboxResourceReady({ html });
  await initialized;
  await bridge.sendToolInput({ arguments: toolArguments });
  await bridge.sendToolResult(result);
};
