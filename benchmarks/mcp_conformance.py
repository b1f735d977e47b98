"""The official conformance suite against `nlapi mcp`: `python -m benchmarks.mcp_conformance --suite DIR`.

DIR is a checkout of modelcontextprotocol/conformance; it is copied to the cache folder, and npm fetches what it needs.
Each scenario that revision 2025-11-25 or 2026-07-28 requires of a server runs at that revision's wire form, over HTTP,
against an API whose operations have the names that the suite calls and the answers that it wants.

A server of an API has no tools that ask a model (sampling), list a client's folders (roots) or hold prompts of a
fixture: what such a scenario needs stands in NOT_APPLICABLE with the reason. Exits with 1 where any other scenario
fails, or where one of those passes. With `--fastmcp` the package of that name serves the same API beside it, in an
environment of its own, and its scenarios are counted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from benchmarks.environments import environment
from benchmarks.mcp_clients import NLAPI, programs
from benchmarks.npm import cache
from benchmarks.ports import free_port
from tests.servers import Echo, Received, Reply

REVISIONS: Final = ("2025-11-25", "2026-07-28")
LIMIT_S: Final = 400.0
_FIXTURE: Final = "a prompt or resource of the suite's own fixture; ours are of the API"
_ASKS: Final = "asks a client for what no call of an API needs; consent is asked for in a form of its own"
_PUSHES: Final = "an optional capability that is not declared: nothing here changes by itself"
_STREAMS: Final = "needs a tool that sends messages on its way; a call of an API has one answer"
_MIXES: Final = "needs one answer of several kinds; an answer of HTTP has one media type"
_TASKS: Final = "the optional extension for tasks, which is not declared"

NOT_APPLICABLE: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        ("prompts-get-simple", "prompts-get-with-args", "prompts-get-embedded-resource", "prompts-get-with-image"),
        _FIXTURE,
    ),
    **dict.fromkeys(("resources-read-text", "resources-read-binary", "resources-templates-read"), _FIXTURE),
    **dict.fromkeys(("resources-subscribe", "resources-unsubscribe", "logging-set-level"), _PUSHES),
    **dict.fromkeys(("tools-call-with-logging", "server-sse-polling"), _STREAMS),
    **dict.fromkeys(("tools-call-embedded-resource", "tools-call-mixed-content"), _MIXES),
    **dict.fromkeys(
        ("tools-call-sampling", "tools-call-elicitation", "elicitation-sep1034-defaults", "elicitation-sep1330-enums"),
        _ASKS,
    ),
    **dict.fromkeys(
        (
            "input-required-result-basic-elicitation",
            "input-required-result-basic-sampling",
            "input-required-result-basic-list-roots",
            "input-required-result-request-state",
            "input-required-result-multiple-input-requests",
            "input-required-result-multi-round",
            "input-required-result-non-tool-request",
            "input-required-result-result-type",
            "input-required-result-tampered-state",
            "input-required-result-capability-check",
        ),
        _ASKS,
    ),
    "server-stateless": "two of its checks need a tool that asks a model; all others pass",
    "json-schema-2020-12": "tools have the arguments that the API describes, and the fixture's schema is of no API",
    "http-custom-header-server-validation": "no tool maps an argument to a header of MCP",
    **dict.fromkeys(
        (
            "tasks-lifecycle",
            "tasks-capability-negotiation",
            "tasks-wire-fields",
            "tasks-request-state-removal",
            "tasks-mrtr-input",
            "tasks-request-headers",
            "tasks-dispatch-and-envelope",
            "tasks-required-task-error",
            "tasks-mrtr-composition",
        ),
        _TASKS,
    ),
}
"""Scenario -> why it is not about a server of an API."""

ANSWERS: Final[Mapping[str, tuple[str, bytes]]] = {
    "test_simple_text": ("text/plain", b"This is a simple text response for testing."),
    "test_image_content": ("image/png", bytes.fromhex("89504e470d0a1a0a0000000d49484452")),
    "test_audio_content": ("audio/wav", b"RIFF$\0\0\0WAVEfmt "),
    "test_tool_with_progress": ("text/plain", b"done"),
    "test_error_handling": ("text/plain", b"This tool intentionally returns an error for testing"),
}
"""operationId -> the media type and the body of its answer"""

FASTMCP: Final = """
import json, sys
from fastmcp import FastMCP
server = FastMCP.from_openapi(openapi_spec=json.load(open(sys.argv[1])))
server.run(transport="http", host="127.0.0.1", port=int(sys.argv[2]), show_banner=False, log_level="ERROR")
"""
START_S: Final = 60.0
SLOW_S: Final = 3.5
"""Seconds of an answer that progress is reported on."""


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.mcp_conformance",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--suite", type=Path, required=True, metavar="DIR", help="a checkout of the suite")
    parser.add_argument("--show", action="store_true", help="print each check that failed")
    parser.add_argument("--fastmcp", action="store_true", help="the same for fastmcp")
    options = parser.parse_args()
    bin = programs()
    suite = installed(options.suite, bin) if isinstance(bin, Path) else bin
    if not isinstance(suite, Path) or not isinstance(bin, Path):
        print(f"left out: {suite}")
        return 0
    faults = 0
    with TemporaryDirectory() as folder, Echo(api) as echo, serving(Path(folder), echo.url) as url:
        for revision in REVISIONS:
            results = Path(folder) / revision
            run(bin, suite, url, revision, results)
            faults += report(revision, results, show=options.show)
        if options.fastmcp:
            with serving_fastmcp(Path(folder), echo.url) as url:
                for revision in REVISIONS:
                    results = Path(folder) / f"fastmcp-{revision}"
                    run(bin, suite, url, revision, results)
                    passed, failed = outcomes(results)
                    applied = len(failed.keys() - NOT_APPLICABLE)
                    print(
                        f"fastmcp, {revision}: {len(passed)} scenarios pass, {applied} fail of those that apply to us"
                    )
    return 1 if faults else 0


def installed(source: Path, bin: Path) -> Path | str:
    """Return a copy of the suite that can run, or why there is none."""
    if not (source / "package-lock.json").is_file():
        return f"{source} is not a checkout of the suite"
    folder = cache() / f"mcp-conformance-{json.loads((source / 'package.json').read_text())['version']}"
    if not (folder / "node_modules").is_dir():
        shutil.copytree(source, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns(".git"))
        command = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        done = subprocess.run(command, cwd=folder, env=_environment(bin), capture_output=True, text=True, check=False)
        if done.returncode:
            return f"npm cannot install it: {done.stderr.strip().splitlines()[-1:]}"
    return folder


def run(bin: Path, suite: Path, url: str, revision: str, results: Path) -> None:
    """Run what a revision requires; each scenario leaves a folder in `results`."""
    command = [bin / "node", suite / "node_modules" / "tsx" / "dist" / "cli.mjs", "src/index.ts", "server"]
    arguments = ["--url", url, "--requirements", revision, "-o", results]
    subprocess.run(
        [*map(str, command), *map(str, arguments)],
        cwd=suite, env=_environment(bin), capture_output=True, timeout=LIMIT_S, check=False,
    )  # fmt: skip


def _environment(bin: Path) -> dict[str, str]:
    return {**os.environ, "PATH": f"{bin}:{os.environ['PATH']}"}


def report(revision: str, results: Path, *, show: bool) -> int:
    """Print what came of a revision's scenarios, and return how many came otherwise than NOT_APPLICABLE says."""
    passed, failed = outcomes(results)
    wrong = sorted(failed.keys() - NOT_APPLICABLE)
    stale = sorted(set(passed) & NOT_APPLICABLE.keys())
    left_out = sorted(failed.keys() & NOT_APPLICABLE)
    print(f"{revision}: {len(passed)} scenarios pass, {len(wrong)} fail, {len(left_out)} are not about such a server")
    for name in left_out:
        print(f"  -  {name}: {NOT_APPLICABLE[name]}")
        print("".join(f"       {text}\n" for text in failed[name] if show), end="")
    for name in wrong:
        print(f"  FAILS {name}: {'; '.join(failed[name])}")
    for name in stale:
        print(f"  PASSES {name}, which NOT_APPLICABLE leaves out")
    return len(wrong) + len(stale)


def outcomes(results: Path) -> tuple[list[str], dict[str, list[str]]]:
    """Return the scenarios that passed, and of each other one what failed."""
    failed: dict[str, list[str]] = {}
    passed: list[str] = []
    for folder in sorted(results.iterdir()):
        name = _scenario(folder.name)
        checks = json.loads((folder / "checks.json").read_text(encoding="utf-8"))
        failures = [check for check in checks if check["status"] == "FAILURE"]
        if failures:
            failed[name] = [f"{check['id']}: {str(check.get('errorMessage', ''))[:200]}" for check in failures]
        else:
            passed.append(name)
    return passed, failed


def _scenario(folder: str) -> str:
    """Return the name of a scenario from its folder: server-NAME-2026-12-01T23-10-08-975Z."""
    name = folder.removeprefix("server-").rpartition("T")[0][: -len("-2026-12-01")]
    return name if name in NOT_APPLICABLE or f"server-{name}" not in NOT_APPLICABLE else f"server-{name}"


@contextmanager
def serving(folder: Path, url: str) -> Iterator[str]:
    """The URL of `nlapi mcp` for the API, until the end of the block."""
    description = folder / "conformance.json"
    description.write_text(json.dumps(described(url)), encoding="utf-8")
    command = [NLAPI, "mcp", str(description), "--http", "127.0.0.1:0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(LIMIT_S)


@contextmanager
def serving_fastmcp(folder: Path, url: str) -> Iterator[str]:
    """The URL of fastmcp's server for the same API, until the end of the block."""
    description, port = folder / "conformance.json", free_port()
    python = environment("mcp-peers", "fastmcp")
    process = subprocess.Popen([python, "-c", FASTMCP, description, str(port)], cwd=folder)
    try:
        started = time.monotonic()
        while time.monotonic() < started + START_S:
            with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.terminate()
        process.wait(LIMIT_S)


def described(url: str) -> dict[str, Any]:
    """Return the description of an API with the operations that the suite calls as tools."""
    paths = {
        f"/{name}": {"get": {"operationId": name, "summary": f"Read {name}", "responses": {"200": {
            "description": "it", "content": {kind: {}}}}}}
        for name, (kind, _) in ANSWERS.items()
    }  # fmt: skip
    info = {"title": "Conformance", "version": "1"}
    return {"openapi": "3.1.0", "info": info, "servers": [{"url": url}], "paths": paths}


def api(request: Received) -> Reply:
    """Answer as the suite wants a tool to."""
    name = request.target.strip("/").partition("?")[0]
    if name == "test_tool_with_progress":
        time.sleep(SLOW_S)
    kind, body = ANSWERS.get(name, ("text/plain", b"there is no such thing"))
    return Reply(200 if name in ANSWERS and name != "test_error_handling" else 400, body, {"Content-Type": kind})


if __name__ == "__main__":
    sys.exit(main())
