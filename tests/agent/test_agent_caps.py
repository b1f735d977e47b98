"""Caps on dollars, calls and seconds: nothing is sent past one, and the turn says which."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.agent.events import TurnAnswered
from nlapi.agent.models.endpoints import find_endpoint
from nlapi.agent.models.planner import ModelPlanner
from nlapi.agent.models.spending import MODELS, Caps, ModelPrices, SpendingMeter, cost
from nlapi.errors import PlannerError, UnfinishedError
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Plan, ask
from tests.agent.kit import Scripted, boards, boards_api, events
from tests.messages_server import MessagesServer, message, say, tool_use, use
from tests.servers import Echo, Reply
from tests.strategies import examples
from tests.tables import table

KEY = "sk-ant-test-0123456789"
MODEL = "claude-sonnet-5-5"
LIST = use("read", {"operation": "listBoards"})


def listing(limit: int) -> dict[str, Any]:
    return use("read", {"operation": "listBoards", "arguments": {"limit": limit}})


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return boards(Path(tmp_path_factory.mktemp("boards")))


def planner(server: MessagesServer, spec: Spec, spending: SpendingMeter | None = None) -> ModelPlanner:
    environment = {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": server.url}
    return ModelPlanner([spec], find_endpoint(MODEL, environment), spending=spending)


@settings(max_examples=examples(50))
@given(
    cap=st.floats(0, 0.2),
    sizes=st.lists(st.tuples(st.integers(0, 40_000), st.integers(0, 4_000)), min_size=1, max_size=12),
)
def test_no_request_is_sent_past_the_cap_on_dollars(spec: Spec, cap: float, sizes: list[tuple[int, int]]) -> None:
    usages = [{"input_tokens": given, "output_tokens": answered} for given, answered in sizes]
    script = [{**listing(number), "usage": usage} for number, usage in enumerate(usages)]
    spending = SpendingMeter(cap)
    with MessagesServer([*script, say("Done.")], key=KEY) as server, boards_api() as api:
        seen = events(planner(server, spec, spending), [spec], api.url)
    spent = [cost(MODELS[MODEL], usage) or 0.0 for usage in usages]
    before_last = sum(spent[: len(server.requests) - 1])
    assert not server.requests or before_last <= cap
    assert isinstance(seen[-1], TurnAnswered)
    assert seen[-1].text == "Done." or "is the most by --max-usd" in seen[-1].text


def test_the_cap_holds_for_all_questions_of_a_run(spec: Spec) -> None:
    spending = SpendingMeter(0.02)
    usage = {"input_tokens": 8_000, "output_tokens": 100}
    with MessagesServer([{**say("One."), "usage": usage}] * 3, key=KEY) as server:
        claude = planner(server, spec, spending)
        first = events(claude, [spec])[-1].conversation
        last = events(claude, [spec], conversation=first.with_question("and now?"))[-1]
    assert len(server.requests) == 1
    assert "$0.0170 are spent" in last.text
    assert last.conversation.current.rounds[-1].plan.ended == "usd"


@pytest.mark.parametrize("is_broken", [False, True])
def test_an_answer_that_breaks_off_or_reports_no_usage_is_spent_too(spec: Spec, is_broken: bool) -> None:
    prices = ModelPrices(input=2, output=10)
    chunk = {"choices": [{"index": 0, "delta": {"content": "Done."}, "finish_reason": None if is_broken else "stop"}]}
    body = f"data: {json.dumps(chunk)}\n\n".encode()
    spending = SpendingMeter(1.0)
    with Echo([Reply(200, body, {"content-type": "text/event-stream"})]) as model:
        endpoint = find_endpoint("openai:gpt", {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": model.url})
        gpt = ModelPlanner([spec], replace(endpoint, prices=prices), spending=spending)
        with pytest.raises(UnfinishedError) if is_broken else nullcontext():
            events(gpt, [spec])
    assert spending.spent > 0.005


def test_caps_of_models_toml_hold_where_no_option_does_and_are_named(spec: Spec) -> None:
    caps = Caps(steps=2).or_else(Caps(usd=0.5, steps=9, seconds=60))
    assert (caps.usd, caps.steps, caps.seconds) == (0.5, 2, 60)
    names = [caps.setting(name) for name in ("usd", "steps", "seconds")]
    assert names == ["max_usd of models.toml", "--max-steps", "max_seconds of models.toml"]
    late = replace(caps, seconds=0)
    seen: list[Any] = events(Scripted("Done."), [spec], caps=late)
    assert "0 seconds of max_seconds of models.toml are over" in seen[-1].text


def test_what_is_reported_is_added_up_apart_from_what_is_estimated() -> None:
    spending = SpendingMeter(1.0)
    prices = ModelPrices(input=2, output=10)
    spending.add(prices, {"input_tokens": 1_000, "cache_read_input_tokens": 500, "output_tokens": 100}, 9_000)
    spending.add(prices, {}, 3_000)
    spending.add(None, {"input_tokens": 10, "output_tokens": 1}, 30)
    total = spending.total
    assert (total.requests, total.input_tokens, total.cached_tokens, total.output_tokens) == (3, 1_510, 500, 101)
    assert (round(total.usd, 6), total.unpriced) == (0.0031, 1)
    assert round(spending.spent, 6) == round(0.0031 + 0.007, 6)
    assert str(total) == "1,510 tokens in, 101 out"


def test_a_cap_on_dollars_needs_prices(spec: Spec) -> None:
    endpoint = find_endpoint("openai:gpt", {"OPENAI_API_KEY": KEY})
    with pytest.raises(PlannerError, match="--max-usd needs the prices of openai:gpt"):
        ModelPlanner([spec], endpoint, spending=SpendingMeter(1.0))


@table(("steps", "calls"), [(0, 0), (1, 0), (2, 2), (3, 2), (5, 4)])
def test_calls_are_made_whole_plans_at_a_time_up_to_the_cap(spec: Spec, steps: int, calls: int) -> None:
    reads = [tool_use("read", {"operation": "listBoards", "arguments": {"limit": limit}}) for limit in range(10)]
    script = [message(*reads[at : at + 2]) for at in range(0, 10, 2)]
    with MessagesServer(script, key=KEY) as server, boards_api() as api:
        seen = events(planner(server, spec), [spec], api.url, caps=Caps(steps=steps))
    assert len(api.received) == calls
    assert f"{calls} calls were made, and {steps} is the most by --max-steps" in seen[-1].text


def test_nothing_begins_after_the_time_is_over(spec: Spec) -> None:
    with MessagesServer([LIST] * 5, key=KEY) as server, boards_api() as api:
        seen: list[Any] = events(planner(server, spec), [spec], api.url, caps=Caps(seconds=0))
    assert server.requests == [] and api.received == []
    assert "0 seconds of --max-seconds are over" in seen[-1].text


def test_a_model_that_goes_on_and_on_is_left_when_the_time_is_over(spec: Spec) -> None:
    class Endless:
        name = "endless"

        async def next(self, conversation: Conversation) -> AsyncIterator[str | Plan]:
            yield "I think "
            await asyncio.Event().wait()

    seen: list[Any] = events(Endless(), [spec], caps=Caps(seconds=0.05))
    assert "0.05 seconds of --max-seconds are over" in seen[-1].text
    assert seen[-1].conversation.current.rounds[-1].plan.ended == "seconds"


def test_a_capped_turn_goes_on_with_the_next_question(spec: Spec) -> None:
    with MessagesServer([LIST, LIST, say("Here.")], key=KEY) as server, boards_api() as api:
        claude = planner(server, spec)
        first = events(claude, [spec], api.url, caps=Caps(steps=1))[-1].conversation
        last = events(claude, [spec], api.url, conversation=first.with_question("go on"))[-1]
        assert ask("x").current.rounds == ()
    assert last.text == "Here."
    assert server.refused == []
