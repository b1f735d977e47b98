"""Checks that every value is in the sentence, and that its words mean the argument with that value."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import GENERIC_CREATES, alike, echoes
from nlapi.changes.sentences import Case, schema_of, short, takes_choice
from nlapi.changes.whole_words import unquoted
from nlapi.resources.naming import pieces, singular, stem
from nlapi.tools.account import Origin, Source

LEAST = 0.5
"""The least confidence in the reading of a value. Below it half are wrong on benchmarks/offline/real.jsonl."""
_STATES = frozenset(map(stem, "is has be should enable enabled flag active to do allow use".split()))
_STATE_NAMES = frozenset(map(stem, "state status phase type action event mode enabled active".split()))
_REASONS = frozenset(map(stem, "reason cause note message".split()))
_TELLING = frozenset(map(stem, "id name key uuid gid sid slug code ids names keys".split()))
_SAYS_ID = re.compile(r"\b(?:ids?|ID|identifier|uuid|guid)\b")
_SAYS_NAME = re.compile(r"name|slug|login|handle|key|code|email|title|text|content|description|\bor\b", re.IGNORECASE)
_SWITCHED = frozenset(map(stem, "is active enabled enable activated status".split()))
_ON, _OFF = stem("enable"), stem("disable")
# Last words of arguments that take the name of an item.
_NAMING = frozenset("name title subject login username key slug summary email id url uri domain label handle".split())
# Words of an argument for an origin or a destination -> the words that people use for it.
_DIRECTIONS = {
    **dict.fromkeys(("from", "source", "origin"), frozenset(("from", "of", "source", "origin"))),
    **dict.fromkeys(("target", "destination"), frozenset(("to", "into", "target", "destination"))),
}
_ORDERED = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def unsaid(case: Case) -> Iterator[str]:
    """Yield values that nobody said, or that an API's answer suggests."""
    for source in case.account.sources:
        if source.origin is Origin.NOBODY:
            yield f"nobody said {source.argument}: {short(source.value)}"
        elif source.origin is Origin.ANSWER:
            yield f"{source.argument}: {short(source.value)} comes from an answer of the API, and nobody said it"
        # The embedded planner fills in defaults unasked; a model that writes one has chosen it.
        elif source.origin is Origin.DESCRIPTION and not case.account.traced and _is_default(case, source):
            stands_for = "is what the description has where nothing is said"
            yield f"nobody said {source.argument}: {short(source.value)} {stands_for}"
        elif _is_flag(source) and source.origin in (Origin.WORDS, Origin.VERB) and not _says_flag(case, source):
            yield f"nobody said {source.argument}: {short(source.value)}"


def doubtful(case: Case) -> Iterator[str]:
    """Yield values whose words may have another meaning: unsure ones, words of the API, words behind another noun."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not source.words:
            continue
        # One message for all of them: the user has only to see which words are in doubt.
        if source.sure < LEAST or any(is_doubtful(case, source) for is_doubtful in _DOUBTS):
            yield f"it is not plain that {source.words!r} is meant as {source.argument}"


def nearly_named(case: Case) -> Iterator[str]:
    """Yield an item whose name is only similar to the words of the sentence."""
    for source in case.account.sources:
        named = source.origin is Origin.LOOKUP and source.name and source.words
        if named and _plain(source.name) != _plain(source.words):
            yield f"{source.words!r} was said, and what was found is called {source.name!r}"


def out_of_order(case: Case) -> Iterator[str]:
    """Yield numbers that go by their order, as latitude and longitude, and are in the other order in the sentence."""
    for first, second in _ORDERED:
        firsts, seconds = (
            [source for source in case.account.sources if not {*pieces(source.argument)[-1:]}.isdisjoint(names)]
            for names in (first, second)
        )
        for source, other in zip(firsts, seconds, strict=False):
            if 0 <= other.start < source.start and not {stem(word) for word in first + second} & case.said:
                yield f"{source.argument} is said behind {other.argument}"


def _is_flag(source: Source) -> bool:
    # Query parameters have no booleans, and many descriptions make their flags texts.
    return isinstance(source.value, bool) or source.value in ("true", "false")


def _is_half_a_choice(case: Case, source: Source) -> bool:
    """Return whether a choice was read from some of its words, or the verb, and its argument is not named.

    `invoice item` is no proration by `always_invoice`; `close` sets a state, and no reason for it.
    """
    if not isinstance(source.value, str) or not takes_choice(case.call, source.argument):
        return False
    argument = set(map(stem, pieces(source.argument.rpartition(".")[2])))
    if case.is_first(source):
        return argument.isdisjoint(_STATE_NAMES) or (len(argument) > 1 and bool(argument & _REASONS))
    said = set(map(stem, pieces(source.words)))
    value = set(map(stem, pieces(source.value)))
    return len(value) > 1 and not value <= said | case.said and argument.isdisjoint(case.said)


def _says_flag(case: Case, source: Source) -> bool:
    """Return whether all words of a flag's name are in the sentence."""
    every = set(map(stem, pieces(source.argument.rpartition(".")[2])))
    if every <= _SWITCHED:
        on = source.value in (True, "true")
        return alike(case.command, _ON if on else _OFF) or not every.isdisjoint(case.said)
    words = every - _STATES or every
    return words <= case.said or (source.value in (False, "false") and bool(words & case.said))


def _is_vocabulary(case: Case, source: Source) -> bool:
    """Return whether an unquoted text is a word of the operation's or its arguments' names: my [public] token."""
    text = unquoted(case, source)
    if not text or not text.islower() or not text.isalpha():
        return False
    operation, chosen = case.operation, takes_choice(case.call, source.argument)
    names = (operation.path,) if chosen else (operation.id, operation.summary, source.argument)
    # `set the visibility to public` names the argument, so that the word is its value.
    if chosen and not {stem(word) for word in pieces(source.argument)}.isdisjoint(case.said - {stem(text)}):
        return False
    return stem(text) in {stem(word) for name in names for word in pieces(name)}


def _is_name_as_id(case: Case, source: Source) -> bool:
    """Return whether a plain word is the value of an argument that takes an id: the channel [random]."""
    words = source.words.split()
    if source.origin is not Origin.WORDS or not words or not words[-1].isalpha() or not words[-1].islower():
        return False
    if not isinstance(source.value, str) or takes_choice(case.call, source.argument):
        return False
    description = str(schema_of(case.call, source.argument).get("description", ""))
    named = pieces(source.argument.rpartition(".")[2])
    takes_id = _SAYS_ID.search(description) or (len(named) > 1 and "id" in (named[0], named[-1]))
    return bool(takes_id) and not _SAYS_NAME.search(f"{description} {source.argument}")


def _is_called(case: Case, source: Source) -> bool:
    """Return whether the name of an item is the value of an id: the file [called] v2.jsonl as a file_id."""
    words = pieces(source.argument)
    before = case.text[: max(0, source.start)].rstrip("\"'“‘ ").split()
    behind = bool(before) and before[-1].lower() in ("called", "named", "titled")
    return source.origin is Origin.WORDS and behind and words[-1:] in (["id"], ["uuid"], ["gid"], ["key"], ["sid"])


def _is_command(case: Case, source: Source) -> bool:
    """Return whether the command itself is a text value: [freeze] the zone, as its type."""
    return case.is_first(source) and isinstance(source.value, str) and not takes_choice(case.call, source.argument)


def _is_told_otherwise(case: Case, source: Source) -> bool:
    """Return whether a value is of another kind of item, which nobody named: of what has a [tag], of a [team].

    A deleted item is identified by itself; in other changes, ids of other items are named with their kind.
    """
    named = pieces(source.argument.rpartition(".")[2])
    if case.place(source) == "path" or isinstance(source.value, bool) or not named:
        return False
    if case.operation.method != "DELETE" and (named[-1] != "id" or len(named) < 2):
        return False
    words = {stem(word) for word in named} - _TELLING
    path = {stem(word) for word in pieces(case.operation.path)}
    named_so = words & (case.said | path) or any(echoes(case.command, word) for word in words)
    return bool(words) and not named_so


def _is_default(case: Case, source: Source) -> bool:
    """Return whether a field of a body is a default and no constant, so that the user may want another."""
    schema = schema_of(case.call, source.argument)
    choices = schema.get("enum")
    fixed = "const" in schema or (isinstance(choices, list) and len(choices) == 1)
    return case.place(source) == "body" and not fixed


def _is_no_name(case: Case, source: Source) -> bool:
    """Return whether the name of a new item is another field, which nobody named: card [x-1] as its labels."""
    named = pieces(source.argument.rpartition(".")[2])
    if case.command not in GENERIC_CREATES or case.place(source) == "path" or not named or not unquoted(case, source):
        return False
    before = [word for word in case.words if word.end <= source.start]
    kind = {stem(singular(word)) for word in pieces(case.operation.path)}
    if not before or before[-1] is case.first or before[-1].covered or kind.isdisjoint(before[-1].stems):
        return False
    if takes_choice(case.call, source.argument):
        return False
    return named[-1] not in _NAMING and not {stem(word) for word in named} & case.said


def _leads_elsewhere(case: Case, source: Source) -> bool:
    """Return whether an argument takes an origin or a destination, and nobody said so: `fromImage`."""
    written = {word.lower for word in case.words}
    named = (_DIRECTIONS.get(word) for word in pieces(source.argument.rpartition(".")[2]))
    return any(said is not None and said.isdisjoint(written) for said in named)


def _is_whole_body(case: Case, source: Source) -> bool:
    """Return whether a text is the whole body: rename it to [old], where the body may be anything."""
    return case.call.tool.places.get(source.argument) == ("body", "") and isinstance(source.value, str)


def _stands_behind_another(case: Case, source: Source) -> bool:
    """Return whether the word before a value names another argument: untag [show] 216 as a tag_id."""
    if not source.start >= 0 or isinstance(source.value, bool) or takes_choice(case.call, source.argument):
        return False
    before = [word for word in case.words if word.end <= source.start]
    if not before or before[-1].covered or source.start - before[-1].end > 2:
        return False
    said = {*before[-1].stems}
    mine = {stem(word) for word in pieces(source.argument)}
    others = {stem(word) for name in case.call.tool.places for word in pieces(name)[:1] if name.lower().endswith("id")}
    path = {stem(word) for word in pieces(case.operation.path)}
    return case.place(source) == "path" and mine.isdisjoint(said) and not said.isdisjoint(others & path - mine)


# Ways in which the words of a value may mean something else; any one of them is enough.
_DOUBTS = (
    *(_is_vocabulary, _stands_behind_another, _is_half_a_choice, _is_name_as_id, _is_called, _is_told_otherwise),
    *(_is_command, _is_whole_body, _is_no_name, _leads_elsewhere),
)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")
