"""What is right for each slot of a question whose operation and arguments are known."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nlapi.planner.operations.catalogue import Catalogue
from nlapi.planner.slots.context import SlotContext
from nlapi.planner.slots.slot import Slot
from nlapi.reading.reader import read_sentence
from nlapi.tools.tool import Tool
from training.corpus import TODAY, Corpus, load_document, today_of
from training.scoring import Row


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A question with one call wanted: the scene of the right operation, and its fold."""

    row: Row
    fold: int
    tool: Tool
    scene: SlotContext


def cases(corpus: Corpus) -> Iterator[Case]:
    """The questions with exactly one call wanted."""
    for row, fold in corpus.rows:
        if len(row["calls"]) != 1:
            continue
        _, catalogue = corpus.catalogue(row["spec"])
        operation = catalogue.find(row["calls"][0]["operationId"])
        tool = catalogue.tool(operation) if operation is not None else None
        if operation is None or tool is None:
            continue
        slots = catalogue.slots(tool)
        listers = {slot: listing for slot in slots if (listing := catalogue.list_operation(tool, slot)) is not None}
        sentence = read_sentence(row["question"], today_of(row))
        scene = SlotContext(sentence=sentence, tool=tool, slots=slots, list_operations=listers)
        yield Case(row=row, fold=fold, tool=tool, scene=scene)


def scene_of(document: Mapping[str, Any], question: str, today: date = TODAY) -> SlotContext:
    """The scene of the only operation of a small description."""
    catalogue = Catalogue.of([load_document(document)])
    (operation,) = catalogue.operations
    tool = catalogue.tool(operation)
    if tool is None:
        raise ValueError(f"{operation.id} cannot be a tool")
    return SlotContext(sentence=read_sentence(question, today), tool=tool, slots=catalogue.slots(tool))


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
