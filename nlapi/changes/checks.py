"""Decides whether a change may be sent under `--yes`, or be shown with a plain y/N, by one table of checks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

from nlapi.changes.operation_checks import (
    check_deletion,
    check_kind,
    check_number,
    check_opposite,
    check_update_value,
    check_verb,
)
from nlapi.changes.sentences import (
    Case,
    Mention,
    UserSentence,
    build_case,
    check_condition,
    check_is_command,
    check_negation,
    check_planner_leftovers,
    check_unused_words,
    commanded_length,
    description_of,
    schema_of,
    shorten,
)
from nlapi.changes.value_checks import (
    check_exact_name,
    check_meaning,
    check_origin,
    check_text_end,
    check_whole_words,
)
from nlapi.changes.value_mentions import SMALL_UNITS, find_numbers
from nlapi.english import lexicon
from nlapi.english.words import split_words, stem
from nlapi.openapi.hints import SCALES
from nlapi.resources.lexicon import CREATE_VERBS, DETERMINERS, are_synonyms, is_verb, leading_verbs, operation_verbs
from nlapi.resources.naming import IMPERATIVES, METHODS, STOPWORDS, VERBS, Intent
from nlapi.tools.tool import Account, Call, Origin, ValueSource
from nlapi.tools.unit_evidence import read_unit

# `raise the limit by 3` sent the limit 3 to a gateway, at 95 % sure.
_BY = re.compile(r"\b(?:by|another|additional|extra)\s+(?:about\s+|around\s+|an?\s+)?[^\w\s]?$", re.IGNORECASE)
_MORE = re.compile(
    r"\W*(?:\w+\W+)?(?:more|less|fewer|extra|higher|lower|longer|shorter|earlier|later)\b", re.IGNORECASE
)
_TO = re.compile(r"(?:\b(?:to|at|down to|up to|be)|[=:])\s*(?:about\s+|around\s+)?[^\w\s]?$", re.IGNORECASE)
# The value of a day or a time, and words of its field that do not tell which one it is.
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_TIME_NAMES = frozenset(map(stem, "date time day at on moment datetime timestamp".split()))
_AMOUNT_VERBS = frozenset(map(stem, "increase decrease raise lower reduce bump cut shrink grow boost".split()))
_DURATION = re.compile(r"\W*[\w.]+\s+(?:second|minute|hour|day|week|month|quarter|year)s?\b", re.IGNORECASE)
_DIFFERENCE_NAMES = lexicon.stems("changes/words", "difference_names")
_DIFFERENCE_VERBS = lexicon.stems("changes/words", "difference_verbs")
_RANGE_NAMES = (("start", "end"), ("begin", "end"), ("from", "to"), ("since", "until"), ("min", "max"))
# Numbers of these are ids as often as bounds: from_account 7001, to_account 3002.
_DIRECTIONS = ("from", "to")
_ORDERED_NAMES = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def check_money(case: Case) -> Iterator[str]:
    """Yield amounts that may be in another unit than the description asks for, or are sent without their currency."""
    for source in case.account.sources:
        numbers = find_numbers(UserSentence(text=case.text))
        figure = next((number for number in numbers if _overlaps_source(number.mention, source)), None)
        if source.origin is not Origin.WORDS or figure is None or isinstance(source.value, bool):
            continue
        if not figure.currency:
            if case.account.traced and _may_be_another_unit(case, source):
                yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
            continue
        amount = isinstance(source.value, int | float) and figure.number == Decimal(str(source.value))
        # The number of the sentence unscaled, where the argument takes micros or cents: $50 would be 0.00005 dollars.
        if amount and SMALL_UNITS.search(description_of(case.call, source.argument)):
            yield f"{source.argument}: {source.value} may be in another unit than {source.words!r}"
        # A dollar sign alone is often the account's currency; 50 EUR without its code may be booked as dollars.
        if figure.mention.words[:1] != "$" and isinstance(source.value, int | float) and _lacks_currency(case, source):
            yield f"the currency of {source.words!r} is not sent"


def _may_be_another_unit(case: Case, source: ValueSource) -> bool:
    """Return whether a bare figure may be cents or dollars: a model sends the one or the other, and nobody said which.

    The unit is said by its word, by the name of the argument, or by the model as a text with its own.
    """
    if not isinstance(source.value, int | float):
        return False
    description = " ".join(split_words(description_of(case.call, source.argument)))
    unit = read_unit(source.argument.rpartition(".")[2], [schema_of(case.call, source.argument)])
    is_small = SMALL_UNITS.search(description) is not None or (unit is not None and unit.name in SCALES)
    return is_small and not SMALL_UNITS.search(" ".join(split_words(case.text)))


def _overlaps_source(mention: Mention, source: ValueSource) -> bool:
    return mention.start < source.end and source.start < mention.end


def _lacks_currency(case: Case, source: ValueSource) -> bool:
    """Return whether the object around an amount takes a currency that the call does not set."""
    *parents, _ = source.argument.split(".")
    properties = schema_of(case.call, ".".join(parents)).get("properties", {}) if parents else case.call.tool.places
    names = [".".join((*parents, name)) for name in properties]
    currency_arguments = {name for name in names if stem("currency") in map(stem, split_words(name.rpartition(".")[2]))}
    return bool(currency_arguments) and currency_arguments.isdisjoint(entry.argument for entry in case.account.sources)


def check_difference(case: Case) -> Iterator[str]:
    """Yield amounts that may be a difference (raise it by 3), as the argument takes the value afterwards."""
    for source in case.account.sources:
        if source.origin is not Origin.WORDS or not _is_amount(source) or _takes_difference(case, source):
            continue
        before = case.text[: source.start]
        # `raise the limit 3` says neither by nor to.
        is_open = case.command in _AMOUNT_VERBS and not _TO.search(before)
        if is_open or _BY.search(before) or _MORE.match(case.text[source.end :]):
            yield f"{source.words!r} may be a difference, and {source.argument} takes what it is to be afterwards"


def _is_amount(source: ValueSource) -> bool:
    is_number = isinstance(source.value, int | float) and not isinstance(source.value, bool)
    return (is_number or _DURATION.match(source.words) is not None) and 0 <= source.start < source.end


def _takes_difference(case: Case, source: ValueSource) -> bool:
    """Return whether an argument is a difference by its name, or the operation by its own verb (POST /stock/increase).

    An item that is made has no value before.
    """
    if case.command in CREATE_VERBS or not _DIFFERENCE_NAMES.isdisjoint(map(stem, split_words(source.argument))):
        return True
    return case.command in _DIFFERENCE_VERBS and case.command in leading_verbs(case.operation, stated=False)


def check_moment(case: Case) -> Iterator[str]:
    """Yield days and times that may be when to make the change (pause it tomorrow), of fields that nobody named.

    The verb sets another field of the item already, which is done at once.
    """
    sources = case.account.sources
    is_by_verb = any(source.origin is Origin.VERB or case.is_command_word(source) for source in sources)
    if case.operation.method not in METHODS[Intent.UPDATE] or not is_by_verb:
        return
    for source in case.account.sources:
        if source.origin is not Origin.WORDS or not isinstance(source.value, str) or not _DAY.match(source.value):
            continue
        names = set(map(stem, split_words(source.argument.rpartition(".")[2]))) - _TIME_NAMES
        if names.isdisjoint(case.stems):
            yield f"{source.words!r} may be when to do it, and it would be done now, with {source.argument} set to it"


def check_order(case: Case) -> Iterator[str]:
    """Yield numbers that go by their order, as latitude and longitude, and are in the other order in the sentence.

    So is a time after its end: a model that swaps the two sends only what was said.
    """
    for source, second_source in _ends(case.account.sources):
        if _is_after(source.value, second_source.value):
            yield f"{source.argument}: {shorten(source.value)} is after {second_source.argument}"
    for first, second in _ORDERED_NAMES:
        firsts, seconds = (
            [source for source in case.account.sources if not {*split_words(source.argument)[-1:]}.isdisjoint(names)]
            for names in (first, second)
        )
        for source, second_source in zip(firsts, seconds, strict=False):
            if 0 <= second_source.start < source.start and not {stem(word) for word in first + second} & case.stems:
                yield f"{source.argument} is said behind {second_source.argument}"


def _ends(sources: Iterable[ValueSource]) -> Iterator[tuple[ValueSource, ValueSource]]:
    """Yield the values of two arguments of which one is the beginning and one the end: start_time and end_time."""
    by_name = {source.argument.lower(): source for source in sources}
    for name, source in by_name.items():
        for first, second in _RANGE_NAMES:
            if (first, second) == _DIRECTIONS and not isinstance(source.value, str):
                continue
            parts = name.rpartition(first)
            if parts[1] and (end := by_name.get(f"{parts[0]}{second}{parts[2]}")) is not None:
                yield source, end


def _is_after(first: object, second: object) -> bool:
    """Return whether the first of two moments, or of two bounds, is after the second."""
    if isinstance(first, str) and isinstance(second, str) and _DAY.match(first) and _DAY.match(second):
        # Two forms are compared by their days alone, as an offset may move the hour.
        size = None if len(first) == len(second) else len("2026-12-01")
        return first[:size] > second[:size]
    if isinstance(first, bool) or isinstance(second, bool):
        return False
    return isinstance(first, int | float) and isinstance(second, int | float) and first > second


# The text before a command that is not the first of its sentence.
_COMMAND_PREFIX = re.compile(r"(?:and|then|,|;|\.|to)\W*(?:(?:then|please|also)\W+)*$", re.IGNORECASE)

Check = Callable[[Case], Iterator[str]]


def _check_commands_change(case: Case) -> Iterator[str]:
    """Yield a reason against a model's change where the sentence only reads, or commands nothing (thanks, ok).

    An earlier question is no command for now. A verb behind the first (`find x and pause it`) counts where it is the
    operation's own action.
    """
    if not case.account.traced or _is_command(case):
        return
    leading = leading_verbs(case.operation)
    end = commanded_length(case.text)
    later_words = [
        word
        for word in case.unused_words
        if word.start < end and _COMMAND_PREFIX.search(case.text[: word.start].rstrip())
    ]
    if any(are_synonyms(entry, verb) for word in later_words for entry in word.stems for verb in leading):
        return
    if any(
        entry.origin is Origin.VERB and entry.start < end and _COMMAND_PREFIX.search(case.text[: entry.start].rstrip())
        for entry in case.account.sources
    ):
        return
    is_read = VERBS.get(case.command) is Intent.READ
    yield "the question only reads" if is_read else "the question commands no change"


def _check_commands_operation(case: Case) -> Iterator[str]:
    """Yield reasons against a model's change that the sentence does not command, once an API has answered.

    An answer may tell a model what to plan (prompt injection). So the verb has to be the operation's, and the kind of
    its target is named, unless the target itself is: update cmp_1.
    """
    if not case.account.traced or not case.account.answered:
        return
    yield from check_verb(case)
    # `delete the budget of cmp_1` names the target of DELETE /campaigns/{id} and means a part of it.
    if not _is_target_mentioned_by_user(case) or (case.operation.method == "DELETE" and _has_more_words(case)):
        yield from check_kind(case)


def _has_more_words(case: Case) -> bool:
    """Return whether the sentence has a word besides its verb and its values: delete [the budget of] cmp_1."""
    return any(word.lower not in STOPWORDS for word in case.unused_words)


def _is_target_mentioned_by_user(case: Case) -> bool:
    """Return whether the path ends in an item that the user named."""
    path = case.operation.path.rstrip("/")
    if not path.endswith("}"):
        return False
    place = ("path", path[path.rindex("{") + 1 : -1])
    arguments = {name for name, entry in case.call.tool.places.items() if entry == place}
    return any(
        entry.argument in arguments and entry.origin in (Origin.WORDS, Origin.LOOKUP) for entry in case.account.sources
    )


def _is_command(case: Case) -> bool:
    """Return whether the sentence begins with a verb that asks for more than information."""
    command = case.command
    if not command or VERBS.get(command) is Intent.READ:
        return False
    leading = leading_verbs(case.operation)
    if is_verb(command) or command in IMPERATIVES or any(are_synonyms(command, verb) for verb in leading):
        return True
    next_words = case.command_words[case.command_length :][:1]
    return command in operation_verbs(case.operation) and any(word.lower in DETERMINERS for word in next_words)


CHECKS: tuple[tuple[Check, bool], ...] = (
    # The first reason is the one that exit code 6 reports, so that the order matters (docs/design/027-what-stands.md).
    (check_is_command, True),
    (check_negation, True),
    (check_condition, True),
    (_check_commands_change, True),
    (_check_commands_operation, True),
    (check_opposite, True),
    (check_deletion, True),
    (check_verb, False),
    (check_update_value, True),
    (check_kind, False),
    (check_number, True),
    (check_origin, True),
    (check_whole_words, True),
    (check_meaning, True),
    (check_money, True),
    (check_difference, True),
    (check_moment, True),
    (check_text_end, True),
    (check_exact_name, True),
    (check_order, True),
    (check_unused_words, False),
    (check_planner_leftovers, True),
)
"""Each check, the weightiest first, and whether it also applies to calls that a model wrote.

A model understands more than words, so that its calls need not have the description's own words; the origin of values,
and what a call undoes or deletes, is checked all the same.
"""


def reasons_against(call: Call, account: Account, question: str, *, destroy: bool = False) -> tuple[str, ...]:
    """Return the reasons against a change, in words for the user, the weightiest first; () where it may be sent.

    `question` is the user's whole sentence, of which `account` quotes the parts that were used. With `destroy` the user
    has consented to deletions, also by a verb that may leave an item there (cancel the event).
    """
    case = build_case(call, account, question, destroy=destroy)
    reasons = (
        reason
        for check, applies_to_models in CHECKS
        if applies_to_models or not account.traced
        for reason in check(case)
    )
    # Two checks may find the same fault, and the user reads it once.
    return tuple(dict.fromkeys(reasons))
