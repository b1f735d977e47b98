"""The account of a plan: where the sentence says each value, kept from the reading of it to the call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from nlapi.planner.operations.candidates import Candidate
from nlapi.planner.slots.entities import Wanted
from nlapi.planner.slots.known_values import Values, argument_name, wanted_in
from nlapi.planner.slots.slot import Option, Slot
from nlapi.tools.plan import is_remembered
from nlapi.tools.tool import Origin, ValueSource


def sources_of(best: Candidate, question: str) -> tuple[ValueSource, ...]:
    """Return the sources of what a sentence fills; their places are those in `question`, as it was typed."""
    sentence = best.scene.sentence.text
    return tuple(_source(option, sentence, question) for option in best.filling.options)


def _source(option: Option, sentence: str, question: str) -> ValueSource:
    argument, value = argument_name(option.slot), option.value
    if option.end <= option.start:
        return ValueSource(argument=argument, value=_plain(value), origin=_unwritten(value))
    words = sentence[option.start : option.end]
    start = _place(words, option.start, question)
    end = start + len(words) if start >= 0 else -1
    return ValueSource(
        argument=argument,
        value=_plain(value),
        origin=Origin.WORDS if wanted_in(value) is None else Origin.LOOKUP,
        words=words,
        start=start,
        end=end,
        sure=round(option.sure, 3),
    )


def _unwritten(value: Any) -> Origin:
    """The origin of a value that no words are of: the only one of its kind, the user himself, the state of a verb."""
    return Origin.LOOKUP if wanted_in(value) is not None or isinstance(value, int | float) else Origin.VERB


def _place(words: str, near: int, question: str) -> int:
    """Where words of a sentence that was put in other words stand in the question; -1 where they do not."""
    starts = [match.start() for match in re.finditer(re.escape(words), question)]
    starts = starts or [match.start() for match in re.finditer(re.escape(words), question, re.IGNORECASE)]
    return min(starts, key=lambda start: abs(start - near), default=-1)


def with_completed(
    sources: Sequence[ValueSource], values: Values, slots: Iterable[Slot], known: Mapping[str, Any]
) -> tuple[ValueSource, ...]:
    """`sources` with those of the values that are known, or that the description gives, and only of what is sent."""
    names = {".".join(path): value for path, value in values.items()}
    kept = [one for one in sources if one.argument in names]
    have = {one.argument for one in kept}
    by_name = {argument_name(slot): slot for slot in slots}
    kept += [_completed(name, value, by_name.get(name), known) for name, value in names.items() if name not in have]
    return tuple(kept)


def _completed(name: str, value: Any, slot: Slot | None, known: Mapping[str, Any]) -> ValueSource:
    given = name if name in known else name.partition(".")[0]
    if given in known:
        origin = Origin.REPLY if is_remembered(known, given) else Origin.SETTING
        return ValueSource(argument=name, value=_plain(value), origin=origin)
    fixed = slot is not None and (slot.has_default or "const" in slot.schema or len(slot.choices) == 1)
    return ValueSource(argument=name, value=_plain(value), origin=Origin.DESCRIPTION if fixed else Origin.NOBODY)


def looked_up(sources: Iterable[ValueSource], argument: str, id: Any, name: str) -> tuple[ValueSource, ...]:
    """`sources` with the id that a look-up gave for the words of `argument`, of a thing called `name`."""
    return tuple(
        replace(one, value=id, origin=Origin.LOOKUP, name=name) if one.argument == argument else one for one in sources
    )


def moved(sources: Iterable[ValueSource], values: Values) -> tuple[ValueSource, ...]:
    """`sources` for other values that the same words are taken for: of what is looked up, under its new argument."""
    arguments = {value.name: ".".join(path) for path, value in values.items() if isinstance(value, Wanted)}
    names = {".".join(path) for path in values}
    return tuple(_moved(sources, arguments, names))


def _moved(sources: Iterable[ValueSource], arguments: Mapping[str, str], names: set[str]) -> Iterator[ValueSource]:
    for one in sources:
        if str(one.value) in arguments:
            yield replace(one, argument=arguments[str(one.value)])
        elif one.argument in names:
            yield one


def as_json(sources: Iterable[ValueSource]) -> list[dict[str, Any]]:
    """Sources as JSON, for the state between rounds."""
    return [asdict(one) for one in sources]


def from_json(rows: Iterable[Mapping[str, Any]]) -> tuple[ValueSource, ...]:
    """What `as_json` gave, back."""
    return tuple(ValueSource(**{**row, "origin": Origin(row["origin"])}) for row in rows)


def _plain(value: Any) -> Any:
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value.name if isinstance(value, Wanted) else value
