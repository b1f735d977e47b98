"""Where the list of things is in an answer, and where there is none."""

from __future__ import annotations

from typing import Any

import pytest

from nlapi.tools.rows import rows_of

REVISION = {
    "revision": 7,
    "at": "today",
    "who": "ana",
    "why": "latency",
    "summary": "rule tv added",
    "objectives": ["search"],
}


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        ([1, 2], [1, 2]),
        ({"data": [{"id": 1}], "page": {"total": 1}}, [{"id": 1}]),
        ({"items": ["a", "b"], "total": 2, "next": "https://example.test/2"}, ["a", "b"]),
        ({"tags": ["a"], "name": "x"}, None),
        (REVISION, None),
        ({**REVISION, "objectives": [{"name": "search"}]}, [{"name": "search"}]),
    ],
)
def test_the_list_of_an_answer_is_found(data: Any, rows: Any) -> None:
    assert rows_of(data) == rows
