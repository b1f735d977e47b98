"""Lines typed by the habits of restish, gh, httpie and llm: they work, or are refused with the line for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.habits import results, variables
from tests.cli.kit import run


def test_fifty_habits_work_or_are_refused_with_the_line_that_does_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in variables(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    found = results()
    assert len(found) == 50
    assert [result.fault for result in found if result.fault] == []


def test_a_url_at_which_no_registered_api_runs_is_refused() -> None:
    assert run("get", "https://shop.test/orders").complaint == (
        "no registered API runs at https://shop.test (`nlapi setup https://shop.test` looks for its description there)"
    )
