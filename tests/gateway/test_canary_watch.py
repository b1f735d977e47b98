"""Canaries that watch themselves: they advance after their bake time, and roll back when a guard is broken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from nlapi.errors import UsageError
from nlapi.gateway.control.canary_watcher import CanaryWatcher
from nlapi.gateway.records.metrics import Metrics
from nlapi.routing.model import Canary, CanaryState, CanaryStep, Configuration, Guard
from tests.gateway.clock import Clock
from tests.gateway.versions import configuration, ref
from tests.tables import table

CANARY = Canary(name="c", objective="greet", version=ref("v2"), base=ref("v1"), percent=10.0)
STEPS = (CanaryStep(percent=10.0, bake_s=60), CanaryStep(percent=50.0, bake_s=30), CanaryStep(percent=100.0, bake_s=10))


class Stage:
    """A watcher with everything around it in a test's hands."""

    def __init__(self, canary: Canary) -> None:
        self.configuration = replace(configuration("v1", "v2"), canaries={"c": canary})
        self.metrics = Metrics()
        self.clock = Clock()
        self.said: list[str] = []
        self.refuse = False
        self._watcher = CanaryWatcher(
            configuration=lambda: self.configuration, metrics=self.metrics, commit=self._commit, clock=self.clock
        )
        self.tick()

    async def _commit(self, edit: Callable[[Configuration], Configuration], why: str) -> None:
        if self.refuse:
            raise UsageError("somebody else was faster")
        self.configuration = edit(self.configuration)
        self.said.append(why)

    @property
    def canary(self) -> Canary:
        return self.configuration.canaries["c"]

    def tick(self, seconds: float = 0.0) -> Canary:
        """Let time pass and look."""
        self.clock.now += seconds
        asyncio.run(self._watcher.tick())
        return self.canary

    def serve(self, side: str, count: int, *, ms: float = 1.0, failed: int = 0, output: float | None = None) -> None:
        """Requests of the canary ("v2") or its base ("v1")."""
        series = self.metrics.series("greet", ref(side), "c" if side == "v2" else "")
        for number in range(count):
            series.observe(ms, failed=number < failed)
            if output is not None:
                series.observe_output({"score": output}, ["score"])


def test_it_goes_step_by_step_and_is_done() -> None:
    stage = Stage(replace(CANARY, steps=STEPS))
    assert stage.tick(59).percent == 10
    assert stage.tick(1).percent == 50
    assert stage.tick(29).percent == 50
    assert stage.tick(1.5).percent == 50  # its share is 31 s old, but was seen 30.5 s ago
    assert stage.tick(30).percent == 100
    assert stage.tick(10).state is CanaryState.RUNNING
    assert stage.tick(10).state is CanaryState.DONE
    assert stage.tick(1000).state is CanaryState.DONE
    assert [why.partition(": ")[0] for why in stage.said] == ["canary c"] * 3
    assert "to 50 %" in stage.said[0]


def test_it_waits_until_enough_was_seen() -> None:
    stage = Stage(replace(CANARY, steps=STEPS, guards=(Guard(metric="error_rate", limit=0.1, ratio=2.0, least=50),)))
    assert stage.tick(1000).percent == 10
    stage.serve("v2", 50)
    assert stage.tick(1000).percent == 10  # nothing to compare with
    stage.serve("v1", 50)
    assert stage.tick().percent == 50


def test_it_waits_for_a_number_that_no_output_had_yet() -> None:
    stage = Stage(replace(CANARY, steps=STEPS, guards=(Guard(metric="output.score", floor_ratio=0.9),)))
    for side in ("v1", "v2"):
        stage.serve(side, 100)
    assert stage.tick(1000).percent == 10
    for side in ("v1", "v2"):
        stage.serve(side, 1, output=0.5)
    assert stage.tick().percent == 50


@table(
    ("guard", "mine", "base", "said"),
    [
        (Guard(metric="error_rate", limit=0.05), {"failed": 10}, {}, "error_rate is 0.1, over its limit of 0.05"),
        (Guard(metric="error_rate", ratio=2.0), {"failed": 30}, {"failed": 5}, "over 2 times the base's 0.05"),
        (Guard(metric="p99_ms", limit=50.0), {"ms": 90.0}, {}, "p99_ms is "),
        (Guard(metric="p99_ms", ratio=1.5), {"ms": 20.0}, {"ms": 10.0}, "over 1.5 times the base's"),
        (Guard(metric="output.score", limit=0.5), {"output": 0.9}, {}, "output.score is 0.9, over its limit of 0.5"),
        (Guard(metric="output.score", ratio=1.2), {"output": 0.5}, {"output": 0.4}, "over 1.2 times the base's 0.4"),
        (Guard(metric="output.score", floor=0.3), {"output": 0.2}, {}, "output.score is 0.2, under its floor of 0.3"),
        (Guard(metric="output.score", floor_ratio=0.9), {"output": 0.3}, {"output": 0.4}, "under 0.9 times the base's"),
    ],
)
def test_a_broken_guard_rolls_it_back_and_says_why(
    guard: Guard, mine: dict[str, float], base: dict[str, float], said: str
) -> None:
    stage = Stage(replace(CANARY, steps=STEPS, guards=(guard,)))
    stage.serve("v2", 100, **mine)  # type: ignore[arg-type]
    stage.serve("v1", 100, **base)  # type: ignore[arg-type]
    assert stage.tick(1).state is CanaryState.ROLLED_BACK
    assert said in stage.canary.reason
    assert stage.canary.reason in stage.said[0]
    assert stage.canary.percent == 10


@table(
    ("guard", "mine", "base"),
    [
        (Guard(metric="error_rate", limit=0.05), {"failed": 5}, {}),
        (Guard(metric="error_rate", ratio=1.0), {"failed": 2}, {"failed": 0}),  # chance
        (Guard(metric="p99_ms", limit=50.0), {"ms": 30.0}, {}),
        (Guard(metric="p99_ms", ratio=1.5), {"ms": 11.0}, {"ms": 10.0}),
        (Guard(metric="output.score", limit=0.5), {}, {}),
        (Guard(metric="output.score", limit=0.5, floor=0.3), {"output": 0.4}, {}),
        (Guard(metric="output.score", floor_ratio=0.9), {"output": 0.38}, {"output": 0.4}),
    ],
)
def test_a_kept_guard_does_not(guard: Guard, mine: dict[str, float], base: dict[str, float]) -> None:
    stage = Stage(replace(CANARY, guards=(guard,)))
    stage.serve("v2", 100, **mine)  # type: ignore[arg-type]
    stage.serve("v1", 100, **base)  # type: ignore[arg-type]
    assert stage.tick(1).state is CanaryState.RUNNING
    assert stage.said == []


def test_a_p99_of_few_requests_is_not_its_slowest_one() -> None:
    guards = (Guard(metric="p99_ms", limit=50.0, ratio=3.0, least=20),)
    stage = Stage(replace(CANARY, steps=STEPS, guards=guards))
    stage.serve("v1", 99)
    stage.serve("v2", 22)
    stage.serve("v2", 1, ms=400.0)
    assert stage.tick(60).state is CanaryState.RUNNING  # the one slow request of 23
    assert stage.canary.percent == 10  # and nothing that says it is as fast as its base
    stage.serve("v1", 1)
    stage.serve("v2", 77)
    assert stage.tick().percent == 50
    stage.serve("v2", 23, ms=400.0)
    assert stage.tick(1).state is CanaryState.RUNNING  # the watch of this share begins here
    stage.serve("v2", 16)
    stage.serve("v2", 4, ms=400.0)
    assert "p99_ms is 4" in stage.tick(1).reason


def test_what_was_served_before_its_share_does_not_count() -> None:
    stage = Stage(replace(CANARY, steps=STEPS, guards=(Guard(metric="error_rate", limit=0.05),)))
    stage.serve("v2", 100)
    stage.serve("v1", 100)
    assert stage.tick(60).percent == 50
    stage.serve("v2", 49, failed=49)
    assert stage.tick().state is CanaryState.RUNNING  # the watch begins here
    stage.serve("v2", 51)
    assert stage.tick().state is CanaryState.RUNNING


def test_a_paused_canary_and_one_without_steps_stay_as_they_are() -> None:
    paused = Stage(replace(CANARY, steps=STEPS, state=CanaryState.PAUSED))
    assert paused.tick(1e6) == paused.configuration.canaries["c"]
    assert Stage(CANARY).tick(1e6).percent == 10
    assert paused.said == []


def test_when_a_change_is_refused_the_next_look_tries_again() -> None:
    stage = Stage(replace(CANARY, steps=STEPS))
    stage.refuse = True
    assert stage.tick(60).percent == 10
    stage.refuse = False
    assert stage.tick(1).percent == 50


def test_one_that_was_ramped_by_hand_begins_anew() -> None:
    stage = Stage(replace(CANARY, steps=STEPS))
    stage.tick(59)
    stage.configuration = replace(stage.configuration, canaries={"c": replace(stage.canary, percent=20.0)})
    assert stage.tick(1).percent == 20
    assert stage.tick(59).percent == 20
    assert stage.tick(1).percent == 50
