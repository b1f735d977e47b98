"""The transcript: what it holds, what a kill cannot take from it, what never gets into it."""

from __future__ import annotations

import base64
import json
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nlapi.agent.events import StepFinished, TurnAnswered
from nlapi.agent.models.messages import ModelState
from nlapi.agent.policy import OUTCOME_UNKNOWN, Policy, Verdict
from nlapi.agent.records.log import MAX_BODY, Log, encode_event
from nlapi.agent.records.transcripts import list_transcripts, read_records, read_transcript, record_body, resume
from nlapi.api import load
from nlapi.client.message import Result
from nlapi.errors import NlapiError, UsageError
from nlapi.openapi.spec import Spec
from nlapi.tools.compile import compile_tool
from nlapi.tools.plan import Conversation, Outcome, Plan, Step, ask
from nlapi.tools.tool import Tool
from tests.agent.kit import Scripted, boards, boards_api, call, events, judge
from tests.servers import Echo, Received, Reply
from tests.strategies import examples
from tests.tables import table

SECRET = 'pa"ss/wörd-5e55'


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> Spec:
    return boards(tmp_path_factory.mktemp("log"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "logs" / "one.jsonl"


def logged(log: Log, spec: Spec, *plans: str | Plan, url: str, question: str = "add A to Roadmap") -> Conversation:
    """A turn carried out and written to the log."""
    log.write_question(question, known_values={"account": "acc-1"})
    asked, policy = ask(question), Policy(yes=True)
    answers = events(Scripted(*plans), [spec], url, conversation=asked, policy=policy, see=log.write, no_auth=True)
    assert isinstance(answers[-1], TurnAnswered)
    return answers[-1].conversation


def tools(spec: Spec) -> Callable[[str, str], Tool]:
    def find(source: str, operation: str) -> Tool:
        assert source == spec.source
        return compile_tool(spec.operation(operation))

    return find


def plans(spec: Spec) -> tuple[Plan | str, ...]:
    read = Plan(calls=(call(spec, "listBoards", "t1"),), text="Looking.", raw=ModelState(model="m"))
    write = Plan(calls=(call(spec, "createCard", "t2", board="b7", title="Ä"),), confidence=0.5)
    return read, write, "Added."


def test_each_event_is_a_line_in_order(spec: Spec, path: Path) -> None:
    with boards_api() as api, Log.open(path) as log:
        logged(log, spec, *plans(spec), url=api.url)
    records = read_records(path)
    kinds = [record["event"] for record in records]
    assert kinds == ["asked", *["planned", "proposed", "stepped"] * 2, "planned", "answered"]
    assert all(record["at"] for record in records)
    assert records[0]["known"] == {"account": "acc-1"}
    proposed = records[5]
    assert (proposed["method"], proposed["url"]) == ("POST", f"{api.url}/boards/b7/cards")
    assert json.loads(record_body(proposed)) == {"title": "Ä"}
    assert (proposed["effect"], proposed["asks"]) == ("write", False)
    assert proposed["call"]["operation"] == "createCard"
    assert records[6]["result"]["status"] == 201
    assert records[-1]["text"] == "Added."


def test_the_intention_of_a_change_is_on_disk_before_the_change_is_sent(spec: Spec, path: Path) -> None:
    found = []

    def answer(request: Received) -> Reply:
        found.append([record["event"] for record in read_records(path)])
        return Reply(201, {"id": "c1"})

    with Echo(answer) as api, Log.open(path) as log:
        logged(log, spec, Plan(calls=(call(spec, "createCard", board="b7", title="A"),)), "Added.", url=api.url)
    assert found == [["asked", "planned", "proposed"]]


def test_a_line_that_a_kill_cut_short_is_ignored_and_does_not_swallow_the_next(spec: Spec, path: Path) -> None:
    with boards_api() as api, Log.open(path) as log:
        logged(log, spec, *plans(spec), url=api.url)
    whole = path.read_bytes()
    for length in range(len(whole) - 40, len(whole)):
        path.write_bytes(whole[:length])
        kept = read_records(path)
        assert len(kept) in (whole.count(b"\n"), whole.count(b"\n") - 1)
        with Log.open(path) as log:
            log.write_question("and now?")
        assert [record["event"] for record in read_records(path)] == [*(record["event"] for record in kept), "asked"]


def test_secrets_are_masked_wherever_they_turn_up(spec: Spec, path: Path) -> None:
    escaped = json.dumps({"token": SECRET, SECRET: base64.b64encode(SECRET.encode()).decode()})

    def leak(request: Received) -> Reply:
        return Reply(200, escaped.encode(), {"Set-Cookie": "session=c00kie", "Content-Type": "application/json"})

    with Echo(leak) as api, Log.open(path, secrets=[SECRET, "1"]) as log:
        read_it = Plan(calls=(call(spec, "listCards", board=SECRET),), text=SECRET, raw=ModelState(model=SECRET))
        logged(log, spec, read_it, f"It is {SECRET}.", url=api.url, question=f"use {SECRET}, 1 time")
    text = path.read_text()
    for form in (SECRET, json.dumps(SECRET)[1:-1], "w%C3%B6rd-5e55", base64.b64encode(SECRET.encode()).decode()):
        assert form not in text
    assert "5e55" not in text
    assert "c00kie" not in text
    assert "***, 1 time" in text
    assert SECRET not in repr(log)


def test_a_password_is_masked_without_its_user_name_and_a_token_without_its_bearer(path: Path) -> None:
    with Log.open(path, secrets=["ada:correct horse", "Bearer sk-test-12345678"]) as log:
        log.write_question("I am ada, correct horse, sk-test-12345678")
    assert "I am ada, ***, ***" in path.read_text()


def test_it_is_for_its_owners_eyes_only(path: Path) -> None:
    Log.open(path).close()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_log_that_cannot_be_written_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="cannot write the log"):
        Log.open(tmp_path / "file" / "log.jsonl")
    with pytest.raises(UsageError, match="cannot read the log"):
        read_records(tmp_path / "missing.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="a device of Linux")
def test_a_line_that_has_no_room_is_one_clear_error() -> None:
    with Log.open(Path("/dev/full")) as log, pytest.raises(NlapiError, match=r"cannot write the log .*No space"):
        log.write_question("list the notes")


def test_a_conversation_comes_back_from_its_log(spec: Spec, path: Path) -> None:
    with boards_api() as api, Log.open(path) as log:
        before = logged(log, spec, *plans(spec), url=api.url)
    after = resume(read_records(path), tools(spec))
    assert after.known_values == {"account": "acc-1"}
    assert after.question == before.question
    assert [step.outcome for step in after.current.steps] == [Outcome.ANSWERED] * 2
    for old, new in zip(before.current.rounds, after.current.rounds, strict=True):
        assert (new.plan.text, new.plan.raw, new.plan.confidence) == (old.plan.text, old.plan.raw, old.plan.confidence)
        assert new.plan.calls == old.plan.calls
        for done, told in zip(old.steps, new.steps, strict=True):
            assert told.call == done.call
            assert told.result and done.result
            assert (told.result.status, told.result.content) == (done.result.status, done.result.content)


@pytest.mark.parametrize(
    ("state", "reason"),
    [({"planner": "gone"}, "gone"), ({"planner": "offline", "state": {"$": "gone"}}, "this version of nlapi cannot")],
)
def test_a_plan_that_no_planner_can_continue_is_refused(
    spec: Spec, path: Path, state: dict[str, str], reason: str
) -> None:
    with boards_api() as api, Log.open(path) as log:
        logged(log, spec, *plans(spec), url=api.url)
    records = [{**record, "raw": state} if record["event"] == "planned" else record for record in read_records(path)]
    with pytest.raises(UsageError, match=reason) as refused:
        resume(records, tools(spec))
    assert "new conversation" in refused.value.hint


@pytest.mark.parametrize(
    ("last", "message"), [("planned", "not run"), ("proposed", OUTCOME_UNKNOWN)], ids=["before", "during"]
)
def test_a_killed_change_comes_back_as_what_is_known_of_it(spec: Spec, path: Path, last: str, message: str) -> None:
    write = Plan(calls=(call(spec, "createCard", board="b7", title="A"), call(spec, "deleteCard", card="c9")))
    with boards_api() as api, Log.open(path) as log:
        logged(log, spec, write, "Done.", url=api.url)
    records = read_records(path)
    kept = records[: [record["event"] for record in records].index(last) + 1]
    first, second = resume(kept, tools(spec)).current.steps
    assert (first.outcome, second.outcome) == (Outcome.FAILED, Outcome.FAILED)
    assert first.message.startswith(message)
    assert second.message.startswith("not run")


@pytest.mark.parametrize("damaged", [["planned"], ["proposed"], ["stepped"], ["planned", "stepped"]], ids=" ".join)
def test_a_change_with_a_damaged_record_is_not_taken_for_untried(spec: Spec, path: Path, damaged: list[str]) -> None:
    """Whatever cannot be read, the change is not made again unasked."""
    change = call(spec, "createCard", "t1", board="b7", title="A")
    with boards_api() as api, Log.open(path) as log:
        logged(log, spec, Plan(calls=(change,)), "Done.", url=api.url)
        lines = path.read_text().splitlines()
        for kind in damaged:
            index = next(index for index, line in enumerate(lines) if json.loads(line)["event"] == kind)
            lines[index] = json.dumps({"event": kind, "call": 5, "calls": "odd", "raw": 7})
        path.write_text("\n".join(lines) + "\n")
        conversation = resume(read_transcript(path).records, tools(spec))
        judged = judge(Policy(yes=True), change, conversation, base_url=api.url)
    assert judged.verdict is Verdict.ASK


def test_a_killed_change_is_known_by_what_was_proposed_and_not_by_what_was_written(path: Path) -> None:
    """Claude writes "$50", and 50000000 goes on the wire."""
    ads = load("ads")
    campaign = {"account_id": "acc_12345678", "name": "X", "objective": "TRAFFIC"}
    written = call(ads, "createCampaign", "t1", **campaign, daily_budget_micros="$50")
    with Echo(Reply(201, {})) as api, Log.open(path) as log:
        logged(log, ads, Plan(calls=(written,)), "Done.", url=api.url)
    records = read_records(path)
    killed = records[: [record["event"] for record in records].index("proposed") + 1]
    conversation = resume(killed, lambda source, operation: compile_tool(ads.operation(operation)))
    (step,) = conversation.current.steps
    assert step.message.startswith(OUTCOME_UNKNOWN)
    assert step.request is not None and json.loads(step.request.content or b"")["daily_budget_micros"] == 50_000_000
    judged = judge(Policy(yes=True), written, conversation)
    assert judged.verdict is Verdict.ASK and judged.reason.startswith("the same change got no complete answer")


@pytest.mark.parametrize("title", ["x" * MAX_BODY, f"carries {SECRET}"], ids=["cut", "masked"])
def test_a_change_is_known_again_where_the_log_has_not_all_of_it(spec: Spec, path: Path, title: str) -> None:
    written = call(spec, "createCard", board="b7", title=title)
    with boards_api() as api, Log.open(path, secrets=[SECRET]) as log:
        logged(log, spec, Plan(calls=(written,)), "Done.", url=api.url)
        judged = judge(Policy(yes=True), written, resume(read_records(path), tools(spec)), base_url=api.url)
    assert SECRET not in path.read_text()
    assert judged.verdict is Verdict.ASK and judged.reason.startswith("the same change was sent before")


def test_a_resumed_log_goes_on_in_the_same_file(spec: Spec, path: Path) -> None:
    for question in ("first", "second"):
        with boards_api() as api, Log.open(path) as log:
            logged(log, spec, "Fine.", url=api.url, question=question)
    assert [turn.question for turn in resume(read_records(path), tools(spec)).turns] == ["first", "second"]


def test_the_logs_of_a_folder_are_listed_newest_first(spec: Spec, tmp_path: Path) -> None:
    folder = tmp_path / "logs"
    with boards_api() as api, Log.create(folder) as log:
        logged(log, spec, *plans(spec), url=api.url)
    (folder / "20990101T000000Z-ffffff.jsonl").write_text('{"event": "asked", "question": "later?", "at": "2099"}\n')
    (folder / "20250101T000000Z-aaaaaa.jsonl").write_text("torn")
    later, mine = list_transcripts(folder)
    assert (later.question, later.turns, later.changes) == ("later?", 1, 0)
    assert (mine.question, mine.changes, mine.id) == ("add A to Roadmap", 1, log.path.stem)
    assert list_transcripts(tmp_path / "none") == ()


@pytest.mark.parametrize(("status", "changes"), [(201, 3), (422, 1)])
def test_what_was_not_tried_is_no_change(spec: Spec, tmp_path: Path, status: int, changes: int) -> None:
    three = Plan(calls=tuple(call(spec, "createCard", "one", board="b7", title=title) for title in "ABC"))
    with Echo(Reply(status, {})) as api, Log.create(tmp_path) as log:
        logged(log, spec, three, "Done.", url=api.url)
    (entry,) = list_transcripts(tmp_path)
    assert entry.changes == changes
    assert [record["event"] for record in read_records(log.path)].count("reported") == 1


@settings(max_examples=examples(50))
@given(st.one_of(st.binary(max_size=60), st.text(max_size=60).map(str.encode)))
def test_any_body_comes_back_as_it_was(spec: Spec, body: bytes) -> None:
    record = result_in_log(spec, body)
    assert record_body(record) == body
    assert "cut" not in record


@table("character", ["a", "é", "€", "😀"])
@table("shift", range(4))
def test_a_long_text_is_cut_between_characters(spec: Spec, character: str, shift: int) -> None:
    body = b"x" * shift + character.encode() * (MAX_BODY + 1)
    record = result_in_log(spec, body)
    assert record["cut"] == len(body)
    assert MAX_BODY - 4 < len(record_body(record)) <= MAX_BODY
    assert set(record["text"]) <= {"x", character}


def result_in_log(spec: Spec, body: bytes) -> dict[str, Any]:
    """A Result with this body, as it stands in the log."""
    step = Step(call=call(spec, "listBoards"), outcome=Outcome.ANSWERED, result=Result(status=200, content=body))
    result: dict[str, Any] = json.loads(json.dumps(encode_event(StepFinished(step=step))))["result"]
    return result
