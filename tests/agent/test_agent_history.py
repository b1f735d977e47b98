"""The messages of long conversations: written once, the oldest answers cleared, each the beginning of the next."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest

from nlapi.agent.models.messages import Message, ModelState, tool_result
from nlapi.agent.models.planner import HISTORY_ROOMS, History, HistoryRoom
from nlapi.client.message import Result
from nlapi.openapi.spec import Spec
from nlapi.tools.plan import Conversation, Outcome, Plan, Round, Step, ask
from tests.agent.kit import boards, call
from tests.messages_server import text_block, tool_use

ROOM = HistoryRoom(full=2_000, cleared=700)


class Views:
    """Answers as a model is shown them, which are their bodies."""

    def view(self, step: Step) -> str:
        assert step.result is not None
        return step.result.text

    def handle(self, step: Step) -> str:
        return f"r-{step.call.id}"


@pytest.fixture
def spec(tmp_path: Path) -> Spec:
    return boards(tmp_path)


def history() -> History:
    return History(Views(), lambda question: f"for {question}", "m")


def made_round(spec: Spec, name: str, dice: random.Random) -> Round:
    """A round of a model's, of another planner's, or one that ends a turn."""
    calls = tuple(call(spec, "listBoards", id=f"{name}_{number}") for number in range(dice.choice((0, 1, 1, 2))))
    texts = ("x" * dice.randint(1, 900) for _ in calls)
    steps = [
        Step(call=item, outcome=Outcome.ANSWERED, result=Result(status=200, content=text.encode()))
        for item, text in zip(calls, texts, strict=True)
    ]
    if dice.random() < 0.2:
        return Round(plan=Plan(calls=calls, text="Looking."), steps=tuple(steps))
    uses = [tool_use("read", {"operation": "listBoards"}, item.id) for item in calls]
    found = [
        {"role": "assistant", "content": [tool_use("find", {"words": "board"}, f"{name}_f")]},
        {"role": "user", "content": [tool_result(f"{name}_f", "y" * dice.randint(1, 400))]},
    ]
    messages = (*(found if dice.random() < 0.3 else ()), {"role": "assistant", "content": uses or [text_block("So.")]})
    state = ModelState(model="m", messages=messages)
    return Round(plan=Plan(calls=calls, text="So.", raw=state), steps=tuple(steps[: dice.choice((1, 2))]))


def conversations(spec: Spec, seed: int) -> list[Conversation]:
    """A conversation after each of its rounds and questions."""
    dice = random.Random(seed)
    stages = [ask("q0")]
    for number in range(60):
        last = stages[-1]
        question = last.with_question(f"q{number}") if dice.random() < 0.2 else None
        stages.append(question or last.with_round(made_round(spec, f"c{number}", dice)))
    return stages


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("room", [ROOM, *HISTORY_ROOMS])
def test_what_is_written_step_by_step_is_what_is_written_at_once(spec: Spec, seed: int, room: HistoryRoom) -> None:
    written = history()
    for stage in conversations(spec, seed):
        messages = written.messages(stage, room)
        assert messages == history().messages(stage, room)
        assert all(earlier["role"] != later["role"] for earlier, later in itertools.pairwise(messages))
        ids = [block["id"] for item in messages for block in item["content"] if block["type"] == "tool_use"]
        assert set(ids) == written.tool_use_ids and len(set(ids)) == len(ids)


def cleared(messages: list[Message]) -> int:
    return sum("cleared" in block.get("content", "") for item in messages for block in item["content"])


def test_a_request_begins_as_the_one_before_where_nothing_is_cleared(spec: Spec) -> None:
    written = history()
    lists = [written.messages(stage, ROOM) for stage in conversations(spec, 7)]
    lost = 0
    for earlier, later in itertools.pairwise(lists):
        blocks = [(item["role"], block) for item in earlier for block in item["content"]]
        next_blocks = [(item["role"], block) for item in later for block in item["content"]]
        if cleared(later) == cleared(earlier):
            assert next_blocks[: len(blocks)] == blocks
        else:
            lost += 1
    assert 0 < lost < len(lists) / 3
    texts = [block["content"] for item in lists[-1] for block in item["content"] if block["type"] == "tool_result"]
    assert "cleared to save room; `result` reads r-c" in "\n".join(texts)
    assert sum(map(len, texts)) < ROOM.full + 70 * cleared(lists[-1])


def test_lists_that_were_returned_do_not_change(spec: Spec) -> None:
    stages = conversations(spec, 3)
    written = history()
    lists = [written.messages(stage, ROOM) for stage in stages]
    assert lists == [history().messages(stage, ROOM) for stage in stages]


def test_another_conversation_and_one_whose_turn_was_taken_out_are_written_anew(spec: Spec) -> None:
    first, second = conversations(spec, 1)[-1], conversations(spec, 2)[-1]
    shorter = Conversation(turns=first.turns[:-1], id=first.id)
    written = history()
    for conversation in (first, second, first, shorter, shorter.with_question("and now?")):
        assert written.messages(conversation, ROOM) == history().messages(conversation, ROOM)


def test_after_an_error_all_is_written_anew(spec: Spec) -> None:
    stage = conversations(spec, 4)[-1]
    faults = iter((False, True))

    def offer(question: str) -> str:
        if next(faults, False):
            raise RuntimeError(question)
        return f"for {question}"

    written = History(Views(), offer, "m")
    with pytest.raises(RuntimeError):
        written.messages(stage, ROOM)
    assert written.messages(stage, ROOM) == history().messages(stage, ROOM)
