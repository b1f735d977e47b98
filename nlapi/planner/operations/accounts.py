"""Builds the account of a plan: the origin of each value in the sentence, from its reading to the call."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from nlapi.planner.operations.candidates import OperationCandidate
from nlapi.planner.slots.entities import PendingLookup
from nlapi.planner.slots.preset_values import Values, argument_name, pending_lookup
from nlapi.planner.slots.slot import Slot, SlotCandidate
from nlapi.tools.plan import is_remembered
from nlapi.tools.tool import Origin, ValueSource


def sources_of(best: OperationCandidate, question: str) -> tuple[ValueSource, ...]:
    """Return the sources of what a sentence fills; their places are those in `question`, as it was typed."""
    sentence = best.context.sentence.text
    return tuple(_source(option, sentence, question) for option in best.assignment.candidates)


def _source(option: SlotCandidate, sentence: str, question: str) -> ValueSource:
    argument, value = argument_name(option.slot), option.value
    if option.end <= option.start:
        return ValueSource(argument=argument, value=_plain(value), origin=_unwritten(value))
    words = sentence[option.start : option.end]
    start = _index_in(words, option.start, question)
    end = start + len(words) if start >= 0 else -1
    return ValueSource(
        argument=argument,
        value=_plain(value),
        origin=Origin.WORDS if pending_lookup(value) is None else Origin.LOOKUP,
        words=words,
        start=start,
        end=end,
        sure=round(option.probability, 3),
    )


def _unwritten(value: object) -> Origin:
    """Return the origin of a value without words: the only item of its kind, the caller, the state of a verb."""
    return Origin.LOOKUP if pending_lookup(value) is not None or isinstance(value, int | float) else Origin.VERB


def _index_in(words: str, near: int, question: str) -> int:
    """Return the index in the question of words of the rewritten sentence, the nearest to `near`; -1 for none."""
    starts = [match.start() for match in re.finditer(re.escape(words), question)]
    starts = starts or [match.start() for match in re.finditer(re.escape(words), question, re.IGNORECASE)]
    return min(starts, key=lambda start: abs(start - near), default=-1)


def with_completed(
    sources: Sequence[ValueSource], values: Values, slots: Iterable[Slot], known_values: Mapping[str, object]
) -> tuple[ValueSource, ...]:
    """Return the sources of the values that are sent; for those without one, that of a setting or the description."""
    by_argument = {".".join(path): value for path, value in values.items()}
    result = [source for source in sources if source.argument in by_argument]
    explained = {source.argument for source in result}
    slots_by_name = {argument_name(slot): slot for slot in slots}
    result += [
        _completed_source(name, value, slots_by_name.get(name), known_values)
        for name, value in by_argument.items()
        if name not in explained
    ]
    return tuple(result)


def _completed_source(name: str, value: object, slot: Slot | None, known_values: Mapping[str, object]) -> ValueSource:
    setting = name if name in known_values else name.partition(".")[0]
    if setting in known_values:
        origin = Origin.REPLY if is_remembered(known_values, setting) else Origin.SETTING
        return ValueSource(argument=name, value=_plain(value), origin=origin)
    fixed = slot is not None and (slot.has_default or "const" in slot.schema or len(slot.choices) == 1)
    return ValueSource(argument=name, value=_plain(value), origin=Origin.DESCRIPTION if fixed else Origin.NOBODY)


def with_lookup(sources: Iterable[ValueSource], argument: str, id: object, name: str) -> tuple[ValueSource, ...]:
    """Return `sources` with the id that a look-up gave for the words of `argument`, of an item called `name`."""
    return tuple(
        replace(source, value=id, origin=Origin.LOOKUP, name=name) if source.argument == argument else source
        for source in sources
    )


def with_moved_arguments(sources: Iterable[ValueSource], values: Values) -> tuple[ValueSource, ...]:
    """Return `sources` for other values of the same words: what is looked up has its new argument."""
    arguments = {value.name: ".".join(path) for path, value in values.items() if isinstance(value, PendingLookup)}
    names = {".".join(path) for path in values}
    return tuple(_moved_sources(sources, arguments, names))


def _moved_sources(
    sources: Iterable[ValueSource], arguments: Mapping[str, str], names: set[str]
) -> Iterator[ValueSource]:
    for source in sources:
        if str(source.value) in arguments:
            yield replace(source, argument=arguments[str(source.value)])
        elif source.argument in names:
            yield source


def _plain(value: object) -> object:
    if isinstance(value, list):
        return list(map(_plain, value))
    return value.name if isinstance(value, PendingLookup) else value
