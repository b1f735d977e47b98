"""Limits on what questions may take, as options and in models.toml, and the line that says that a model thinks."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import pytest

from tests.cli.kit import PATIENCE, dialogue, notes, run
from tests.messages_server import MessagesServer, say, use
from tests.servers import Echo


def limits(home: Path, text: str) -> None:
    folder = home / "config"
    folder.mkdir(exist_ok=True)
    (folder / "models.toml").write_text(f"[limits]\n{text}\n")


MODEL = ("--planner", "model")


def test_limits_of_the_settings_hold_in_ask_and_chat(api: Echo, claude: MessagesServer, home: Path) -> None:
    limits(home, "max_usd = 0.000001")
    source = notes(home, api.url)
    asked = run("ask", "how many notes?", "-a", source, *MODEL, "-o", "text")
    chatted = run("chat", "-a", source, *MODEL, stdin="how many notes?\n")
    assert asked.code == 8
    for ran in (asked, chatted):
        assert "$1e-06 is the most by max_usd of models.toml" in ran.out
    assert claude.requests == []


def test_an_option_goes_before_the_settings(api: Echo, claude: MessagesServer, home: Path) -> None:
    limits(home, "max_usd = 0.000001\nmax_steps = 0")
    claude.script[:] = [use("listNotes", {}), say("Two.")]
    words = ("ask", "how many notes?", "-a", notes(home, api.url), *MODEL, "-o", "text")
    assert run(*words, "--max-usd", "1", "--max-steps", "1").out == "Two.\n"
    claude.script[:] = [use("listNotes", {})]
    stopped = run(*words, "--max-usd", "1")
    assert "0 calls were made, and 0 is the most by max_steps of models.toml" in stopped.out


def test_limits_hold_without_a_model_too(api: Echo, home: Path) -> None:
    limits(home, "max_steps = 0")
    ran = run("ask", "show the open notes", "-a", notes(home, api.url), "--planner", "offline", "-o", "text")
    assert (ran.code, api.received) == (8, [])
    assert "max_steps of models.toml" in ran.out


def test_limits_that_cannot_be_read_stop_everything(api: Echo, home: Path) -> None:
    limits(home, "max_steps =")
    ran = run("ask", "show the open notes", "-a", notes(home, api.url), "--planner", "offline")
    assert (ran.code, api.received) == (2, [])
    assert "models.toml cannot be read" in ran.complaint


def test_the_steps_of_a_limit_are_those_of_each_question_of_a_chat(
    api: Echo, claude: MessagesServer, home: Path
) -> None:
    claude.script[:] = [use("listNotes", {}), say("Two."), use("listNotes", {}), say("Still two.")]
    words = ("chat", "-a", notes(home, api.url), *MODEL, "--max-steps", "1")
    assert run(*words, stdin="how many notes?\nand now?\n").out == "Two.\nStill two.\n"


def test_a_default_limit_on_dollars_needs_the_prices_of_a_model(home: Path, claude: MessagesServer) -> None:
    limits(home, "max_usd = 1")
    ran = run("ask", "well?", "-a", notes(home), *MODEL, "--model", "claude-of-mine")
    assert "max_usd of models.toml needs the prices of claude-of-mine" in ran.complaint


def test_claude_is_another_name_for_any_model(claude: MessagesServer, tmp_path: Path) -> None:
    claude.script[:] = [say("Yes.")]
    assert run("ask", "well?", "-a", notes(tmp_path), "--planner", "claude", "-o", "text").out == "Yes.\n"


def test_at_a_terminal_a_line_says_that_a_model_thinks_and_what_it_took(
    api: Echo, claude: MessagesServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    release = [threading.Event(), threading.Event()]

    def held(number: int, answer: dict[str, Any]) -> Any:
        return lambda request: (release[number].wait(PATIENCE), answer)[1]

    claude.script[:] = [held(0, use("listNotes", {})), held(1, say("Only Milk."))]
    with dialogue("ask", "what is open?", "-a", notes(tmp_path, api.url), *MODEL) as terminal:
        terminal.expect("claude-sonnet-5-5 thinks · 0 s")
        release[0].set()
        terminal.expect("thinks · 0 s · 120 tokens · $0.0004")
        release[1].set()
        terminal.expect("Only Milk.")
        assert terminal.end() == 0
    assert "thinks" not in terminal.seen.partition("Only Milk.")[2]


def test_the_embedded_planner_does_not_think(api: Echo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    with dialogue("ask", "show the open notes", "-a", notes(tmp_path, api.url), "--planner", "offline") as terminal:
        assert terminal.end() == 0
    assert "thinks" not in terminal.seen


def test_a_default_of_the_settings_is_at_hand_for_auto_and_an_explicit_model_goes_before_it(
    api: Echo, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MessagesServer([say("Mine.")], models=("qwen",)) as local, MessagesServer([say("Sonnet.")]) as claude:
        monkeypatch.setenv("NLAPI_LOCAL_URL", local.url)
        monkeypatch.setenv("NLAPI_LOCAL_MODEL", "qwen3:8b")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", claude.url)
        monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-test")
        (home / "config").mkdir()
        (home / "config" / "models.toml").write_text('default = "local"')
        words = ("ask", "what did I mean to buy, all things considered?", "-a", notes(home, api.url), "-o", "text")
        ran = run(*words)
        assert "planner: local, as the embedded planner" in ran.err
        assert ran.out == "Mine.\n"
        assert run(*words, "--model", "claude-sonnet-5-5").out == "Sonnet.\n"
