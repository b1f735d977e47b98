"""The help of every command: in 80 columns, with an example that is run, in groups."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer
from typer._click import Command, Context

import nlapi
from nlapi import bundled
from nlapi.cli.app import app
from nlapi.cli.command_table import COMMANDS
from nlapi.sandbox import running
from tests.cli.kit import run

# Servers, and what needs one that is running, a terminal or a client: their own tests run them.
ELSEWHERE = frozenset(
    (
        "auth login",
        "auth logout",
        "auth token",
        "console",
        "demo",
        "gateway apply",
        "gateway control-plane",
        "gateway diff",
        "gateway export",
        "gateway ray",
        "gateway keys create",
        "gateway migrate",
        "gateway serve",
        "gateway status",
        "gateway traffic",
        "log costs",
        "log resume",
        "log save",
        "mcp",
        "plugin build",
        "plugin check",
        "plugin run",
        "plugin settings",
        "sandbox",
        "setup",
        "workflow check",
        "workflow diff",
        "workflow list",
        "workflow repair",
        "workflow resume",
        "workflow run",
        "workflow show",
        "workflow suggest",
        "batch",
        "api accept",
        "gateway keys rotate",
        "gateway token",
        "gateway keys list",
        "api remove",
        "undo",
    )
)


def commands() -> Iterator[tuple[str, Command]]:
    """Each command that is shown, by the words that call it."""
    group = typer.main.get_command(app)
    context = Context(group, info_name="nlapi")
    for name in COMMANDS:
        command = group.get_command(context, name)  # type: ignore[attr-defined]
        inner = getattr(command, "commands", {}) or {"": command}
        for word, entry in inner.items():
            for last, leaf in (getattr(entry, "commands", {}) or {"": entry}).items():
                if not leaf.hidden:
                    yield f"{name} {word} {last}".strip(), leaf


def examples(command: Command) -> list[str]:
    return [line for line in (command.epilog or "").splitlines() if line.startswith("nlapi ")]


def test_each_help_fits_a_terminal_and_has_an_example_that_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openapi.yaml").write_bytes((bundled.spec("ads") or ("", b""))[1])
    monkeypatch.setenv("COLUMNS", "80")
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind))
    monkeypatch.setenv("TOKEN", "any")
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    with running(nlapi.load("ads")) as server:
        for name in ("ads", "shop"):
            assert run("api", "add", name, "ads", "--base-url", server.url, "--auth", "bearer=env:TOKEN").code == 0
        assert run("ask", "list the campaigns", "-a", "ads", "--planner", "offline").code == 0
        for name, command in commands():
            shown = run(*name.split(), "--help")
            assert shown.code == 0
            assert max(map(len, shown.out.splitlines())) <= 80, name
            lines = examples(command)
            assert lines or "nlapi " in (command.epilog or ""), f"{name} has no example"
            if name not in ELSEWHERE:
                codes = [run(*shlex.split(line)[1:]).code for line in lines]
                assert 0 in codes, f"{name}: {lines} {codes}"


def test_the_help_is_in_groups_and_all_is_behind_help_all() -> None:
    groups = {entry.group for entry in COMMANDS.values()}
    shown = run("--help").out
    assert all(group in shown for group in groups)
    assert "rename" not in shown
    every = run("help", "all").out
    assert "  api rename" in every
    assert "plugin consent" not in every
    assert run("help", "api", "add").out == run("api", "add", "--help").out
