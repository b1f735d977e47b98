"""Checks that a model put the values of a sentence into the arguments that the words around them name.

A model that an answer has turned may send only what was said, and swap it: the payer for the payee, the budget for the
id. The embedded planner reads each value by its place in the sentence, so that these checks are not for its calls.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from nlapi.changes.sentences import Case, CommandWord, has_closed_values, schema_of
from nlapi.english import lexicon
from nlapi.english.words import split_words, stem
from nlapi.openapi.model import as_list
from nlapi.resources.nouns import ID_WORDS
from nlapi.tools.tool import Origin, ValueSource

# Words between a label and its value: the account [number] 7001, the card [called] Fix it.
_BETWEEN_LABEL_AND_VALUE = frozenset("a an the no number id key called named titled with".split())
# Words between a value and the part that it has: Eve [as the] manager, Eve [is to be the] manager.
_ARTICLE = r"(?:a|an|the|my|our|its|their)\s+"
_BEFORE_PART = re.compile(rf"[\"'’”]?\s+(?:(?:as|is|(?:is )?to be)\s+(?:{_ARTICLE})?|{_ARTICLE})", re.IGNORECASE)
_TO_WORDS = frozenset("to into onto".split())
_FROM_WORDS = frozenset("from".split())
_TO_ARGUMENTS = lexicon.stems("changes/words", "to_arguments")
_FROM_ARGUMENTS = frozenset(map(stem, "from source origin sender payer".split()))
# Words before a choice that is set: as [a] member, status = PAUSED.
_SETTING_WORDS = frozenset("as to into be is equals".split())
_SETTING_MARKS = re.compile(r"[=:]\s*$")
# The end of a sentence or of a clause, over which no word belongs to a value.
_CLAUSE_END = re.compile(r"[.,;!?()\n]")
_GENERIC_WORDS = frozenset(map(stem, (*ID_WORDS, "name", "value", "data", "item", "object", "text")))


def is_in_another_argument(case: Case, source: ValueSource) -> bool:
    """Return whether the words around a value name another argument, or another direction, than it is in."""
    if not 0 <= source.start < source.end or isinstance(source.value, bool) or case.is_command_word(source):
        return False
    return (
        _is_labelled_otherwise(case, source)
        or _has_part_of_another(case, source)
        or _is_in_other_direction(case, source)
        or _is_choice_of_another(case, source)
    )


def is_attribute_of_item(case: Case, source: ValueSource) -> bool:
    """Return whether a state or a flag is only how the item was called: rename the [public] file, and set another."""
    is_state = isinstance(source.value, bool) or has_closed_values(case.call, source.argument)
    if not is_state or case.operation.method not in ("PUT", "PATCH") or case.is_command_word(source):
        return False
    following = next((word for word in case.words if word.start >= source.end), None)
    kinds = {stem(word) for word in split_words(case.operation.path)}
    others = (entry for entry in case.account.sources if entry.argument != source.argument and entry.words)
    return (
        following is not None
        and not kinds.isdisjoint(following.stems)
        and any(case.location(entry) == "body" for entry in others)
    )


def _is_labelled_otherwise(case: Case, source: ValueSource) -> bool:
    """Return whether the noun before a value is the name of another argument: account [7001] as a limit."""
    label = _label(case, source)
    return label is not None and _names_another(case, source, label)


def _label(case: Case, source: ValueSource) -> CommandWord | None:
    """Return the word before a value that may name its argument; None where another value is there."""
    for word in reversed([word for word in case.words if word.end <= source.start]):
        if word.is_used or _CLAUSE_END.search(case.text[word.end : source.start]):
            return None
        if word.lower not in _BETWEEN_LABEL_AND_VALUE:
            return word
    return None


def _has_part_of_another(case: Case, source: ValueSource) -> bool:
    """Return whether the noun behind a value is the part that another argument has: make Eve [the manager] of Ada."""
    match = _BEFORE_PART.match(case.text, source.end)
    following = [word for word in case.words if match is not None and word.start >= match.end()][:2]
    if not following or following[0].is_used:
        return False
    # `give Ada the role admin` names what comes next.
    names_next = len(following) > 1 and following[1].is_used
    return not names_next and _names_another(case, source, following[0])


def _names_another(case: Case, source: ValueSource, word: CommandWord) -> bool:
    """Return whether a word is in the name of another argument of the call, and not in the value's own."""
    stems = set(word.stems) - _GENERIC_WORDS
    if not stems or not stems.isdisjoint(_name_stems(source.argument)):
        return False
    others = {entry.argument for entry in case.account.sources} - {source.argument}
    return any(not stems.isdisjoint(_name_stems(name) - _GENERIC_WORDS) for name in others)


def _name_stems(argument: str) -> set[str]:
    return {stem(word) for word in split_words(argument.rpartition(".")[2])}


def _is_in_other_direction(case: Case, source: ValueSource) -> bool:
    """Return whether a value is said with `to` and is in an argument for an origin, or in the place of a recipient."""
    preposition, names = _preposition(case, source), _name_stems(source.argument)
    is_target, is_origin = not names.isdisjoint(_TO_ARGUMENTS), not names.isdisjoint(_FROM_ARGUMENTS)
    if (preposition in _TO_WORDS and is_origin) or (preposition in _FROM_WORDS and is_target):
        return True
    if is_target or preposition not in _TO_WORDS or not isinstance(source.value, str):
        return False
    # `send the message "Eve" to Ada`, with Eve as its recipient.
    targets = (entry for entry in case.account.sources if not _name_stems(entry.argument).isdisjoint(_TO_ARGUMENTS))
    spoken = (entry for entry in targets if 0 <= entry.start < entry.end)
    return case.location(source) != "path" and any(_preposition(case, entry) not in _TO_WORDS for entry in spoken)


def _preposition(case: Case, source: ValueSource) -> str:
    """Return the preposition of a value, "" without one: to [the account] acc_2. An own label makes it none."""
    before = [word for word in case.words if word.end <= source.start and not word.is_used]
    used_end = max((word.end for word in case.words if word.end <= source.start and word.is_used), default=0)
    near = [word for word in before if word.start >= used_end][-3:]
    for index in range(len(near) - 1, -1, -1):
        if near[index].lower in _TO_WORDS | _FROM_WORDS:
            labels = near[index - 1].stems if index else ()
            return "" if set(labels) & _name_stems(source.argument) else near[index].lower
    return ""


def _is_choice_of_another(case: Case, source: ValueSource) -> bool:
    """Return whether another choice of the same list is said too, and is the one that the sentence sets.

    Of `invite ada@example.org, the owner of the shop, as a member` the role is no owner.
    """
    if not isinstance(source.value, str) or source.origin is not Origin.WORDS:
        return False
    rivals = list(_rival_words(case, source))
    if not rivals:
        return False
    words = [word for word in case.words if source.start <= word.start < source.end][:1]
    return not any(_is_set(case, source, word) for word in words) or any(_is_set(case, source, word) for word in rivals)


def _rival_words(case: Case, source: ValueSource) -> Iterator[CommandWord]:
    """Yield the words of other choices of the list that are no other value of the call."""
    schema = schema_of(case.call, source.argument)
    items = schema.get("items")
    lists = [as_list(part.get("enum")) for part in (schema, items) if isinstance(part, Mapping)]
    values = {str(entry.value).lower() for entry in case.account.sources}
    rivals = {str(choice).lower() for choices in lists for choice in choices} - values
    yield from (
        word for word in case.words if word.lower in rivals and not word.is_used and not _is_command(case, word)
    )


def _is_command(case: Case, word: CommandWord) -> bool:
    return word is case.first


def _is_set(case: Case, source: ValueSource, word: CommandWord) -> bool:
    """Return whether a choice is what is set: behind `as` or `to`, a colon, or the name of its argument."""
    before: Sequence[CommandWord] = [entry for entry in case.words if entry.end <= word.start]
    while before and before[-1].lower in _BETWEEN_LABEL_AND_VALUE - {"with"}:
        before = before[:-1]
    if _SETTING_MARKS.search(case.text[: word.start].rstrip("\"'`“‘")):
        return True
    return bool(before) and (
        before[-1].lower in _SETTING_WORDS or bool(set(before[-1].stems) & _name_stems(source.argument))
    )
