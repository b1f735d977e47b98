"""Makes the answer to a question about things that were listed: the sentence, and the rows that it is about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from typing import Any

from nlapi.openapi.spec import Operation
from nlapi.planner.answering.aggregates import (
    COUNT,
    Group,
    compared_path,
    count_text,
    extreme,
    groups_by,
    in_order,
    measure_path,
    most_grouped,
    only_amount,
    sorted_text,
    summed,
)
from nlapi.planner.answering.client_filter import Filtered
from nlapi.planner.answering.conditions import Condition
from nlapi.planner.answering.list_question import ListQuestion, counted_words, is_sorted_by_api
from nlapi.planner.answering.row_fields import (
    RowFields,
    counted,
    field_stems,
    field_words,
    joined,
    label,
    noun,
    plural,
    texts_of,
    value_word,
)
from nlapi.planner.language.lexicon import SYNONYMS
from nlapi.planner.language.question_intent import Want, Wish
from nlapi.planner.language.reader import read_sentence
from nlapi.planner.language.text import Kind
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, columns, field_at, fields_of, id_of, is_empty, name_of, text_of
from nlapi.resources.naming import plural as plural_word
from nlapi.resources.naming import split_words, stem
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.answer_view import AnswerView
from nlapi.tools.tool import Call
from nlapi.tools.value_format import format_value

_MOST_NAMES = 6
_MOST_TIED = 4
_EXISTS = re.compile(r"^\W*(?:is|are|was|were) there\b|^\W*(?:does|do|did|has|have)\b|\bany\b", re.IGNORECASE)
"""Asks whether there are such things: that some are listed answers it."""
_EVERY = re.compile(r"\b(?:all|every|each|everything)\b", re.IGNORECASE)


def list_answer(asked: ListQuestion) -> AnswerView:
    """Return the answer to a question about things that were listed."""
    wish, some = asked.wish, asked.some
    if not asked.count:
        none = f"No {plural(some.operation)} found{_under(asked.call)}."
        return AnswerView(text=f"No: {none[0].lower()}{none[1:]}" if wish.want is Want.CHECK else none)
    if wish.want is Want.CHECK and (about := _about_one(asked)):
        return about
    if some.things and wish.compares and (view := _compared(asked)):
        return view
    if some.things and wish.want in (Want.SUM, Want.AVERAGE) and (view := _summed(asked)):
        return view
    if some.things and wish.want is Want.COUNT and asked.groups:
        return _grouped(asked)
    if (wish.compares or wish.want is Want.AVERAGE) and not is_sorted_by_api(asked.call):
        said = tuple(asked.text[start:end].strip() for start, end in wish.spans[-1:])
        asked = replace(asked, found=replace(asked.found, unapplied=(*said, *asked.found.unapplied)))
    rows = replace(some, things=_cut(asked))
    lead = _lead(asked, len(rows.things))
    sorts = count_text(groups_by(rows, asked.groups)) if asked.groups else sorted_text(rows)
    if sorts and wish.want is Want.COUNT and asked.has_total and (asked.total or 0) > asked.count:
        sorts = f"of the {asked.count:,} that were read {sorts}"
    parts = [part for part in (sorts if not asked.found.conditions else "", _names(rows)) if part]
    text = f"{lead}: {'; '.join(parts)}" if parts and rows.things else lead
    return _view(asked, rows, asked.paths, text if text.endswith(".") else f"{text}.")


def _view(asked: ListQuestion, rows: RowFields, paths: Sequence[str], text: str) -> AnswerView:
    """The rows, with the columns that the question asks for behind the one that names them."""
    words = singular_noun(rows.operation)
    described = columns(rows.things, words)
    named = [path for path in described[:1] if any(name_of(thing, words) for thing in rows.things)]
    return AnswerView(
        text=text + asked.notes,
        rows=rows.things,
        columns=tuple(dict.fromkeys((*named, *paths, *described))),
        fixed=max(1, len({*named, *paths})),
        operation=rows.operation,
        is_certain=not asked.found.unapplied,
    )


def _lead(asked: ListQuestion, shown: int) -> str:
    """How many there are, as far as that answers the question."""
    wish, operation, found = asked.wish, asked.call.tool.operation, asked.found
    if found.conditions:
        of = asked.head if asked.is_whole else f"the first {counted(asked.count, operation)}"
        text = f"{len(found.things):,} of {of} with {found.text}"
        if shown < len(found.things):
            end = "last" if wish.first < 0 else "first"
            text = f"the {end} {shown:,} of {counted(len(found.things), operation)} with {found.text} (of {of})"
        if wish.want is Want.CHECK and not found.unapplied:
            wanted = asked.count if _EVERY.search(asked.text) else 1
            return f"{'Yes' if len(found.things) >= wanted else 'No'}: {text}"
        return f"{text[0].upper()}{text[1:]}"
    head = asked.head
    if wish.want is Want.COUNT and asked.has_total:
        head = counted(asked.total or 0, operation)
    elif wish.want is Want.COUNT and not asked.is_whole:
        head = f"At least {counted(asked.count, operation)}"
    if found.unapplied and wish.figures:
        return f"{head[0].upper()}{head[1:]} in all"
    if wish.want is Want.CHECK and _EXISTS.search(asked.text) and not found.unapplied:
        return f"Yes: {head}"
    if shown < asked.count:
        every = asked.total if asked.total is not None and asked.total > asked.count else asked.count
        return f"{shown:,} of {counted(every, operation)}{'' if asked.total or asked.is_whole else ' that were read'}"
    return f"{head[0].upper()}{head[1:]}"


def _compared(asked: ListQuestion) -> AnswerView | None:
    """The answer to a question for the most or the least; None where no field tells."""
    wish, some = asked.wish, asked.some
    path, groups = most_grouped(wish, some)
    if path:
        count = len(groups[0][1])
        tied = [value_word(key[0]) for key, things in groups if len(things) == count]
        who = joined(tied) if len(tied) <= _MOST_TIED else f"{len(tied)} of {len(groups)}"
        end = "most" if wish.want is Want.MOST else "fewest"
        verb, each = ("has", "") if len(tied) == 1 else ("have", " each")
        text = f"{who} {verb} the {end} {plural(some.operation)}: {count:,}{each} (of {_of(asked)})."
        return replace(_groups_view(asked, (path,), groups), text=text + asked.notes)
    path = compared_path(wish, some)
    text, things = extreme(wish, some, path) if path else ("", ())
    if not text:
        return None
    said = f"{f'T{text[1:]}' if text.startswith('the ') else text} (of {_of(asked)})."
    return _view(asked, replace(some, things=things), tuple(dict.fromkeys((path, *asked.paths))), said)


def _of(asked: ListQuestion) -> str:
    """The things among which something was looked for."""
    if asked.found.conditions:
        return f"{len(asked.found.things):,} of {asked.head} with {asked.found.text}"
    return f"all {asked.head}" if asked.found.unapplied and asked.is_whole else asked.head


def _summed(asked: ListQuestion) -> AnswerView | None:
    """The answer to a question for a sum or an average; None where no field is of numbers that it may be of."""
    wish, some = asked.wish, asked.some
    path = measure_path(wish, some) or only_amount(some)
    if not path:
        return None
    figure = summed(wish, some, path, [group for group in asked.groups if group != path])
    sorts = sorted_text(some) if not asked.found.conditions else ""
    parts = [part for part in (sorts, figure.text, "" if figure.rows else _names(some)) if part]
    text = f"{_lead(asked, len(some.things))}: {'; '.join(parts)}".rstrip(".") + "."
    if figure.rows:
        return AnswerView(
            text=text + asked.notes,
            rows=figure.rows,
            columns=figure.columns,
            fixed=len(figure.columns),
            is_certain=not asked.found.unapplied,
        )
    return _view(asked, some, tuple(dict.fromkeys((path, *asked.paths))), text)


def _grouped(asked: ListQuestion) -> AnswerView:
    """The answer to a question for how many there are of each."""
    counts = groups_by(asked.some, asked.groups)
    lead = _lead(asked, len(asked.found.things))
    if not asked.is_whole and not asked.found.conditions:
        lead = f"The first {counted(asked.count, asked.fields.operation)}"
    if counted_words(asked.text, asked.wish, asked.fields):
        name = field_words(asked.groups[0])
        lead = f"{len(counts):,} {name if len(counts) == 1 else plural_word(name)} of {lead[0].lower()}{lead[1:]}"
    return replace(_groups_view(asked, asked.groups, counts), text=f"{lead}: {count_text(counts)}.{asked.notes}")


def _groups_view(asked: ListQuestion, paths: Sequence[str], groups: Sequence[Group]) -> AnswerView:
    rows = tuple({**dict(zip(paths, key, strict=True)), COUNT: len(things)} for key, things in groups)
    return AnswerView(rows=rows, columns=(*paths, COUNT), fixed=len(paths) + 1, is_certain=not asked.found.unapplied)


def _cut(asked: ListQuestion) -> tuple[Item, ...]:
    """The things in the order that is asked for, and of them the first or the last few."""
    wish, things = asked.wish, tuple(asked.found.things)
    if asked.order and wish.order is not None:
        things = tuple(in_order(asked.some, asked.order, descending=wish.order.descending))
    if wish.first < 0:
        return things[wish.first :]
    return things[: wish.first] if wish.first else things


def _names(fields: RowFields) -> str:
    """The names of things that are few and all have one."""
    words = singular_noun(fields.operation)
    names = [name for name in (name_of(thing, words) for thing in fields.things) if name]
    return ", ".join(names) if len(fields.things) <= _MOST_NAMES and len(names) == len(fields.things) else ""


def _about_one(asked: ListQuestion) -> AnswerView | None:
    """Yes or no about a thing that the question calls by its name: is it among those listed, and is it so?"""
    call, things, operation = asked.call, asked.fields.things, asked.fields.operation
    words, lower = singular_noun(operation), asked.text.lower()
    named = [thing for thing in things if (name := name_of(thing, words).lower()) and name in lower]
    if len(named) == 1:
        name = name_of(named[0], words)
        unapplied = tuple(text for text in asked.found.unapplied if text.lower() not in name.lower())
        alone = replace(asked, found=Filtered(things=tuple(named), unapplied=unapplied))
        said = (one for one in asked.found.conditions if one.path)
        conditions = [one for one in said if name not in texts_of(field_at(named[0], one.path))]
        text = boolean_answer(asked.wish, operation, named[0]) or _verdict(alone, conditions)
        listed = f"{'' if unapplied else 'Yes: '}{name} is among {asked.head}{_under(call)}."
        return _view(alone, alone.some, [one.path for one in conditions], text or listed)
    given = {str(value).lower() for value in call.arguments.values()}
    spans = read_sentence(asked.text, date.min).spans
    names = [one.text for one in spans if one.kind in (Kind.QUOTED, Kind.NAME) and not one.form]
    names = [
        name for name in names if name.lower() not in given and split_words(name) != list(split_words(noun(operation)))
    ]
    if named or not names or not asked.is_whole or asked.paths or _EXISTS.search(asked.text):
        return None
    return AnswerView(text=f"No: {names[0]} is not among {asked.head}{_under(call)}.")


def _verdict(alone: ListQuestion, conditions: Sequence[Condition]) -> str:
    """Yes or no by the conditions that a question sets on one thing; "" where it sets none."""
    (thing,), (row,) = alone.found.things, alone.some.rows
    if not conditions:
        return ""
    failed = [one for one in conditions if not one.holds(row.get(one.path))]
    one = (failed or conditions)[0]
    value = format_value(alone.fields.operation, one.path, row.get(one.path), thing) or "none"
    name = label(alone.fields.operation, thing)
    return f"{'No' if failed else 'Yes'}: {name[0].lower()}{name[1:]} has {field_words(one.path)} {value}."


def _under(call: Call) -> str:
    """The filters that nothing came through."""
    filters = [
        f"{name}={value if not isinstance(value, list) else ','.join(map(str, value))}"
        for name, value in call.arguments.items()
        if call.tool.places.get(name, ("",))[0] == "query" and isinstance(value, str | list | bool)
    ]
    return f" with {', '.join(filters)}" if filters else ""


_LITTLE = frozenset(("by",))


def boolean_answer(wish: Wish, operation: Operation, thing: Item) -> str:
    """Return `Yes: ...` or `No: ...` by the field that a question is about; "" when none of the fields tells."""
    asked = wish.words - set(map(stem, split_words(name_of(thing)))) - set(map(stem, noun_of(operation)))
    identity = (name_of(thing), id_of(thing))
    fields = {path: text_of(value) or value for path, value in fields_of(thing).items()}
    fields = {path: value for path, value in fields.items() if value not in identity}
    for path, value in fields.items():
        if isinstance(value, bool) and field_stems(path) & asked:
            return _sentence(value, operation, thing, path, value)
    for path, value in fields.items():
        if isinstance(value, str) and _means(value, asked):
            return _sentence(True, operation, thing, path, value)
    for path, value in fields.items():
        if isinstance(value, str) and any(_means(other, asked) for other in _others(operation, path, value)):
            return _sentence(False, operation, thing, path, value)
    for path, value in fields.items():
        words = field_stems(path) - _LITTLE  # silenced, of a field `silencedBy`
        if words and words <= asked:
            return _sentence(not is_empty(value) and bool(value), operation, thing, path, value)
    return ""


def _means(value: str, asked: frozenset[str]) -> bool:
    """Whether the question says the value, or a word that means it."""
    words = set(map(stem, split_words(value)))
    return 0 < len(words) <= 3 and all(asked & SYNONYMS.get(word, frozenset((word,))) for word in words)


def _others(operation: Operation, path: str, value: str) -> Iterator[str]:
    """What else the field might have been, by its schema."""
    listed: Any = (field_schema(operation, path) or {}).get("enum")
    yield from (one for one in listed or () if isinstance(one, str) and one != value)


def _sentence(yes: bool, operation: Operation, thing: Item, path: str, value: Any) -> str:
    name = label(operation, thing)
    if is_empty(value):
        return f"No: {name[0].lower()}{name[1:]} has no {field_words(path)}."
    what = f"{len(value)} of them" if isinstance(value, list) else format_value(operation, path, value, thing)
    return f"{'Yes' if yes else 'No'}: {name[0].lower()}{name[1:]} has {field_words(path)} {what}."
