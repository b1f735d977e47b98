"""The habits of other command lines: every command that the page shows works, against the sandbox."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi.cli.completion.complete import SOURCE_COMMANDS
from nlapi.sandbox import running
from tests.cli.kit import run

PAGE = (Path(__file__).parent.parent / "docs" / "habits.md").read_text(encoding="utf-8")
HABITS, _, ABSENT = PAGE.partition("## What there is not")
ROWS = [line for line in HABITS.splitlines() if re.match(r"\| (?:restish|gh|httpie|llm) \|", line)]
SERVER = "http://127.0.0.1:8080"


def commands() -> list[str]:
    """The commands of the last cells, in order; those with a mark behind them are left out."""
    cells = [re.split(r"(?<!\\)\|", row)[3] for row in ROWS]
    return [code for cell in cells for code, mark in re.findall(r"`(nlapi [^`]+)`(°?)", cell) if not mark]


@pytest.fixture(scope="module")
def sandbox() -> Iterator[str]:
    with running(nlapi.load("ads")) as server:
        yield server.url


def test_every_command_of_the_page_works(sandbox: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("TOKEN", "any")
    for name in ("ANTHROPIC_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    assert run("api", "add", "demo", "ads", "--base-url", sandbox, "--auth", "bearer=env:TOKEN").code == 0
    for command in commands():
        words = shlex.split(command.replace(SERVER, sandbox).partition(" > ")[0])[1:]
        ran = run(*words)
        assert ran.code == 0, f"{command}\n{ran.err}"
        assert ran.out or ran.err, command


def test_the_page_has_at_least_forty_habits_that_work() -> None:
    working = [row for row in ROWS if "`nlapi" in row]
    assert len(working) >= 40
    assert {row.split(" ")[1] for row in working} == {"restish", "gh", "httpie", "llm"}
    assert ABSENT.count("\n| ") > 10
    assert any(word in SOURCE_COMMANDS for command in commands() for word in command.split()[1:2])
