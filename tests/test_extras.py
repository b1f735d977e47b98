"""What needs an extra that is not installed says in one line how to get it; the rest of the core does without."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from nlapi.errors import MODULES
from tests.cli.kit import run
from tests.messages_server import MessagesServer, say
from tests.tables import table

PROJECT = tomllib.loads((Path(__file__).parent.parent / "pyproject.toml").read_text(encoding="utf-8"))["project"]
COMMANDS = {
    "claude": (["ask", "hello", "-a", "ads", "--planner", "model"], "the login of a profile of Anthropic's"),
    "console": (["console"], "`nlapi console`"),
    "envoy": (["gateway", "serve", "--data-plane", "envoy"], "`--data-plane envoy`"),
    "gateway": (["gateway", "serve", "--example"], "`nlapi gateway serve`"),
    "login": (["auth", "login", "ads", "bearer", "--issuer", "http://127.0.0.1:9"], "a login with OAuth"),
    "mcp": (["mcp", "ads"], "`nlapi mcp`"),
    "postgres": (["gateway", "serve", "--database", "postgresql://nlapi@127.0.0.1/gateway"], "a PostgreSQL database"),
}


@table("extra", MODULES)
def test_a_command_names_the_extra_that_it_lacks(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, MODULES[extra], None)
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ANTHROPIC_PROFILE", "work")
    arguments, user = COMMANDS[extra]
    ran = run(*arguments)
    assert (ran.code, ran.out) == (2, "")
    assert ran.complaint.startswith(f"{user} needs ")
    assert ran.complaint.rstrip().endswith(f'(pip install "nlapi[{extra}]")')


def test_the_gateway_of_the_demo_starts_without_any_extra() -> None:
    """A fresh interpreter, as whatever the tests before imported would hide an import too many."""
    names = ("aiohttp", "cryptography", "jsonschema_rs", "jwt", "prometheus_client", "uvloop")
    code = f"""import sys
sys.modules.update(dict.fromkeys({names}))
from nlapi.cli.gateway.run import GatewaySetup
from nlapi.gateway.routing_keys.key_ring import KeyRing
KeyRing().refresh()"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_models_are_asked_without_any_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "anthropic", None)
    with MessagesServer([say("There are two.")]) as server:
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", server.url)
        ran = run("ask", "list the campaigns", "-a", "ads", "--dry-run", "--planner", "claude", "-o", "text")
    assert (ran.code, ran.out.strip()) == (0, "There are two."), ran.err


def test_every_extra_that_a_message_names_is_declared_and_part_of_all() -> None:
    extras = PROJECT["optional-dependencies"]
    assert MODULES.keys() <= extras.keys()
    # Ray is for the nodes of a cluster: no command of nlapi imports it.
    assert extras["all"] == [f"nlapi[{','.join(sorted(extras.keys() - {'all', 'ray'}))}]"]
