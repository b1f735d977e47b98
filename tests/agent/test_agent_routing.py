"""The objective `nlapi.plan`: which planner a question is routed to, why, and what it may cost."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.auto import OBJECTIVE, AutoPlanner, TrustLevels, default_routes, read_routes
from nlapi.agent.events import PlanCreated, Planner, PlannerChosen, TurnAnswered
from nlapi.agent.models.messages import ModelState
from nlapi.agent.records.log import encode_event
from nlapi.agent.records.transcripts import spent_by_period
from nlapi.errors import UsageError
from nlapi.tools.plan import Plan
from tests.agent.kit import Scripted, boards, boards_api, call, events, of
from tests.tables import table

SONNET = "claude-sonnet-5-5"


def version(document: Any, **context: Any) -> str:
    """Which version a context is routed to by a user's document; by the built-in one when it is None."""
    built_in = default_routes(0.4, trust=TrustLevels(read=0.7, change=0.95))
    routes = built_in if document is None else read_routes(document, "routing.json", min_confidence=0.4)
    plain = {"question": "q", "confidence": 0.9, "complete": True, "key": True, "chosen": False, "operations": 5}
    plain |= {"changes": False, "underway": False}
    return routes.table.decide(OBJECTIVE, {**plain, **context}).version.version


@table(
    ("context", "wanted"),
    [
        ({}, "embedded"),
        ({"confidence": 0.7}, "embedded"),
        ({"confidence": 0.69}, "model"),
        ({"changes": True}, "model"),
        ({"changes": True, "confidence": 0.95}, "embedded"),
        ({"underway": True, "confidence": 0.4}, "embedded"),
        ({"underway": True, "confidence": 0.39}, "model"),
        ({"confidence": 0.1, "key": False}, "embedded"),
        ({"complete": False}, "model"),
        ({"complete": False, "key": False}, "embedded"),
        ({"confidence": 0.1, "chosen": True}, "embedded"),
    ],
)
def test_the_built_in_routing_asks_claude_where_the_embedded_planner_is_not_sure(
    context: dict[str, Any], wanted: str
) -> None:
    assert version(None, **context) == wanted


SIZES = {
    "default": "opus",
    "rules": [
        {
            "name": "sure",
            "when": {"complete": [True]},
            "between": {"confidence": {"least": 0.8}},
            "version": "embedded",
        },
        {"name": "small", "between": {"operations": {"below": 50}, "length": {"below": 80}}, "version": "haiku"},
    ],
    "most": {"day": 1.5},
}


@table(
    ("context", "wanted"),
    [
        ({"length": 10}, "embedded"),
        ({"length": 10, "confidence": 0.5}, "haiku"),
        ({"length": 90, "confidence": 0.5}, "opus"),
        ({"length": 10, "confidence": 0.5, "operations": 50}, "opus"),
        ({"length": 90, "confidence": 0.5, "spent_day": 1.5}, "embedded"),
        ({"length": 90, "confidence": 0.5, "key": False}, "embedded"),
    ],
)
def test_rules_go_by_confidence_and_by_the_size_of_the_task(context: dict[str, Any], wanted: str) -> None:
    assert version(SIZES, **context) == wanted


def test_a_split_gives_questions_to_versions_and_the_same_question_to_the_same() -> None:
    shares = [{"version": "haiku", "percent": 50}, {"version": "sonnet", "percent": 50}]
    document = {"rules": [{"name": "a-b", "shares": shares}]}
    first = [version(document, question=f"question {number}") for number in range(400)]
    assert 140 < first.count("haiku") < 260
    assert first == [version(document, question=f"question {number}") for number in range(400)]


NAMED = {
    "default": "openai:llama-4/70b",
    "rules": [
        {"name": "change", "when": {"changes": [True]}, "version": "claude-opus-5-5"},
        {"name": "short", "between": {"length": {"below": 50}}, "version": "local:qwen3:8b"},
        {"name": "long", "between": {"length": {"least": 500}}, "version": "local"},
        {"name": "other", "between": {"length": {"least": 400}}, "version": "model"},
    ],
}


@table(
    ("context", "wanted"),
    [
        ({"changes": True}, "claude-opus-5-5"),
        ({"length": 10}, "local:qwen3:8b"),
        ({"length": 600}, "local"),
        ({"length": 400}, "model"),
        ({"length": 200}, "openai:llama-4/70b"),
    ],
)
def test_any_model_is_a_version_by_its_name(context: dict[str, Any], wanted: str) -> None:
    assert version(NAMED, **context) == wanted
    models = read_routes(NAMED, "routing.json", min_confidence=0.4).models
    assert models == {"claude-opus-5-5", "local:qwen3:8b", "local", "model", "openai:llama-4/70b"}


@table(
    ("document", "fault"),
    [
        ([], "is not of type 'object'"),
        ({"rulez": []}, "'rulez' was unexpected"),
        ({"default": "gpt"}, "gpt"),
        ({"default": "local:"}, "local:"),
        ({"rules": [{"name": "a b/c", "version": "haiku"}]}, "is not a name"),
        ({"rules": [{"name": "a", "version": "haiku", "when": {"mood": ["good"]}}]}, "mood"),
        ({"rules": [{"name": "a", "version": "haiku", "between": {"question": {"least": 1}}}]}, "question"),
        ({"rules": [{"name": "a", "shares": [{"version": "haiku", "percent": 60}]}]}, "60 %"),
        ({"rules": [{"name": "no-key", "version": "haiku"}]}, "two rules"),
        ({"rules": [{"name": "a", "version": "haiku"}, {"name": "b", "version": "opus"}]}, "b"),
        ({"most": {"question": -1}}, "most.question"),
    ],
)
def test_a_faulty_routing_is_refused_with_its_fault(document: Any, fault: str) -> None:
    with pytest.raises(UsageError) as refused:
        read_routes(document, "my-routing.json", min_confidence=0.4)
    assert "my-routing.json" in str(refused.value)
    assert fault in refused.value.message


class Paid(Scripted):
    """A scripted stand-in for Claude; each plan of it costs so many dollars."""

    name = "claude"

    def __init__(self, model: str, cost: float, *rounds: str | Plan) -> None:
        super().__init__(*(_paid(one, model, cost) for one in rounds))


def _paid(one: str | Plan, model: str, cost: float) -> Plan:
    plan = Plan(text=one) if isinstance(one, str) else one
    raw = ModelState(model=model, cost=cost)
    return Plan(calls=plan.calls, text=plan.text, raw=raw)


def test_the_decision_and_its_context_are_told_and_recorded(tmp_path: Path) -> None:
    spec, made = boards(tmp_path), []

    def claude(model: str) -> Planner:
        made.append(model)
        return Paid(model, 0.01, "None.")

    routes = read_routes(SIZES, "routing.json", min_confidence=0.4)
    planner = AutoPlanner(Scripted(Plan(text="Which?", confidence=0.1)), claude, routes=routes, operations=9)
    (chosen,) = of(PlannerChosen, events(planner, [spec]))
    assert made == ["claude-haiku-5-5"]
    record = encode_event(chosen)
    assert record["decision"]["version"] == "haiku"
    assert (record["decision"]["objective"], record["decision"]["rule"]) == ("nlapi.plan", "small")
    assert record["context"]["operations"] == 9
    assert "question" not in record["context"]
    assert "has no plan (Which?); rule small matched" in chosen.why


def test_a_turn_of_claude_ends_where_it_comes_to_the_cap_of_a_question(tmp_path: Path) -> None:
    spec = boards(tmp_path)
    claude = Paid(SONNET, 0.02, *[Plan(calls=(call(spec, "listBoards"),))] * 5)
    routes = read_routes({"rules": [], "most": {"question": 0.05}}, "routing.json", min_confidence=0.4)
    planner = AutoPlanner(Scripted(Plan(text="Hm.", confidence=0.1)), lambda _: claude, routes=routes)
    with boards_api() as api:
        seen = events(planner, [spec], api.url)
    assert len([event for event in of(PlanCreated, seen) if event.plan.calls]) == 3
    assert isinstance(seen[-1], TurnAnswered)
    assert seen[-1].text == "Stopped: this question has cost $0.0600, and $0.05 is the most that it may."


def test_past_the_cap_of_a_day_the_embedded_planner_plans_and_says_so(tmp_path: Path) -> None:
    routes = read_routes({"rules": [], "most": {"day": 1}}, "routing.json", min_confidence=0.4)
    embedded = Scripted(Plan(text="Hm.", confidence=0.1))
    planner = AutoPlanner(embedded, _never, routes=routes, spent=lambda: (1.25, 3.0))
    (chosen,) = of(PlannerChosen, events(planner, [boards(tmp_path)]))
    assert chosen.decision is not None
    assert (chosen.decision.rule, chosen.decision.version.version) == ("most-day", "embedded")
    assert "rule most-day matched" in chosen.why


def _never(model: str) -> Planner:
    raise AssertionError("Claude was made")


def test_what_was_spent_is_read_from_the_transcripts(tmp_path: Path) -> None:
    now = datetime.fromisoformat("2026-11-25T12:00:00+01:00")
    records = [
        {"at": "2026-11-25T00:30:00+01:00", "event": "planned", "raw": {"cost": 0.5}},
        {"at": "2026-11-24T22:30:00+00:00", "event": "planned", "raw": {"cost": 0.25}},
        {"at": "2026-11-01T09:00:00+00:00", "event": "planned", "raw": {"cost": 2.0}},
        {"at": "2026-10-31T09:00:00+00:00", "event": "planned", "raw": {"cost": 9.0}},
        {"at": "2026-11-25T09:00:00+00:00", "event": "planned", "raw": {"cost": None}},
        {"at": "2026-11-25T09:00:00+00:00", "event": "answered", "text": ""},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    assert spent_by_period(tmp_path, now) == (0.5, 2.75)
    assert spent_by_period(tmp_path / "none", now) == (0, 0)
    damaged = {"messages": 5, "usage": [1], "cost": float("nan")}
    (tmp_path / "b.jsonl").write_text(json.dumps({"at": now.isoformat(), "event": "planned", "raw": damaged}))
    assert spent_by_period(tmp_path, now) == (0.5, 2.75)
