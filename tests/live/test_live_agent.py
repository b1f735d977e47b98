"""The agent with a real model: one read, one change with consent, streaming, a wrong key. It costs cents.

`NLAPI_LIVE_TESTS=1 ANTHROPIC_API_KEY=... python -m pytest tests/live` runs it; everything else leaves it out, also
where a key is set. The API is the sandbox of the bundled description.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import nlapi
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.messages import model_state
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.models.spending import SpendingMeter
from nlapi.tools.plan import Plan, ask
from tests.cli.kit import dialogue, run
from tests.recorded_sandbox import RecordedSandbox

pytestmark = pytest.mark.skipif(
    os.environ.get("NLAPI_LIVE_TESTS") != "1" or not os.environ.get("ANTHROPIC_API_KEY"),
    reason="NLAPI_LIVE_TESTS=1 and ANTHROPIC_API_KEY run it against a real model, for cents",
)

MODEL = os.environ.get("NLAPI_LIVE_MODEL", "claude-haiku-5-5")
MAX_USD = 0.05
"""Dollars of each question at most."""


@pytest.fixture
def api(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RecordedSandbox]:
    for kind in ("CONFIG", "STATE", "CACHE"):
        monkeypatch.setenv(f"NLAPI_{kind}_DIR", str(tmp_path / kind.lower()))
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("TOKEN", "any-token-0123456789")
    with RecordedSandbox(nlapi.load("ads")) as sandbox:
        yield sandbox


def words(api: RecordedSandbox, question: str, *options: str) -> tuple[str, ...]:
    target = ("-a", "ads", "--base-url", api.url, "--auth", "bearer=env:TOKEN")
    return ("ask", question, *target, "--planner", "claude", "--model", MODEL, "--max-usd", str(MAX_USD), *options)


def test_a_read(api: RecordedSandbox) -> None:
    ran = run(*words(api, "Which campaigns are paused? Name them.", "-o", "text"))
    assert ran.code == 0, ran.err
    assert api.log and api.changes == []
    assert all(name in ran.out for name in ("Back to School", "Winter Clearance", "Loyalty Club Sign-up"))
    assert "Summer Sale" not in ran.out


def test_a_change_with_consent(api: RecordedSandbox) -> None:
    with dialogue(*words(api, "Pause the campaign Summer Sale.")) as terminal:
        terminal.expect("Send it?")
        assert api.changes == [], "it was sent before the yes"
        terminal.type("y\n")
        assert terminal.end() == 0, terminal.seen
    (change,) = api.changes
    assert (change.method, change.path, change.json()) == ("PATCH", "/campaigns/cmp_7h2k9q4m", {"status": "PAUSED"})


def test_a_no_is_taken(api: RecordedSandbox) -> None:
    with dialogue(*words(api, "Delete the campaign Spring Launch.")) as terminal:
        terminal.expect("Send it?")
        terminal.type("n\n")
        assert terminal.end() == 6, terminal.seen
    assert api.changes == []


def test_text_is_streamed_and_what_it_took_is_known() -> None:
    spending = SpendingMeter(MAX_USD)
    planner = ModelPlanner([nlapi.load("ads")], find_endpoint(MODEL, os.environ), spending=spending)

    async def pieces() -> list[str | Plan]:
        return [piece async for piece in planner.next(ask("Say in two sentences what you can do here; call nothing."))]

    *texts, plan = asyncio.run(pieces())
    assert isinstance(plan, Plan) and not plan.calls and not plan.ended
    assert len(texts) > 1 and "".join(map(str, texts)).strip() == plan.text.strip()
    state = model_state(plan)
    assert state is not None and state.usage["input_tokens"] > 500 and state.usage["output_tokens"] > 5
    assert 0 < spending.spent < MAX_USD


def test_a_wrong_key_is_said_in_one_line(api: RecordedSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-ant-no-such-key-0123456789")
    ran = run(*words(api, "Which campaigns are paused?"))
    assert (ran.code, api.received) == (1, [])
    assert "does not accept the key" in ran.complaint and "ANTHROPIC_API_KEY" in ran.complaint
