"""`nlapi ask` where a read leaves out words of the question: exit code 7, and `--loosely` takes the answer as it is."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.kit import Ran, notes, run
from tests.servers import Echo


def ask(api: Echo, folder: Path, question: str, *options: str) -> Ran:
    return run("ask", question, "-a", notes(folder, api.url), "--planner", "offline", *options)


@pytest.mark.parametrize("question", ["show the stolen notes", "show the overdue notes"])
def test_words_that_no_row_can_apply_end_with_7(api: Echo, tmp_path: Path, question: str) -> None:
    ran = ask(api, tmp_path, question)
    assert ran.code == 7
    assert question.split()[2] in ran.err
    assert "--loosely" in ran.err
    assert ask(api, tmp_path, question, "--loosely").code == 0


@pytest.mark.parametrize(
    "question",
    ["show the open notes", "list all my notes please", "how many notes are there?", "show the notes called Milk"],
)
def test_words_that_the_request_or_the_rows_apply_are_used(api: Echo, tmp_path: Path, question: str) -> None:
    assert ask(api, tmp_path, question).code == 0


def test_a_read_of_one_item_that_leaves_out_a_value_is_not_sent(api: Echo, tmp_path: Path) -> None:
    question = 'get note n1 with "blue paper"'
    ran = ask(api, tmp_path, question)
    assert (ran.code, api.received) == (7, [])
    assert ask(api, tmp_path, question, "--loosely").code == 0
