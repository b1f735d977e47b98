"""A table is one test that runs every row and names those that fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tables import table


def test_every_row_is_run_and_those_that_fail_are_named() -> None:
    seen = []

    @table(("number", "is_even"), [(1, True), (2, True), pytest.param(4, False, id="four")])
    def parity(number: int, is_even: bool) -> None:
        seen.append(number)
        assert (number % 2 == 0) is is_even

    with pytest.raises(ExceptionGroup, match="2 of 3 rows failed") as caught:
        parity()
    assert seen == [1, 2, 4]
    notes = [error.__notes__ for error in caught.value.exceptions]
    assert notes == [["in row 0 of the table: 1, True"], ["in row 2 of the table: four"]]


@table("text", ["a", "b"])
def test_each_row_has_a_folder_of_its_own(tmp_path: Path, text: str) -> None:
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text(text)


def test_a_table_is_skipped_where_every_row_is() -> None:
    @table("reason", ["not here", "nor there"])
    def skipped(reason: str) -> None:
        pytest.skip(reason)

    with pytest.raises(pytest.skip.Exception, match="not here"):
        skipped()
