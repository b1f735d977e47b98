"""A sample of the changes with faults: none is carried out twice, and nearly all are sent once."""

from __future__ import annotations

import pytest

from benchmarks.faults import MOMENTS, Tally, measure, wrongs
from benchmarks.faults_api import FAULTS


@pytest.mark.slow
def test_no_change_of_a_sample_is_carried_out_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY", raising=False)
    tallies = measure(len(FAULTS), len(MOMENTS), seed=7)
    assert wrongs(tallies) == []
    assert sum(one.trials for one in tallies.values()) > len(FAULTS) + len(MOMENTS)
    assert sum(one.once for one in tallies.values()) > len(FAULTS) / 3
    assert sum(one.repeats for one in tallies.values()) > len(FAULTS)


def test_what_must_not_be_is_named() -> None:
    twice = Tally(trials=10, sent=20, twice=1, once=9)
    unsent = Tally(trials=10, unsent=9, never=9, once=1, wrong=1, unnamed=2)
    assert wrongs({"201": twice}) == ["1 changes were carried out twice"]
    assert len(wrongs({"500": unsent})) == 3
