"""What needs an extra that is not installed says in one line how to get it; the rest of the core does without."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest

from nlapi.extras import MODULES
from tests.cli.kit import run

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = {
    "claude": (["ask", "list the campaigns", "-a", "ads", "--dry-run", "--planner", "claude"], "planning with Claude"),
    "envoy": (["gateway", "serve", "--data-plane", "envoy"], "`--data-plane envoy`"),
    "gateway": (["gateway", "serve", "--example"], "`nlapi gateway serve`"),
    "mcp": (["mcp", "ads"], "`nlapi mcp`"),
    "postgres": (["gateway", "serve", "--database", "postgresql://nlapi@127.0.0.1/gateway"], "a PostgreSQL database"),
}


@pytest.mark.parametrize("extra", MODULES)
def test_a_command_names_the_extra_that_it_lacks(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[extra], None)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    arguments, user = COMMANDS[extra]
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint.startswith(f"{user} needs ")
    assert ran.complaint.rstrip().endswith(f'(pip install "nlapi[{extra}]")')


def test_a_key_without_the_client_leaves_the_embedded_planner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
    ran = run("ask", "list the campaigns", "-a", "ads", "--dry-run")
    assert ran.code == 0, ran.err
    assert 'pip install "nlapi[claude]"' in ran.err


def test_every_extra_that_a_message_names_is_declared_and_part_of_all() -> None:
    extras = PROJECT["optional-dependencies"]
    assert MODULES.keys() <= extras.keys()
    assert extras["all"] == [f"nlapi[{','.join(sorted(extras.keys() - {'all'}))}]"]
