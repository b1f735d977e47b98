"""The same as probe.py for mcpify (PyPI `mcpify-openapi`), to be run with a Python that has it."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
import probe


def warm_up() -> None:
    import mcpify.api_server  # type: ignore[import-not-found]

    del mcpify


def load() -> Any:
    from mcpify.spec import load_spec  # type: ignore[import-not-found]
    from mcpify.tools import spec_to_tools  # type: ignore[import-not-found]

    spec = load_spec(probe.JOB["path"])
    tools = spec_to_tools(spec)
    if not tools:
        raise ValueError("no operation can be used")
    probe.SEEN["tools"] = [probe.tool_seen({"input_schema": tool["inputSchema"], **tool}) for tool in tools[:200]]
    return spec


def call(spec: Any, operation: str, arguments: dict[str, Any]) -> None:
    from mcpify.api_server import ApiServer
    from mcpify.tools import AuthConfig, slugify

    job = probe.JOB
    default = next((server.get("url", "") for server in spec.get("servers", ()) if isinstance(server, dict)), "")
    base = default if job["action"] == "call_default" else job["base"]
    os.environ["CANARY"] = job["canaries"][0 if job["auth"] == "bearer" else 1]
    style = {"query_key": ("query", "api_key"), "header_key": ("header", "X-API-Key")}.get(
        job["auth"], ("bearer", None)
    )
    server = ApiServer(spec, base, auth=AuthConfig("CANARY", *style) if job["auth"] else None)
    names = [tool["name"] for tool in server.tools]
    forms = (operation, slugify(operation), *(names if len(names) == 1 else ()))
    wanted = next((form for form in forms if form in names), operation)
    payload = server.run_tool(wanted, arguments)
    text = "".join(block.get("text", "") for block in payload["content"])
    if payload.get("isError"):
        raise RuntimeError(text[:3000])
    hidden = [char for char in text if unicodedata.category(char) == "Cf" or 0xE0000 <= ord(char) < 0xE0080]
    probe.SEEN["result"] = {
        "head": text[:3000],
        "bytes": len(text),
        "ctrl": any((ord(char) < 32 and char not in "\n\r\t") or 127 <= ord(char) < 160 for char in text),
        "hidden": bool(hidden),
        "strict": is_strict(text),
        "canary": any(canary in text for canary in job["canaries"]),
    }


def is_strict(text: str) -> bool:
    try:
        json.loads(text, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return True


probe.load, probe.call, probe.warm_up = load, call, warm_up

if __name__ == "__main__":
    probe.main()
