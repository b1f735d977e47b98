"""What is right for each slot of a question whose operation and arguments are known."""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import nlapi
from benchmarks.offline.folds import QUESTIONS, Row, folds, read_rows, read_specs
from benchmarks.offline.real import real_fold, real_rows
from nlapi.openapi.spec import Spec
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.slot import Slot
from nlapi.tools.tool import Tool

TODAY = date(2026, 1, 15)
"""The day on which the training sentences are read, so that two runs read them alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question with one call wanted: the scene of the right operation, and its fold."""

    row: Row
    fold: int
    tool: Tool
    scene: Scene


@cache
def scoring() -> ModuleType:
    """The shared script that scores the planner: its functions are what `right` means here."""
    path = QUESTIONS.parents[1] / "tools" / "check_questions.py"
    found = importlib.util.spec_from_file_location("check_questions", path)
    if found is None or found.loader is None:
        raise FileNotFoundError(path)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@cache
def every_row() -> tuple[tuple[Row, int], ...]:
    """All questions, of the public sets and about real APIs, each with its fold."""
    rows = read_rows()
    real = ((row, real_fold(row)) for row in real_rows())
    return (*zip(rows, folds(rows), strict=True), *real)


def today_of(row: Row) -> date:
    """The day on which a question was asked, where it says so."""
    return date.fromisoformat(row["today"]) if "today" in row else TODAY


@cache
def catalogues() -> Mapping[str, tuple[Spec, Catalogue]]:
    """Every description of the question sets, parsed."""
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for id, document in read_specs().items():
            file = Path(folder) / f"{id}.json"
            file.write_text(json.dumps(document), encoding="utf-8")
            spec = nlapi.load(str(file))
            found[id] = (spec, Catalogue.of([spec]))
    for source in {row["spec"] for row in real_rows()}:
        spec = nlapi.load(source)
        found[source] = (spec, Catalogue.of([spec]))
    return found


def cases() -> Iterator[Case]:
    """The questions with exactly one call wanted."""
    for row, fold in every_row():
        if len(row["calls"]) != 1:
            continue
        _, catalogue = catalogues()[row["spec"]]
        operation = catalogue.find(row["calls"][0]["operationId"])
        tool = catalogue.tool(operation) if operation is not None else None
        if operation is None or tool is None:
            continue
        slots = catalogue.slots(tool)
        listers = {slot: listing for slot in slots if (listing := catalogue.lister(tool, slot)) is not None}
        sentence = read_sentence(row["question"], today_of(row))
        scene = Scene(sentence=sentence, tool=tool, slots=slots, listers=listers)
        yield Case(row=row, fold=fold, tool=tool, scene=scene)


def scene_of(document: Mapping[str, Any], question: str, today: date = TODAY) -> Scene:
    """The scene of the only operation of a small description."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "one.json"
        file.write_text(json.dumps(document), encoding="utf-8")
        catalogue = Catalogue.of([nlapi.load(str(file))])
    (operation,) = catalogue.operations
    tool = catalogue.tool(operation)
    if tool is None:
        raise ValueError(f"{operation.id} cannot be a tool")
    return Scene(sentence=read_sentence(question, today), tool=tool, slots=catalogue.slots(tool))


def wanted(row: Row, slot: Slot) -> tuple[list[Any], bool]:
    """The values that are right for `slot`, and whether it may be left empty; none for an id that is looked up."""
    gold, accept = row["calls"][0]["arguments"], (row["accept"] or [{}])[0]
    name = slot.path[0]
    if name in row.get("names", {}):
        return [], False
    said = name in gold and gold[name] not in (None, "", [], {})
    values = list(accept.get(name) or ([gold[name]] if said else [""]))
    if name not in gold:
        values.append("")
    for step in slot.path[1:]:
        values = [inner for value in values for inner in _inside(value, step, bool(row["accept"]))]
    full = [value for value in values if not _empty(value)]
    return full, len(full) < len(values)


def _inside(value: Any, step: str, listed: bool) -> Sequence[Any]:
    """What alternatives an object has for one of its properties; the sets that list alternatives list them here too."""
    if not isinstance(value, dict) or step not in value:
        return ("",)
    inner = value[step]
    return inner if listed and isinstance(inner, list) else (inner,)


def _empty(value: Any) -> bool:
    return value is None or (isinstance(value, (str, list, dict)) and not value)


def is_right(value: Any, values: Sequence[Any]) -> bool:
    return bool(scoring().accepted(value, values))
