"""What `nlapi mcp` refuses before it serves anything, and how it says so."""

from __future__ import annotations

import sys

import pytest

from tests.cli.kit import run


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("ads", "--http", "0.0.0.0:0"), "--token env:NAME"),
        (("ads", "--http", "nowhere"), "not HOST:PORT"),
        (("ads", "--http", "127.0.0.1:0", "--token", "s3cret-in-sight"), "--token takes env:NAME"),
        (
            ("ads", "--http", "127.0.0.1:0", "--token", "env:NOT_THERE"),
            "the variable NOT_THERE is not set, which --token reads",
        ),
        (("ads", "--pass-header", "X-Tenant"), "are for --http"),
        (("ads", "--http", "127.0.0.1:0", "--pass-header", "Host"), "it belongs to one connection"),
        (("ads", "--http", "127.0.0.1:0", "--pass-header", "Content-Type"), "between client and server"),
        (("ads", "--http", "127.0.0.1:0", "--pass-header", "Mcp-Session-Id"), "between client and server"),
        (("ads", "--http", "127.0.0.1:0", "--pass-header", "a b"), "not the name of a header"),
        (("ads", "--watch"), "ads is not a file and no URL"),
        (("ads", "--include", "id:create*", "--consent", "never"), "no read operation left"),
        (("ads", "--auth", "bearer=env:NOT_THERE"), "the variable NOT_THERE is not set"),
        (("no-such-file.yaml",), "no such file"),
        (("-",), "standard input is for the client"),
    ],
)
def test_what_cannot_be_served_is_said_in_one_line(words: tuple[str, ...], says: str) -> None:
    ran = run("mcp", *words)
    assert ran.code in (1, 2)
    assert says in ran.complaint
    assert "s3cret-in-sight" not in ran.err
    assert ran.out == ""


def test_the_token_of_the_server_is_never_passed_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TOKEN", "abc")
    ran = run("mcp", "ads", "--http", "127.0.0.1:0", "--token", "env:MCP_TOKEN", "--pass-header", "authorization")
    assert "which is not for the API" in ran.complaint


def test_a_token_of_spaces_is_not_no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MCP_TOKEN", " \n")
    ran = run("mcp", "ads", "--http", "127.0.0.1:0", "--token", "env:MCP_TOKEN")
    assert (ran.code, ran.out) == (2, "")
    assert "MCP_TOKEN holds only spaces" in ran.complaint


def test_without_the_extra_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    assert 'pip install "nlapi[mcp]"' in run("mcp", "ads").complaint


def test_the_sdk_is_not_imported_by_other_commands() -> None:
    import subprocess

    code = "import sys, nlapi.cli.main; print('mcp' in sys.modules, 'nlapi.mcp.server' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.split() == ["False"] * 2
