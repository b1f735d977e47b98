"""Bodies of answers beyond a bound are in a file without a name, and everything reads them as before."""

from __future__ import annotations

import copy
import gc
import json
import pickle
from dataclasses import replace
from os import stat_result
from pathlib import Path

import pytest

from nlapi.client.message import Result, body_size, is_resident
from nlapi.results.store import MAX_FILE, ResidentBodies


def answer(number: int, size: int = 10_000) -> Result:
    return Result(status=200, content=json.dumps({"number": number, "text": "é" * (size // 6)}).encode())


def open_files(folder: Path) -> list[stat_result]:
    """The files of a folder that this process has open, also those without a name."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link.stat() for link in links if str(link.readlink()).startswith(f"{folder}/")]


needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="the open files are listed on Linux only")


def test_the_oldest_are_moved_and_read_as_they_were(tmp_path: Path) -> None:
    bodies = ResidentBodies(limit=31_000, folder=tmp_path / "state")
    answers = [answer(number) for number in range(10)]
    before = [(result.text, result.data, result.content, repr(result)) for result in answers]
    for result in [*answers, answers[-1]]:
        bodies.add(result)
    assert [is_resident(result) for result in answers] == [False] * 7 + [True] * 3
    assert [(result.text, result.data, result.content, repr(result)) for result in answers] == before
    assert sum(map(body_size, answers)) == sum(len(content) for _, _, content, _ in before)
    moved = answers[0]
    assert moved.data is not moved.data  # it is not in memory again once it was read
    for copied in (copy.copy(moved), copy.deepcopy(moved), replace(moved), pickle.loads(pickle.dumps(moved))):
        assert copied == moved


@needs_proc
def test_the_file_is_for_the_user_alone_and_ends_with_the_answers(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    bodies = ResidentBodies(limit=0, folder=folder)
    answers = [answer(number) for number in range(5)]
    for result in answers:
        bodies.add(result)
    (file,) = open_files(folder)
    assert file.st_mode & 0o777 == 0o600
    assert file.st_nlink == 0
    assert list(folder.iterdir()) == []
    del answers[1:], result
    gc.collect()
    assert len(open_files(folder)) == 1
    assert answers[0].data["number"] == 0
    answers.clear()
    gc.collect()
    assert open_files(folder) == []
    bodies.add(last := answer(9))
    assert last.data["number"] == 9


@needs_proc
def test_the_room_of_old_files_is_given_back(tmp_path: Path) -> None:
    bodies = ResidentBodies(limit=0, folder=tmp_path)
    size = MAX_FILE // 3
    last = [Result(status=200, content=bytes([number]) * size) for number in range(3)]
    for number in range(3, 9):
        for result in last:
            bodies.add(result)
        last = [*last[1:], Result(status=200, content=bytes([number]) * size)]
    assert sum(file.st_size for file in open_files(tmp_path)) <= 2 * MAX_FILE
    assert [result.content[0] for result in last] == [6, 7, 8]


def test_the_json_of_old_answers_is_parsed_again(tmp_path: Path) -> None:
    """It takes six times the memory of the body, and a chat refers to all its answers."""
    bodies = ResidentBodies(folder=tmp_path)
    answers = [answer(number, size=1_500_000) for number in range(5)]
    for result in answers:
        assert result.data is result.data
        bodies.add(result)
    assert all(map(is_resident, answers))
    assert ["data" in vars(result) for result in answers] == [False] * 3 + [True] * 2
    assert [result.data["number"] for result in answers] == [0, 1, 2, 3, 4]


def test_the_representation_of_an_answer_is_short() -> None:
    """asyncio makes one of all that a task holds, at each `run`."""
    result = replace(answer(1, size=1_000_000), headers=(("content-type", "application/json"),), url="http://x/y")
    assert repr(result).startswith("Result(status=200, method='', url='http://x/y'")
    assert repr(result).endswith(" bytes of application/json>)")


def test_small_bodies_stay_and_those_nobody_refers_to_are_not_counted(tmp_path: Path) -> None:
    bodies = ResidentBodies(limit=25_000, folder=tmp_path)
    small = [Result(status=200, content=b"x" * 100) for _ in range(1_000)]
    for result in small:
        bodies.add(result)
    first = answer(0)
    bodies.add(first)
    for number in range(1, 50):
        bodies.add(answer(number))
    assert is_resident(first) and all(map(is_resident, small))


def test_where_no_file_can_be_written_bodies_stay_and_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    bodies = ResidentBodies(limit=0, folder=tmp_path / "file")
    result = answer(1)
    bodies.add(result)
    assert is_resident(result)
    assert bodies.fault.startswith(f"{tmp_path / 'file'} cannot be written: ")
    (tmp_path / "file").unlink()
    bodies.add(other := answer(2))
    assert bodies.fault == ""
    assert not is_resident(result) and not is_resident(other)
