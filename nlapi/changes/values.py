"""Checks that every value is in the sentence, and that its words mean the argument with that value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import CREATE_VERBS, are_synonyms, is_root_of
from nlapi.changes.sentences import Case, schema_of, shorten, has_closed_values
from nlapi.changes.whole_words import unquoted_text
from nlapi.resources.naming import split_words, singular, stem
from nlapi.tools.account import Origin, ValueSource

MIN_CONFIDENCE = 0.5
"""The least confidence in the reading of a value. Below it half are wrong on benchmarks/offline/real.jsonl."""
_FLAG_WORDS = frozenset(map(stem, "is has be should enable enabled flag active to do allow use".split()))
_STATE_NAMES = frozenset(map(stem, "state status phase type action event mode enabled active".split()))
_REASON_NAMES = frozenset(map(stem, "reason cause note message".split()))
_ID_STEMS = frozenset(map(stem, "id name key uuid gid sid slug code ids names keys".split()))
_ID_PATTERN = re.compile(r"\b(?:ids?|ID|identifier|uuid|guid)\b")
_NAME_PATTERN = re.compile(r"name|slug|login|handle|key|code|email|title|text|content|description|\bor\b", re.IGNORECASE)
_SWITCH_NAMES = frozenset(map(stem, "is active enabled enable activated status".split()))
_ENABLE_STEM, _DISABLE_STEM = stem("enable"), stem("disable")
# Last words of arguments that take the name of an item.
_NAME_ARGUMENTS = frozenset("name title subject login username key slug summary email id url uri domain label handle".split())
# Words of an argument for an origin or a destination -> the words that people use for it.
_DIRECTIONS = {
    **dict.fromkeys(("from", "source", "origin"), frozenset(("from", "of", "source", "origin"))),
    **dict.fromkeys(("target", "destination"), frozenset(("to", "into", "target", "destination"))),
}
_ORDERED_NAMES = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def check_origin(case: Case) -> Iterator[str]:
    """Yield values that nobody said, or that an API's answer suggests."""
    for source in case.account.sources:
        if source.origin is Origin.NOBODY:
            yield f"nobody said {source.argument}: {shorten(source.value)}"
        elif source.origin is Origin.ANSWER:
            yield f"{source.argument}: {shorten(source.value)} comes from an answer of the API, and nobody said it"
        # The embedded planner fills in defaults unasked; a model that writes one has chosen it.
        elif source.origin is Origin.DESCRIPTION and not case.account.traced and _is_default(case, source):
            stands_for = "is what the description has where nothing is said"
            yield f"nobody said {source.argument}: {shorten(source.value)} {stands_for}"
        elif _is_flag(source) and source.origin in (Origin.WORDS, Origin.VERB) and not _mentions_flag(case, source):
            yield f"nobody said {source.argument}: {shorten(source.value)}"


def check_meaning(case: Case) -> Iterator[str]:
    """Yield values whose words may have another meaning: unsure ones, words of the API, words behind another noun."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not source.words:
            continue
        # One message for all of them: the user has only to see which words are in doubt.
        if source.sure < MIN_CONFIDENCE or any(is_doubtful(case, source) for is_doubtful in _DOUBTS):
            yield f"it is not plain that {source.words!r} is meant as {source.argument}"


def check_exact_name(case: Case) -> Iterator[str]:
    """Yield an item whose name is only similar to the words of the sentence."""
    for source in case.account.sources:
        has_name = source.origin is Origin.LOOKUP and source.name and source.words
        if has_name and _normalize(source.name) != _normalize(source.words):
            yield f"{source.words!r} was said, and what was found is called {source.name!r}"


def check_order(case: Case) -> Iterator[str]:
    """Yield numbers that go by their order, as latitude and longitude, and are in the other order in the sentence."""
    for first, second in _ORDERED_NAMES:
        firsts, seconds = (
            [source for source in case.account.sources if not {*split_words(source.argument)[-1:]}.isdisjoint(names)]
            for names in (first, second)
        )
        for source, second_source in zip(firsts, seconds, strict=False):
            if 0 <= second_source.start < source.start and not {stem(word) for word in first + second} & case.stems:
                yield f"{source.argument} is said behind {second_source.argument}"


def _is_flag(source: ValueSource) -> bool:
    # Query parameters have no booleans, and many descriptions make their flags texts.
    return isinstance(source.value, bool) or source.value in ("true", "false")


def _is_half_a_choice(case: Case, source: ValueSource) -> bool:
    """Return whether a choice was read from some of its words, or the verb, and its argument is not named.

    `invoice item` is no proration by `always_invoice`; `close` sets a state, and no reason for it.
    """
    if not isinstance(source.value, str) or not has_closed_values(case.call, source.argument):
        return False
    argument = set(map(stem, split_words(source.argument.rpartition(".")[2])))
    if case.is_command_word(source):
        return argument.isdisjoint(_STATE_NAMES) or (len(argument) > 1 and bool(argument & _REASON_NAMES))
    spoken = set(map(stem, split_words(source.words)))
    value = set(map(stem, split_words(source.value)))
    return len(value) > 1 and not value <= spoken | case.stems and argument.isdisjoint(case.stems)


def _mentions_flag(case: Case, source: ValueSource) -> bool:
    """Return whether all words of a flag's name are in the sentence."""
    name_stems = set(map(stem, split_words(source.argument.rpartition(".")[2])))
    if name_stems <= _SWITCH_NAMES:
        is_on = source.value in (True, "true")
        return are_synonyms(case.command, _ENABLE_STEM if is_on else _DISABLE_STEM) or not name_stems.isdisjoint(case.stems)
    flag_words = name_stems - _FLAG_WORDS or name_stems
    return flag_words <= case.stems or (source.value in (False, "false") and bool(flag_words & case.stems))


def _is_vocabulary(case: Case, source: ValueSource) -> bool:
    """Return whether an unquoted text is a word of the operation's or its arguments' names: my [public] token."""
    text = unquoted_text(case, source)
    if not text or not text.islower() or not text.isalpha():
        return False
    operation, is_choice = case.operation, has_closed_values(case.call, source.argument)
    names = (operation.path,) if is_choice else (operation.id, operation.summary, source.argument)
    # `set the visibility to public` names the argument, so that the word is its value.
    if is_choice and not {stem(word) for word in split_words(source.argument)}.isdisjoint(case.stems - {stem(text)}):
        return False
    return stem(text) in {stem(word) for name in names for word in split_words(name)}


def _is_name_as_id(case: Case, source: ValueSource) -> bool:
    """Return whether a plain word is the value of an argument that takes an id: the channel [random]."""
    words = source.words.split()
    if source.origin is not Origin.WORDS or not words or not words[-1].isalpha() or not words[-1].islower():
        return False
    if not isinstance(source.value, str) or has_closed_values(case.call, source.argument):
        return False
    description = str(schema_of(case.call, source.argument).get("description", ""))
    name_parts = split_words(source.argument.rpartition(".")[2])
    is_id = _ID_PATTERN.search(description) or (len(name_parts) > 1 and "id" in (name_parts[0], name_parts[-1]))
    return bool(is_id) and not _NAME_PATTERN.search(f"{description} {source.argument}")


def _is_name_of_item(case: Case, source: ValueSource) -> bool:
    """Return whether the name of an item is the value of an id: the file [called] v2.jsonl as a file_id."""
    words = split_words(source.argument)
    previous = case.text[: max(0, source.start)].rstrip("\"'“‘ ").split()
    is_after_called = bool(previous) and previous[-1].lower() in ("called", "named", "titled")
    return source.origin is Origin.WORDS and is_after_called and words[-1:] in (["id"], ["uuid"], ["gid"], ["key"], ["sid"])


def _is_command(case: Case, source: ValueSource) -> bool:
    """Return whether the command itself is a text value: [freeze] the zone, as its type."""
    return case.is_command_word(source) and isinstance(source.value, str) and not has_closed_values(case.call, source.argument)


def _is_of_unnamed_kind(case: Case, source: ValueSource) -> bool:
    """Return whether a value is of another kind of item, which nobody named: of what has a [tag], of a [team].

    A deleted item is identified by itself; in other changes, ids of other items are named with their kind.
    """
    name_parts = split_words(source.argument.rpartition(".")[2])
    if case.location(source) == "path" or isinstance(source.value, bool) or not name_parts:
        return False
    if case.operation.method != "DELETE" and (name_parts[-1] != "id" or len(name_parts) < 2):
        return False
    words = {stem(word) for word in name_parts} - _ID_STEMS
    path = {stem(word) for word in split_words(case.operation.path)}
    is_mentioned = words & (case.stems | path) or any(is_root_of(case.command, word) for word in words)
    return bool(words) and not is_mentioned


def _is_default(case: Case, source: ValueSource) -> bool:
    """Return whether a field of a body is a default and no constant, so that the user may want another."""
    schema = schema_of(case.call, source.argument)
    choices = schema.get("enum")
    is_constant = "const" in schema or (isinstance(choices, list) and len(choices) == 1)
    return case.location(source) == "body" and not is_constant


def _is_name_in_wrong_field(case: Case, source: ValueSource) -> bool:
    """Return whether the name of a new item is another field, which nobody named: card [x-1] as its labels."""
    name_parts = split_words(source.argument.rpartition(".")[2])
    if case.command not in CREATE_VERBS or case.location(source) == "path" or not name_parts or not unquoted_text(case, source):
        return False
    previous = [word for word in case.words if word.end <= source.start]
    kind = {stem(singular(word)) for word in split_words(case.operation.path)}
    if not previous or previous[-1] is case.first or previous[-1].is_used or kind.isdisjoint(previous[-1].stems):
        return False
    if has_closed_values(case.call, source.argument):
        return False
    return name_parts[-1] not in _NAME_ARGUMENTS and not {stem(word) for word in name_parts} & case.stems


def _is_unmentioned_direction(case: Case, source: ValueSource) -> bool:
    """Return whether an argument takes an origin or a destination, and nobody said so: `fromImage`."""
    sentence_words = {word.lower for word in case.words}
    directions = (_DIRECTIONS.get(word) for word in split_words(source.argument.rpartition(".")[2]))
    return any(spoken_words is not None and spoken_words.isdisjoint(sentence_words) for spoken_words in directions)


def _is_whole_body(case: Case, source: ValueSource) -> bool:
    """Return whether a text is the whole body: rename it to [old], where the body may be anything."""
    return case.call.tool.places.get(source.argument) == ("body", "") and isinstance(source.value, str)


def _follows_foreign_argument(case: Case, source: ValueSource) -> bool:
    """Return whether the word before a value names another argument: untag [show] 216 as a tag_id."""
    if not source.start >= 0 or isinstance(source.value, bool) or has_closed_values(case.call, source.argument):
        return False
    previous = [word for word in case.words if word.end <= source.start]
    if not previous or previous[-1].is_used or source.start - previous[-1].end > 2:
        return False
    previous_stems = {*previous[-1].stems}
    argument_stems = {stem(word) for word in split_words(source.argument)}
    id_argument_stems = {stem(word) for name in case.call.tool.places for word in split_words(name)[:1] if name.lower().endswith("id")}
    path = {stem(word) for word in split_words(case.operation.path)}
    return case.location(source) == "path" and argument_stems.isdisjoint(previous_stems) and not previous_stems.isdisjoint(id_argument_stems & path - argument_stems)


# Ways in which the words of a value may mean something else; any one of them is enough.
_DOUBTS = (
    *(_is_vocabulary, _follows_foreign_argument, _is_half_a_choice, _is_name_as_id, _is_name_of_item, _is_of_unnamed_kind),
    *(_is_command, _is_whole_body, _is_name_in_wrong_field, _is_unmentioned_direction),
)


def _normalize(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")
