"""Which requests of earlier conversations may have been carried out, by what their transcripts hold."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from nlapi.agent.records.transcripts import interrupted_requests, with_interruptions
from nlapi.client.message import Request, digest

Records = list[dict[str, Any]]


def proposed(digest: str, id: str = "a", **more: Any) -> dict[str, Any]:
    fields = {"method": "POST", "url": "http://a/x", "headers": {}, "digest": digest, "asks": True}
    return {"event": "proposed", "call": {"id": id}, "effect": "write", **fields, **more}


def stepped(id: str = "a", outcome: str = "done", message: str = "") -> dict[str, Any]:
    return {"event": "stepped", "call": {"id": id}, "outcome": outcome, "message": message}


ASKED: dict[str, Any] = {"event": "asked", "question": "post it"}
YES: dict[str, Any] = {"event": "consent", "answer": "agreed", "face": "ask", "api": "A", "calls": []}
NO = YES | {"answer": "declined"}
IN_ADVANCE = {"asks": False}


def write(folder: Path, name: str, records: Records, hour: int = 9) -> None:
    for minute, record in enumerate(records):
        record["at"] = f"2026-12-02T{hour:02}:{minute:02}:00+00:00"
    (folder / f"{name}.jsonl").write_text("".join(json.dumps(record) + "\n" for record in records))


def open_requests(folder: Path) -> set[str]:
    return set(interrupted_requests(folder, datetime.now(UTC) - timedelta(days=1)))


@pytest.mark.parametrize(
    ("records", "is_open"),
    [
        ([proposed("d"), YES], True),
        ([proposed("d", **IN_ADVANCE)], True),
        ([proposed("d", **IN_ADVANCE), stepped(outcome="failed", message="outcome unknown: a timeout")], True),
        ([proposed("d")], False),
        ([proposed("d"), NO], False),
        ([proposed("d"), NO, stepped(outcome="refused"), proposed("e", "b"), YES, stepped("b")], False),
        ([proposed("d"), NO, proposed("e", "b"), YES, stepped("b")], False),
        ([proposed("d"), proposed("e"), YES, stepped()], False),
        ([proposed("e"), proposed("d"), YES], True),
        ([proposed("d"), YES, stepped()], False),
        ([proposed("d"), YES, ASKED, proposed("d", **IN_ADVANCE), stepped()], False),
        ([proposed("d"), YES, ASKED, proposed("d"), stepped(outcome="shown")], True),
        (
            [proposed("d"), YES, ASKED, proposed("d"), YES, stepped(outcome="failed", message="not run, as b failed")],
            True,
        ),
        ([proposed("e", **IN_ADVANCE), proposed("d", "b", **IN_ADVANCE), stepped()], True),
        ([proposed("e", **IN_ADVANCE), proposed("d", "b", **IN_ADVANCE)], False),
        ([proposed("d", effect="read", asks=False)], False),
        ([{"event": "proposed", "call": []}, {"event": 5}, {"event": "stepped", "call": None}], False),
    ],
)
def test_a_request_is_open_that_was_sent_and_has_no_answer(tmp_path: Path, records: Records, is_open: bool) -> None:
    write(tmp_path, "one", [ASKED.copy(), *({**record} for record in records)])
    assert ("d" in open_requests(tmp_path)) is is_open
    lines = [record for record in with_interruptions(records) if record["event"] == "interrupted"]
    if is_open and "outcome unknown" not in str(records):
        assert [line["digest"] for line in lines] == ["d"]


def test_what_counts_is_what_came_last_whatever_the_conversation(tmp_path: Path) -> None:
    write(tmp_path, "a", [proposed("d", **IN_ADVANCE)], hour=11)
    write(tmp_path, "b", [proposed("d", **IN_ADVANCE), stepped()], hour=10)
    assert open_requests(tmp_path) == {"d"}
    write(tmp_path, "c", [proposed("d", **IN_ADVANCE), stepped()], hour=12)
    assert open_requests(tmp_path) == set()


def test_the_state_that_a_request_was_bound_to_makes_no_other_one_of_it(tmp_path: Path) -> None:
    bound = proposed("x", headers={"If-Match": '"1"', "Accept": "a/b"}, text="{}", **IN_ADVANCE)
    write(tmp_path, "one", [bound])
    plain = Request(method="POST", url="http://a/x", headers=(("Accept", "a/b"),), content=b"{}")
    assert open_requests(tmp_path) == {digest(plain)}
