"""Writes the answer to a question about listed items: the sentence, and the rows that it is about."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

from nlapi.english import lexicon
from nlapi.english.intents import STOPWORDS
from nlapi.english.words import plural as plural_word
from nlapi.english.words import split_words, stem, stems_of
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation
from nlapi.planner.answering.aggregates import (
    COUNT_COLUMN,
    Group,
    category_counts,
    comparison_field,
    count_text,
    group_items,
    largest_groups,
    measure_field,
    names_measure,
    single_amount_field,
    sort_items,
    superlative_text,
    total_of_field,
)
from nlapi.planner.answering.client_filter import FilteredItems
from nlapi.planner.answering.conditions import NEGATIONS, Condition
from nlapi.planner.answering.list_question import ListQuestion, counted_words, is_sorted_by_api, noun_pattern
from nlapi.planner.answering.row_fields import (
    RowFields,
    count_phrase,
    field_stems,
    field_words,
    full_item_label,
    join_words,
    plural_name,
    singular_name,
    texts_of,
    value_word,
)
from nlapi.reading.gazetteer import SYNONYMS
from nlapi.reading.question_intent import IntentKind, asks_existence, is_yes_no_question
from nlapi.reading.reader import read_sentence
from nlapi.reading.text import MentionKind
from nlapi.resources.answers import field_schema
from nlapi.resources.identity import Item, columns, field_at, fields_of, id_of, is_empty, name_of, text_of
from nlapi.resources.nouns import noun_of, singular_noun
from nlapi.tools.answers.view import AnswerView
from nlapi.tools.arguments import argument_schema
from nlapi.tools.quantities.value_format import format_value
from nlapi.tools.tool import Call, Origin

_SUFFIX_STEMS = frozenset(("by",))
_ALTERNATIVE = lazy_pattern(r"\bor\b", re.IGNORECASE)


def count_verdict(question: ListQuestion, count: int | None) -> str:
    """Return Yes or No by the number of items in the question; "" without one, or if the answer does not show it."""
    is_counted = question.is_whole or question.has_total
    if question.bound is None or count is None or question.filtered.unapplied or not is_counted:
        return ""
    return "Yes" if question.bound.holds(count) else "No"


def named_items(question: ListQuestion) -> list[Item]:
    """Return the listed items whose names or ids stand in the question."""
    words, text = singular_noun(question.call.tool.operation), question.text.lower()
    return [
        item
        for item in question.fields.items
        if ((name := name_of(item, words).lower()) and name in text) or _has_word(text, str(id_of(item) or "").lower())
    ]


def _has_word(text: str, id: str) -> bool:
    """Return whether an id stands in a text; one of digits alone may as well be a number."""
    return not id.isdigit() and bool(id) and re.search(rf"(?<![\w-]){re.escape(id)}(?![\w-])", text) is not None


def about_item(question: ListQuestion, item: Item) -> ListQuestion:
    """Return a question about listed items as one about `item`, without what only names it."""
    name = name_of(item, singular_noun(question.call.tool.operation))
    conditions = tuple(condition for condition in question.filtered.conditions if not _is_name(condition, item, name))
    unapplied = tuple(text for text in question.filtered.unapplied if text.lower() not in name.lower())
    return replace(question, filtered=FilteredItems(items=(item,), conditions=conditions, unapplied=unapplied))


def compared_items(question: ListQuestion, item: Item) -> FilteredItems:
    """Return the items that `item` is compared with: those that the question is about, whatever their name is."""
    name = name_of(item, singular_noun(question.call.tool.operation))
    conditions = tuple(condition for condition in question.filtered.conditions if not _is_name(condition, item, name))
    pairs = zip(question.fields.items, question.fields.rows, strict=True)
    items = tuple(entry for entry, row in pairs if all(condition.holds_in(row) for condition in conditions))
    return replace(question.filtered, items=items, conditions=conditions)


def _is_name(condition: Condition, item: Item, name: str) -> bool:
    """Return whether a condition only repeats the name of an item."""
    if not condition.path:
        return bool(name) and name.lower() in condition.text.lower()
    value = field_at(item, condition.path)
    return value == id_of(item) or name in texts_of(value)


def items_verdict(question: ListQuestion, items: Sequence[Item]) -> str:
    """Return `Yes: ...` or `No: ...` to a question about all of `items`; "" if the fields do not show it for each."""
    verdicts = [item_verdict(about_item(question, item)) for item in items]
    if len(items) > 1 and _ALTERNATIVE.search(question.text):
        return ""
    denied = next((text for text in verdicts if text.startswith("No")), "")
    if denied or not all(verdicts) or len(items) == 1:
        return denied or ("" if not all(verdicts) else verdicts[0])
    return f"Yes: {join_words([text.removeprefix('Yes: ').rstrip('.') for text in verdicts])}."


def item_verdict(question: ListQuestion) -> str:
    """Return `Yes: ...` or `No: ...` to a question about one item, by the field that it is about; "" where none tells.

    A field decides only if it and the request's filters cover the whole question.
    """
    (item,), (row,), operation = question.selected.items, question.selected.rows, question.call.tool.operation
    if not is_yes_no_question(question.text) or question.compares or _has_guess(question, row):
        return ""
    conditions = [condition for condition in question.filtered.conditions if condition.path]
    silent = {*STOPWORDS, *map(stem, split_words(name_of(item))), *map(stem, noun_of(operation))}
    unexplained = stems_of(" ".join(question.filtered.unapplied)) - silent
    # Conditions know what a negation denies, single words do not: is it not paused?
    stems = frozenset() if NEGATIONS & set(question.text.lower().split()) else question.intent.words - silent
    for evidence in _evidence(operation, item, stems, _identity(question.call, item)):
        others = [condition for condition in conditions if condition.path != evidence.path]
        # That a field is set is not an answer to whether it is over a bound.
        if not unexplained <= evidence.stems or (evidence.is_presence and len(others) < len(conditions)):
            continue
        if evidence.answer and others:
            return _condition_verdict(question, item, others)
        return _sentence(evidence.answer, operation, item, evidence.path, evidence.value)
    return "" if unexplained or not conditions else _condition_verdict(question, item, conditions)


def _has_guess(question: ListQuestion, row: dict[str, Any]) -> bool:
    """Return whether a condition may be about something else than a field: active [last week], [in Berlin]."""
    return any(
        not (field_stems(condition.path) & question.intent.words or not question.fields.is_temporal(condition.path))
        if condition.path
        else not condition.holds_in(row)
        for condition in question.filtered.conditions
    )


def _condition_verdict(question: ListQuestion, item: Item, conditions: Sequence[Condition]) -> str:
    """Return `Yes: ...` or `No: ...` by the conditions that a question sets on one item."""
    (row,), operation = question.selected.rows, question.call.tool.operation
    failed = [condition for condition in conditions if not condition.holds(row.get(condition.path))]
    path = (failed or conditions)[0].path
    return _sentence(not failed, operation, item, path, row.get(path))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Evidence:
    """A field that answers a question with yes or no, and the stems of the question that it is about."""

    path: str
    value: object
    answer: bool
    stems: frozenset[str]
    is_presence: bool = False
    """whether it answers by being set at all"""


def _evidence(
    operation: Operation, item: Item, stems: frozenset[str], identity: Collection[str]
) -> Iterator[_Evidence]:
    """Yield the fields that the stems of a question are about, the most certain first."""
    fields = {path: text_of(value) or value for path, value in fields_of(item).items()}
    fields = {path: value for path, value in fields.items() if str(value).lower() not in identity}
    texts = {path: value for path, value in fields.items() if isinstance(value, str)}
    # A boolean, the value, another value of the enum, a field that is set.
    for path, value in fields.items():
        if isinstance(value, bool) and field_stems(path) & stems:
            yield _Evidence(path=path, value=value, answer=value, stems=field_stems(path))
    for answer in (True, False):
        for path, text in texts.items():
            for choice in (text,) if answer else _other_choices(operation, path, text):
                if words := _words_of_value(choice, stems):
                    yield _Evidence(path=path, value=text, answer=answer, stems=words | field_stems(path))
    for path, value in fields.items():
        words = field_stems(path) - _SUFFIX_STEMS  # silenced, of a field `silencedBy`
        if words and words <= stems:
            answer = not is_empty(value) and bool(value)
            yield _Evidence(path=path, value=value, answer=answer, stems=words, is_presence=True)


def _identity(call: Call, item: Item) -> frozenset[str]:
    """Return the values by which an item was found, which say nothing more of it, in lower case."""
    in_path = (value for name, value in call.arguments.items() if call.tool.places.get(name, ("",))[0] == "path")
    return frozenset(str(value).lower() for value in (name_of(item), id_of(item), *in_path))


def _words_of_value(value: str, stems: frozenset[str]) -> frozenset[str]:
    """Return the stems of a question that are a value or its synonyms; none where a word of the value is not there."""
    words = stems_of(value)
    matches = [stems & SYNONYMS.get(word, frozenset((word,))) for word in words]
    return frozenset().union(*matches) if 0 < len(words) <= 3 and all(matches) else frozenset()


def _other_choices(operation: Operation, path: str, value: str) -> Iterator[str]:
    """Yield the other values that the field may have by its schema."""
    listed: Any = (field_schema(operation, path) or {}).get("enum")
    yield from (choice for choice in listed or () if isinstance(choice, str) and choice != value)


def _sentence(yes: bool, operation: Operation, item: Item, path: str, value: object) -> str:
    """Return the answer with the field that gives it: `Yes: the campaign Summer Sale has status ACTIVE.`"""
    name = full_item_label(operation, item)
    subject = f"{'Yes' if yes else 'No'}: {name[0].lower()}{name[1:]} has"
    if is_empty(value):
        return f"{subject} no {field_words(path)}."
    value_text = f"{len(value)} of them" if isinstance(value, list) else format_value(operation, path, value, item)
    return f"{subject} {field_words(path)} {value_text}."


_EVERY = lexicon.pattern("planner/answering/words", "every", re.IGNORECASE)
_HAVE = lazy_pattern(r"\b(?:has|have)\b", re.IGNORECASE)


def universal_word(question: str) -> str:
    """Return the word by which a question is about all items; "" where it is not."""
    match = _EVERY.search(question)
    return match.group() if match is not None else ""


def universal_verdict(question: ListQuestion) -> str:
    """Return Yes or No to whether all listed items meet a condition; "" where the request or the question chooses some.

    All of the active ones are active, and tell nothing of the others.
    """
    filtered, start = question.filtered, _noun_start(question)
    chooses = bool(filtered.requested) or any(0 <= condition.start < start for condition in filtered.conditions)
    if chooses or _is_of_others(question.text, start):
        return ""
    # Of several conditions, one may choose the items: are all campaigns with reach active?
    if len(filtered.items) < question.count:
        return "No" if len(filtered.conditions) == 1 else ""
    return "Yes" if filtered.conditions and question.is_whole else ""


def _is_of_others(question: str, start: int) -> bool:
    """Return whether it is asked of others if they all have such items: does every campaign have an ad."""
    every = _EVERY.search(question)
    return every is not None and _HAVE.search(question, every.end(), max(start, every.end())) is not None


def _noun_start(question: ListQuestion) -> int:
    """Return where the noun of the items stands in the question; the beginning where it does not."""
    nouns = noun_pattern(question.call.tool.operation)
    match = re.search(rf"\b(?:{nouns})\b", question.text, re.IGNORECASE) if nouns else None
    return match.start() if match is not None else 0


_MOST_NAMES = 6
_MOST_TIED = 4
_IS = lexicon.pattern("planner/answering/words", "is", re.IGNORECASE)
_EXISTS = lexicon.pattern("planner/answering/words", "exists", re.IGNORECASE)


def list_answer(question: ListQuestion) -> AnswerView:
    """Return the answer to a question about listed items."""
    intent, selected = question.intent, question.selected
    if not question.count:
        none = f"No {plural_name(selected.operation)} found{_filter_text(question.call)}."
        # Without items no field shows the subject of the rest of the question.
        answers = intent.kind is IntentKind.CHECK and not question.filtered.unapplied
        answers = answers and not universal_word(question.text) and not _may_name_another(question)
        verdict = ("Yes" if question.bound is not None and question.bound.holds(0) else "No") if answers else ""
        return AnswerView(text=f"{verdict}: {none[0].lower()}{none[1:]}" if verdict else f"{none}{question.notes}")
    if intent.kind is IntentKind.CHECK and (about := _item_answer(question)):
        return about
    if selected.items and intent.is_superlative and (view := _compared(question)):
        return view
    if selected.items and intent.kind in (IntentKind.SUM, IntentKind.AVERAGE) and (view := _summed(question)):
        return view
    if selected.items and intent.kind is IntentKind.COUNT and question.groups:
        return _grouped(question)
    if (intent.is_superlative or intent.kind is IntentKind.AVERAGE) and not is_sorted_by_api(question.call):
        superlative = tuple(question.text[start:end].strip() for start, end in intent.spans[-1:])
        question = replace(
            question, filtered=replace(question.filtered, unapplied=(*superlative, *question.filtered.unapplied))
        )
    if intent.kind is IntentKind.CHECK and (every := universal_word(question.text)) and _is_untold(question):
        question = replace(
            question, filtered=replace(question.filtered, unapplied=(every, *question.filtered.unapplied))
        )
    rows = replace(selected, items=_ordered_slice(question))
    lead = _lead(question, len(rows.items))
    categories = count_text(group_items(rows, question.groups)) if question.groups else category_counts(rows)
    if categories and intent.kind is IntentKind.COUNT and question.has_total and (question.total or 0) > question.count:
        categories = f"of the {question.count:,} that were read {categories}"
    parts = [part for part in (categories if not question.filtered.conditions else "", _names(rows)) if part]
    text = f"{lead}: {'; '.join(parts)}" if parts and rows.items else lead
    return _view(question, rows, question.paths, text if text.endswith(".") else f"{text}.")


def _is_untold(question: ListQuestion) -> bool:
    """Return whether the question is about all items and the fields do not answer it."""
    return question.bound is None and not question.compares and not universal_verdict(question)


def _view(question: ListQuestion, rows: RowFields, paths: Sequence[str], text: str) -> AnswerView:
    """Return a view of rows: first the column that names them, then those that the question asks for."""
    words = singular_noun(rows.operation)
    described = columns(rows.items, words)
    name_paths = [path for path in described[:1] if any(name_of(item, words) for item in rows.items)]
    return AnswerView(
        text=text + question.notes,
        rows=rows.items,
        columns=tuple(dict.fromkeys((*name_paths, *paths, *described))),
        fixed=max(1, len({*name_paths, *paths})),
        operation=rows.operation,
        is_certain=not question.filtered.unapplied,
        unapplied=question.filtered.unapplied,
    )


def _lead(question: ListQuestion, row_count: int) -> str:
    """Return the head of the sentence: how many items there are, with Yes or No where that answers the question."""
    intent, operation, filtered = question.intent, question.call.tool.operation, question.filtered
    # What is asked of items that are named is not answered by how many there are.
    is_check = intent.kind is IntentKind.CHECK and question.bound is None and not question.compares
    is_check = is_check and not named_items(question)
    if filtered.conditions:
        of = question.count_text if question.is_whole else f"the first {count_phrase(question.count, operation)}"
        text = f"{len(filtered.items):,} of {of} with {filtered.text}"
        if row_count < len(filtered.items):
            end = "last" if intent.first < 0 else "first"
            matches = count_phrase(len(filtered.items), operation)
            text = f"the {end} {row_count:,} of {matches} with {filtered.text} (of {of})"
        if verdict := count_verdict(question, len(filtered.items)):
            return f"{verdict}: {text}"
        if is_check and universal_word(question.text):
            verdict = universal_verdict(question)
            return f"{verdict}: {text}" if verdict and not filtered.unapplied else text
        if is_check and not filtered.unapplied:
            return f"{'Yes' if filtered.items else 'No'}: {text}"
        return f"{text[0].upper()}{text[1:]}"
    head = question.count_text
    if intent.kind is IntentKind.COUNT and question.has_total:
        head = count_phrase(question.total or 0, operation)
    elif intent.kind is IntentKind.COUNT and not question.is_whole:
        head = f"At least {count_phrase(question.count, operation)}"
    if filtered.unapplied and intent.needs_all_items:
        return f"{head[0].upper()}{head[1:]} in all"
    if verdict := count_verdict(question, question.total if question.has_total else question.count):
        return f"{verdict}: {head}"
    if is_check and _EXISTS.search(question.text) and not filtered.unapplied:
        return f"Yes: {head}"
    if row_count < question.count:
        total = max(question.total or 0, question.count)
        note = "" if question.total or question.is_whole else " that were read"
        return f"{row_count:,} of {count_phrase(total, operation)}{note}"
    return f"{head[0].upper()}{head[1:]}"


def _compared(question: ListQuestion) -> AnswerView | None:
    """Return the answer to a question for the most or the least; None where no field tells."""
    intent, selected = question.intent, question.selected
    path, groups = largest_groups(intent, selected)
    if path:
        count = len(groups[0][1])
        tied = [value_word(key[0]) for key, items in groups if len(items) == count]
        subject = join_words(tied) if len(tied) <= _MOST_TIED else f"{len(tied)} of {len(groups)}"
        end = "most" if intent.kind is IntentKind.MOST else "fewest"
        verb, each = ("has", "") if len(tied) == 1 else ("have", " each")
        plural, population = plural_name(selected.operation), _population(question)
        text = f"{subject} {verb} the {end} {plural}: {count:,}{each} (of {population})."
        return replace(_groups_view(question, (path,), groups), text=text + question.notes)
    path = comparison_field(intent, selected)
    if path == single_amount_field(selected) and question.filtered.unapplied and not names_measure(intent, selected):
        return None  # the words that were not applied may name another field: the highest daily budget, of spends
    # An item that is named is not compared with itself: is Winter Clearance the cheapest?
    named = named_items(question)
    if len(named) == len(selected.items) == 1:
        question = replace(question, filtered=compared_items(question, named[0]))
        selected = question.selected
    text, items = superlative_text(intent, selected, path) if path else ("", ())
    if not text:
        return None
    sentence = f"{f'T{text[1:]}' if text.startswith('the ') else text} (of {_population(question)})."
    if len(named) == 1 and is_yes_no_question(question.text) and not question.filtered.unapplied:
        sentence = f"{'Yes' if named[0] in items else 'No'}: {sentence}"
    return _view(question, replace(selected, items=items), tuple(dict.fromkeys((path, *question.paths))), sentence)


def _population(question: ListQuestion) -> str:
    """Return the items among which the most or the least was looked for, in words."""
    if question.filtered.conditions:
        return f"{len(question.filtered.items):,} of {question.count_text} with {question.filtered.text}"
    return f"all {question.count_text}" if question.filtered.unapplied and question.is_whole else question.count_text


def _summed(question: ListQuestion) -> AnswerView | None:
    """Return the answer to a question for a sum or an average; None without a field of numbers."""
    intent, selected = question.intent, question.selected
    path = measure_field(intent, selected) or single_amount_field(selected)
    if not path:
        return None
    figure = total_of_field(intent, selected, path, [group for group in question.groups if group != path])
    categories = category_counts(selected) if not question.filtered.conditions else ""
    parts = [part for part in (categories, figure.text, "" if figure.rows else _names(selected)) if part]
    text = f"{_lead(question, len(selected.items))}: {'; '.join(parts)}".rstrip(".") + "."
    if figure.rows:
        return AnswerView(
            text=text + question.notes,
            rows=figure.rows,
            columns=figure.columns,
            fixed=len(figure.columns),
            is_certain=not question.filtered.unapplied,
            unapplied=question.filtered.unapplied,
        )
    return _view(question, selected, tuple(dict.fromkeys((path, *question.paths))), text)


def _grouped(question: ListQuestion) -> AnswerView:
    """Return the answer to a question for the number of items of each group."""
    counts = group_items(question.selected, question.groups)
    lead = _lead(question, len(question.filtered.items))
    if not question.is_whole and not question.filtered.conditions:
        lead = f"The first {count_phrase(question.count, question.fields.operation)}"
    if counted_words(question.text, question.intent, question.fields):
        name = field_words(question.groups[0])
        lead = f"{len(counts):,} {name if len(counts) == 1 else plural_word(name)} of {lead[0].lower()}{lead[1:]}"
    return replace(
        _groups_view(question, question.groups, counts), text=f"{lead}: {count_text(counts)}.{question.notes}"
    )


def _groups_view(question: ListQuestion, paths: Sequence[str], groups: Sequence[Group]) -> AnswerView:
    rows = tuple({**dict(zip(paths, key, strict=True)), COUNT_COLUMN: len(items)} for key, items in groups)
    return AnswerView(
        rows=rows, columns=(*paths, COUNT_COLUMN), fixed=len(paths) + 1, is_certain=not question.filtered.unapplied
    )


def _ordered_slice(question: ListQuestion) -> tuple[Item, ...]:
    """Return the items in the order that is asked for, cut to the first or the last few."""
    intent, items = question.intent, tuple(question.filtered.items)
    if question.order and intent.order is not None:
        items = tuple(sort_items(question.selected, question.order, descending=intent.order.descending))
    if intent.first < 0:
        return items[intent.first :]
    return items[: intent.first] if intent.first else items


def _names(fields: RowFields) -> str:
    """Return the names of items that are few and all have one; else ""."""
    words = singular_noun(fields.operation)
    names = [name for name in (name_of(item, words) for item in fields.items) if name]
    return ", ".join(names) if len(fields.items) <= _MOST_NAMES and len(names) == len(fields.items) else ""


def _item_answer(question: ListQuestion) -> AnswerView | None:
    """Return Yes or No about items that the question names: whether they are listed, and meet the conditions."""
    call, operation = question.call, question.fields.operation
    matches = named_items(question)
    if text := items_verdict(question, matches) if matches else "":
        paths = tuple(condition.path for condition in question.filtered.conditions if condition.path)
        return _view(
            replace(question, filtered=FilteredItems(items=tuple(matches))),
            replace(question.fields, items=tuple(matches)),
            paths,
            text,
        )
    if len(matches) == 1:
        single = about_item(question, matches[0])
        is_listed = not single.filtered.unapplied and not single.filtered.conditions and not question.compares
        name = name_of(matches[0], singular_noun(operation))
        listed = f"{'Yes: ' if is_listed else ''}{name} is among {question.count_text}{_filter_text(call)}."
        return _view(single, single.selected, single.paths, listed)
    argument_values = {str(value).lower() for value in call.arguments.values()}
    mentions = read_sentence(question.text, date.min).mentions
    names = [
        condition.text
        for condition in mentions
        if condition.kind in (MentionKind.QUOTED, MentionKind.NAME) and not condition.form
    ]
    names = [
        name
        for name in names
        if name.lower() not in argument_values and split_words(name) != list(split_words(singular_name(operation)))
    ]
    if matches or not names or not question.is_whole or question.paths or _EXISTS.search(question.text):
        return None
    texts = [
        text.lower() for item in question.filtered.items for text in fields_of(item).values() if isinstance(text, str)
    ]
    if any(names[0].lower() in text for text in texts):
        return None  # the Honda of `Honda generator 3kVA`
    # That no row has the name denies nothing else of it: does Moira have a badge?
    verdict = "No: " if _IS.match(question.text) else ""
    return AnswerView(text=f"{verdict}{names[0]} is not among {question.count_text}{_filter_text(call)}.")


def _may_name_another(question: ListQuestion) -> bool:
    """Return whether an empty list was asked for with a name, of which there may be an item of another kind: that it
    has none of the items says nothing of it, unless the question is whether there is one.
    """
    account = question.call.account
    names = (
        source
        for source in (account.sources if account is not None else ())
        if source.origin is Origin.WORDS and source.words[:1].isupper() and isinstance(source.value, str)
    )
    tool = question.call.tool
    is_free = any("enum" not in argument_schema(tool, *source.argument.split(".")) for source in names)
    return is_free and not asks_existence(question.text)


def _filter_text(call: Call) -> str:
    """Return the filters of the request in words: ` with status=open`; "" without."""
    filters = [
        f"{name}={value if not isinstance(value, list) else ','.join(map(str, value))}"
        for name, value in call.arguments.items()
        if call.tool.places.get(name, ("",))[0] == "query" and isinstance(value, str | list | bool)
    ]
    return f" with {', '.join(filters)}" if filters else ""
