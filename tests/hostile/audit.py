"""Runs commands of nlapi under an audit hook, each in a fork: a job on stdin, what each opened elsewhere on stdout.

A job has `groups`, lists of commands (their words) that run one after the other in one fork, `roots`, the folders in
which files may be opened, and a `secret`. The answer has for each group what was opened outside of those folders or
connected to, and which command printed the secret.
"""

from __future__ import annotations

import importlib
import json
import os
import signal
import sys
from contextlib import redirect_stderr, redirect_stdout, suppress
from io import StringIO
from pathlib import Path
from typing import Any

SECONDS = 60
REACHES = ("socket.connect", "socket.getaddrinfo", "socket.gethostbyname", "socket.sendto", "socket.sendmsg")
STARTS = ("subprocess.Popen", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "os.startfile")
OTHERS = ("ftplib.connect", "http.client.connect", "sqlite3.connect", "webbrowser.open")
# What the interpreter and the libraries read of any system, by whoever runs them.
SYSTEM = ("/proc/", "/sys/", "/dev/null", "/dev/urandom", "/dev/tty", "/usr/share/", "/usr/lib/", "/etc/")
MODULES = (
    "nlapi.api", "nlapi.cli.app", "nlapi.cli.ask.ask", "nlapi.cli.call.call", "nlapi.cli.apis.check",
    "nlapi.cli.apis.describe", "nlapi.cli.apis.api", "nlapi.cli.apis.tools", "nlapi.cli.apis.find",
    "nlapi.planner.planner", "nlapi.plugin.build", "nlapi.mcp.server", "nlapi.sandbox", "nlapi.workflows.engine",
    "nlapi.schema_validator", "openapi_spec_validator", "jsonschema_rs", "referencing", "jsonpath", "httpx2",
    "uvicorn", "mcp",
)  # fmt: skip


def watch(roots: tuple[str, ...], seen: list[str]) -> None:
    """Append to `seen` each file that is opened outside of `roots`, and all that reaches further than a file."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str | bytes | os.PathLike):
            path = os.path.realpath(os.fsdecode(arguments[0]))
            if not path.startswith((*roots, *SYSTEM)):
                seen.append(f"open {path}")
        elif event == "urllib.Request" and not str(arguments[0]).startswith("file:///"):  # else it opens a file
            seen.append(f"{event} {arguments[0]}")
        elif event == "sqlite3.connect" and arguments[0] == ":memory:":
            pass  # a database of its own, which opens no file
        elif event in (*REACHES, *STARTS, *OTHERS):
            seen.append(f"{event} {arguments[-1] if event in REACHES else arguments[0]!r}"[:200])

    sys.addaudithook(hook)


def run(words: list[str]) -> None:
    """Run a command as its process would; `python` begins a statement of nlapi's Python face."""
    if words[0] == "python":
        exec(words[1], {})
        return
    from nlapi.cli.app import run as run_command

    sys.argv = ["nlapi", *words]
    run_command()


def in_fork(group: list[list[str]], roots: tuple[str, ...], secret: str) -> dict[str, Any]:
    read_end, write_end = os.pipe()
    pid = os.fork()
    if pid:
        os.close(write_end)
        with os.fdopen(read_end) as stream:
            steps = [json.loads(line) for line in stream]
        _, status = os.waitpid(pid, 0)
        return {"steps": [step for step in steps if step["seen"]], "status": status, "last": steps[-1]}
    seen: list[str] = []
    signal.alarm(SECONDS)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.stdin = os.fdopen(0, closefd=False)
    watch(roots, seen)
    for words in group:
        os.write(write_end, json.dumps({"words": words, "seen": []}).encode() + b"\n")
        printed = StringIO()
        with redirect_stdout(printed), redirect_stderr(printed), suppress(SystemExit, Exception):
            run(words)
        if secret in printed.getvalue():
            seen.append(f"printed {secret}")
        os.write(write_end, json.dumps({"words": words, "seen": seen}).encode() + b"\n")
        seen.clear()
    os._exit(0)


def main() -> None:
    job = json.load(sys.stdin)
    for name in MODULES:
        with suppress(ImportError):
            importlib.import_module(name)
    roots = tuple(
        f"{Path(root).resolve()}/" for root in (*job["roots"], sys.prefix, sys.base_prefix, Path.cwd(), *sys.path)
    )
    answers = [in_fork(group, roots, job["secret"]) for group in job["groups"]]
    sys.stdout.write(json.dumps(answers))


if __name__ == "__main__":
    main()
