"""A sentence typed at the real command in a process of its own: `nlapi ask`, and what it printed, planned and sent."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.measure import nlapi

SECONDS = 90.0
"""The longest that one sentence may take."""

WIDTH = 160
"""Columns of the terminal; what does not fit is what a user does not see either."""

TIMED_OUT = 124
"""The exit code of a command that did not end in time, as timeout(1) has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """A request that was sent, and the status of its answer; None when there was none."""

    method: str
    url: str
    status: int | None
    is_change: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What became of a sentence. `printed` is standard output, `messages` standard error, `closing` the sentence that
    ends the answer.
    """

    code: int
    printed: str
    messages: str
    closing: str
    planned: str
    exchanges: tuple[Exchange, ...] = ()
    has_asked: bool = False
    """Whether it named what is missing, or offered a choice."""
    seconds: float = 0.0

    @property
    def has_failed_request(self) -> bool:
        return any(exchange.status is None or exchange.status >= 400 for exchange in self.exchanges)

    @property
    def has_sent_change(self) -> bool:
        return any(exchange.is_change for exchange in self.exchanges)


def ask(
    text: str,
    description: Path,
    base_url: str,
    credentials: Mapping[str, str],
    home: Path,
    values: Sequence[str] = (),
) -> Reply:
    """Type a sentence at `nlapi ask` with the embedded planner and consent in advance; `values` go to `--set`."""
    words = [nlapi(), "ask", text, "-a", str(description), "--planner", "offline", "--base-url", base_url]
    variables = {f"BENCHMARK_CREDENTIAL_{number}": secret for number, secret in enumerate(credentials.values())}
    for scheme, variable in zip(credentials, variables, strict=True):
        words += ["--auth", f"{scheme}=env:{variable}"]
    words += [word for value in values for word in ("--set", value)]
    words += ["--yes", "-o", "text"]
    state = Path(tempfile.mkdtemp(dir=home))
    begin = time.monotonic()
    try:
        done = subprocess.run(
            words,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=SECONDS,
            env=_environment(home, state) | variables,
            cwd=state,
        )
        code, printed, messages = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired:
        code, printed, messages = TIMED_OUT, "", f"error: nothing within {SECONDS:g} s"
    events = [json.loads(line) for path in state.rglob("log/*.jsonl") for line in path.read_text("utf-8").splitlines()]
    return read(code, printed, messages, events, time.monotonic() - begin)


def read(code: int, printed: str, messages: str, events: Iterable[Mapping[str, Any]], seconds: float = 0.0) -> Reply:
    """Return a reply of what was printed and of the events in the transcript."""
    exchanges: list[Exchange] = []
    planned: list[str] = []
    closing, effects, has_asked = "", {}, False
    for event in events:
        match event.get("event"):
            case "planned" if event.get("calls"):
                planned += [f"{call['operation']}({_arguments(call['arguments'])})" for call in event["calls"]]
            case "proposed":
                effects[event["method"], event["url"]] = event.get("effect", "read")
            case "stepped" if (result := event.get("result")) is not None:
                change = effects.get((result["method"], result["url"]), "read") != "read"
                exchanges.append(
                    Exchange(method=result["method"], url=result["url"], status=result.get("status"), is_change=change)
                )
            case "needed" | "offered":
                has_asked = True
            case "answered":
                closing = event.get("text", "")
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    if not closing or " ".join(closing.split()) not in " ".join(printed.split()):
        closing = lines[-1] if lines else ""
    return Reply(
        code=code,
        printed=printed,
        messages=messages,
        closing=closing,
        planned=" > ".join(dict.fromkeys(planned)),
        exchanges=tuple(exchanges),
        has_asked=has_asked,
        seconds=seconds,
    )


def _arguments(arguments: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in arguments.items())


def _environment(home: Path, state: Path) -> dict[str, str]:
    """The variables of a user who has never run nlapi before."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    if paths := os.environ.get("PYTHONPATH"):
        # The command runs in another folder, where a relative path would not lead to the checkout that is measured.
        kept["PYTHONPATH"] = os.pathsep.join(map(os.path.abspath, paths.split(os.pathsep)))
    folders = {f"XDG_{name}_HOME": str(home / name.lower()) for name in ("CACHE", "CONFIG", "DATA")}
    return {
        **kept,
        **folders,
        "HOME": str(home),
        "NLAPI_STATE_DIR": str(state),
        "NLAPI_CONFIG_DIR": str(state / "config"),
        "COLUMNS": str(WIDTH),
        "NO_COLOR": "1",
    }
