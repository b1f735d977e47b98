"""Runs one hostile case through nlapi's public faces: a job on stdin, an observation on stdout.

An audit hook records what is connected to, looked up, opened and started, and refuses everything but loopback.
"""

from __future__ import annotations

import ipaddress
import json
import re
import resource
import socket
import sys
import time
import unicodedata
from typing import Any

JOB = json.load(sys.stdin)
LIMIT = 6 << 30
SEEN: dict[str, Any] = {
    "stage": "start", "error": None, "tools": [], "result": None, "connects": [], "lookups": [], "opens": [],
    "exec": [], "seconds": 0.0, "rss_mb": 0.0, "warnings": [],
}  # fmt: skip
INTERNAL = {
    "KeyError", "AttributeError", "TypeError", "IndexError", "RecursionError", "UnboundLocalError", "AssertionError",
    "MemoryError", "NotImplementedError", "UnicodeEncodeError", "ValueError",
}  # fmt: skip
STARTS = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn")


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if SEEN["stage"] == "start":
        return
    if event == "socket.connect" and isinstance(arguments[1], tuple):
        SEEN["connects"].append(f"{arguments[1][0]}:{arguments[1][1]}")
        if not ipaddress.ip_address(arguments[1][0]).is_loopback:
            raise ConnectionRefusedError("only loopback is reached from here")
    elif event == "socket.getaddrinfo":
        host = arguments[0].decode() if isinstance(arguments[0], bytes) else str(arguments[0])
        SEEN["lookups"].append(host)
        if not re.fullmatch(r"[0-9a-fA-FxX.:\[\]]+|localhost|rebind\.test", host):
            raise socket.gaierror(-2, "nothing is looked up from here")
    elif event == "open" and ("canary" in str(arguments[0]) or str(arguments[0]).startswith("/etc/")):
        SEEN["opens"].append(str(arguments[0]))
    elif event in STARTS:
        SEEN["exec"].append(str(arguments)[:200])


def unpacked(value: Any) -> Any:
    """The job's stand-ins for values that JSON cannot hold."""
    if not isinstance(value, dict):
        return value
    if "$float" in value:
        return float(value["$float"])
    if "$repeat" in value:
        return "z" * value["$repeat"]
    if "$surrogate" in value:
        return "a\ud800b"
    if "$deep" in value:
        deep: dict[str, Any] = {}
        for _ in range(value["$deep"]):
            deep = {"a": deep}
        return deep
    return {key: unpacked(item) for key, item in value.items()}


def fault(error: BaseException, stage: str) -> None:
    text = str(error)
    SEEN["error"] = {
        "stage": stage,
        "type": type(error).__name__,
        "msg": text[:3000],
        "internal": type(error).__name__ in INTERNAL,
        "full_has_canary": any(canary in text for canary in JOB["canaries"]),
    }


def tool_seen(tool: dict[str, Any]) -> dict[str, Any]:
    from jsonschema import Draft202012Validator

    text = json.dumps(tool["input_schema"], allow_nan=False)
    Draft202012Validator.check_schema(tool["input_schema"])
    return {
        "name": tool["name"],
        "desc": tool["description"][:1500],
        "desc_len": len(tool["description"]),
        "hidden": sum(unicodedata.category(char) in ("Cf", "Co") for char in tool["description"]),
        "schema_bytes": len(text),
        "props": list(tool["input_schema"]["properties"])[:50],
        "ann": None,
        "schema_valid": True,
    }


def load() -> Any:
    import nlapi
    from nlapi.errors import DescriptionError

    spec = nlapi.load(JOB["path"])
    tools = nlapi.tools(spec)
    SEEN["warnings"] = [str(issue)[:300] for issue in spec.issues[:50]]
    if not tools:
        raise DescriptionError(f"no operation can be used: {spec.issues[0]}")
    doubled = [issue for issue in spec.parse_issues if "duplicate key" in issue.message]
    if doubled:
        raise DescriptionError(str(doubled[0]))
    SEEN["tools"] = [tool_seen(tool.as_dict("anthropic")) for tool in tools[:200]]
    SEEN["tools"] += [{"name": tool.name, "desc": "", "desc_len": 0, "hidden": 0} for tool in tools[200:]]
    return spec


def call(spec: Any, operation: str, arguments: dict[str, Any]) -> None:
    import nlapi
    from nlapi.client.truncate import truncate
    from nlapi.errors import NlapiError

    credentials = dict.fromkeys(spec.security_schemes, JOB["canaries"][0 if JOB["auth"] == "bearer" else 1])
    base = None if JOB["action"] == "call_default" else JOB["base"]
    result = nlapi.call(spec, operation, arguments, base_url=base, auth=credentials, yes=True)
    text = truncate(result)
    if not result.ok:
        raise NlapiError(f"the API answered {result.status}: {text[:500]}")
    invisible = [char for char in text if unicodedata.category(char) == "Cf" or 0xE0000 <= ord(char) < 0xE0080]
    SEEN["result"] = {
        "head": text[:3000],
        "bytes": len(text),
        "ctrl": any((ord(char) < 32 and char not in "\n\r\t") or 127 <= ord(char) < 160 for char in text),
        "hidden": bool(invisible),
        "strict": bool(json.loads(text, parse_constant=lambda _: 1 / 0)),
        "canary": any(canary in text for canary in JOB["canaries"]),
    }


def warm_up() -> None:
    """Import what takes time before the clock starts."""
    import nlapi.api

    del nlapi


def main() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (LIMIT, LIMIT))
    sys.addaudithook(watch)
    warm_up()
    started = time.time()
    SEEN["stage"] = "load"
    try:
        spec = load()
        SEEN["stage"] = "loaded"
        if JOB["action"] != "load":
            named = [JOB["op"]] if JOB["op"] else [operation.id for operation in spec.operations]
            for operation in named:
                call(spec, operation, unpacked(JOB["args"] or {}))
    except BaseException as error:  # the observation has to be made whatever happens
        fault(error, SEEN["stage"] if SEEN["stage"] == "load" else "call")
    SEEN["seconds"] = time.time() - started
    SEEN["rss_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    SEEN["stage"] = "start"
    print(json.dumps(SEEN, default=str))


if __name__ == "__main__":
    main()
