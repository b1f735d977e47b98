"""That every value was said, whole, and is meant as the argument that has it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from nlapi.changes.lexicon import GENERIC_CREATES, alike, echoes
from nlapi.changes.sentences import Case, schema_of, short, takes_choice
from nlapi.changes.whole_words import unquoted
from nlapi.resources.naming import pieces, singular, stem
from nlapi.tools.account import Origin, Source

LEAST = 0.5
"""How sure the reading of a value has to be. Measured on benchmarks/offline/real.jsonl: below it half are wrong."""
_STATES = frozenset(map(stem, "is has be should enable enabled flag active to do allow use".split()))
_STATE_NAMES = frozenset(map(stem, "state status phase type action event mode enabled active".split()))
_REASONS = frozenset(map(stem, "reason cause note message".split()))
_TELLING = frozenset(map(stem, "id name key uuid gid sid slug code ids names keys".split()))
_SAYS_ID = re.compile(r"\b(?:ids?|ID|identifier|uuid|guid)\b")
_SAYS_NAME = re.compile(r"name|slug|login|handle|key|code|email|title|text|content|description|\bor\b", re.IGNORECASE)
_SWITCHED = frozenset(map(stem, "is active enabled enable activated status".split()))
_ON, _OFF = stem("enable"), stem("disable")
_NAMING = frozenset("name title subject login username key slug summary email id url uri domain label handle".split())
"""Last words of the arguments that take what a thing is called."""
_DIRECTIONS = {
    **dict.fromkeys(("from", "source", "origin"), frozenset(("from", "of", "source", "origin"))),
    **dict.fromkeys(("target", "destination"), frozenset(("to", "into", "target", "destination"))),
}
"""Words of an argument that say where something comes from or goes to -> what people say for it."""
_ORDERED = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def unsaid(case: Case) -> Iterator[str]:
    """Values that nobody said, or that an API's answer suggests."""
    for one in case.account.sources:
        if one.origin is Origin.NOBODY:
            yield f"nobody said {one.argument}: {short(one.value)}"
        elif one.origin is Origin.ANSWER:
            yield f"{one.argument}: {short(one.value)} comes from an answer of the API, and nobody said it"
        elif one.origin is Origin.DESCRIPTION and not case.account.traced and _is_default(case, one):
            yield f"nobody said {one.argument}: {short(one.value)} is what the description has where nothing is said"
        elif _is_flag(one) and one.origin in (Origin.WORDS, Origin.VERB) and not _says_flag(case, one):
            yield f"nobody said {one.argument}: {short(one.value)}"


def doubtful(case: Case) -> Iterator[str]:
    """Values whose words may be meant otherwise: unsure ones, the API's own words, what stands behind another noun."""
    for one in case.account.sources:
        if one.origin not in (Origin.WORDS, Origin.LOOKUP) or not one.words:
            continue
        other = _is_vocabulary(case, one) or _stands_behind_another(case, one) or _is_half_a_choice(case, one)
        other = other or _is_name_as_id(case, one)
        other = other or _is_called(case, one) or _is_told_otherwise(case, one) or _is_command(case, one)
        other = other or _is_whole_body(case, one) or _is_no_name(case, one) or _leads_elsewhere(case, one)
        if one.sure < LEAST or other:
            yield f"it is not plain that {one.words!r} is meant as {one.argument}"


def nearly_named(case: Case) -> Iterator[str]:
    """A thing that is only called like what was said."""
    for one in case.account.sources:
        if one.origin is Origin.LOOKUP and one.name and one.words and _plain(one.name) != _plain(one.words):
            yield f"{one.words!r} was said, and what was found is called {one.name!r}"


def out_of_order(case: Case) -> Iterator[str]:
    """Numbers that go by their order, as latitude and longitude, and are said the other way round."""
    for first, second in _ORDERED:
        left = [one for one in case.account.sources if not {*pieces(one.argument)[-1:]}.isdisjoint(first)]
        right = [one for one in case.account.sources if not {*pieces(one.argument)[-1:]}.isdisjoint(second)]
        for one, other in zip(left, right, strict=False):
            if 0 <= other.start < one.start and not {stem(word) for word in first + second} & case.said:
                yield f"{one.argument} is said behind {other.argument}"


def _is_flag(one: Source) -> bool:
    return isinstance(one.value, bool) or one.value in ("true", "false")


def _is_half_a_choice(case: Case, one: Source) -> bool:
    """Whether a choice was read from a part of its words, or from the verb, and its argument is not named.

    `invoice item` is no proration by `always_invoice`; `close` sets a state, and no reason for it.
    """
    if not isinstance(one.value, str) or not takes_choice(case.call, one.argument):
        return False
    argument = set(map(stem, pieces(one.argument.rpartition(".")[2])))
    if case.is_first(one):
        return argument.isdisjoint(_STATE_NAMES) or (len(argument) > 1 and bool(argument & _REASONS))
    said = set(map(stem, pieces(one.words)))
    value = set(map(stem, pieces(one.value)))
    return len(value) > 1 and not value <= said | case.said and argument.isdisjoint(case.said)


def _says_flag(case: Case, one: Source) -> bool:
    """Whether the words of a flag's name are all said."""
    every = set(map(stem, pieces(one.argument.rpartition(".")[2])))
    if every <= _SWITCHED:
        on = one.value in (True, "true")
        return alike(case.command, _ON if on else _OFF) or not every.isdisjoint(case.said)
    words = every - _STATES or every
    return words <= case.said or (one.value in (False, "false") and bool(words & case.said))


def _is_vocabulary(case: Case, one: Source) -> bool:
    """Whether an unquoted text is but a word that the operation or its arguments are called by: my [public] token."""
    text = unquoted(case, one)
    if not text or not text.islower() or not text.isalpha():
        return False
    operation, chosen = case.operation, takes_choice(case.call, one.argument)
    names = (operation.path,) if chosen else (operation.id, operation.summary, one.argument)
    if chosen and not {stem(word) for word in pieces(one.argument)}.isdisjoint(case.said - {stem(text)}):
        return False
    return stem(text) in {stem(word) for name in names for word in pieces(name)}


def _is_name_as_id(case: Case, one: Source) -> bool:
    """Whether a plain word was taken for what the description says is an id: the channel [random]."""
    words = one.words.split()
    if one.origin is not Origin.WORDS or not words or not words[-1].isalpha() or not words[-1].islower():
        return False
    if not isinstance(one.value, str) or takes_choice(case.call, one.argument):
        return False
    told = str(schema_of(case.call, one.argument).get("description", ""))
    named = pieces(one.argument.rpartition(".")[2])
    takes_id = _SAYS_ID.search(told) or (len(named) > 1 and "id" in (named[0], named[-1]))
    return bool(takes_id) and not _SAYS_NAME.search(f"{told} {one.argument}")


def _is_called(case: Case, one: Source) -> bool:
    """Whether what a thing is called was taken for its id: the file [called] v2.jsonl as a file_id."""
    words = pieces(one.argument)
    before = case.text[: max(0, one.start)].rstrip("\"'“‘ ").split()
    behind = bool(before) and before[-1].lower() in ("called", "named", "titled")
    return one.origin is Origin.WORDS and behind and words[-1:] in (["id"], ["uuid"], ["gid"], ["key"], ["sid"])


def _is_command(case: Case, one: Source) -> bool:
    """Whether the command itself was taken for a text: [freeze] the zone, as its type."""
    return case.is_first(one) and isinstance(one.value, str) and not takes_choice(case.call, one.argument)


def _is_told_otherwise(case: Case, one: Source) -> bool:
    """Whether a value is of another kind of thing, which nobody said: of what has a [tag], of a [team].

    What is taken away is told by itself; of other changes, the ids of other things are named with their kind.
    """
    named = pieces(one.argument.rpartition(".")[2])
    if case.place(one) == "path" or isinstance(one.value, bool) or not named:
        return False
    if case.operation.method != "DELETE" and (named[-1] != "id" or len(named) < 2):
        return False
    words = {stem(word) for word in named} - _TELLING
    path = {stem(word) for word in pieces(case.operation.path)}
    own = words & (case.said | path) or any(echoes(case.command, word) for word in words)
    return bool(words) and not own


def _is_default(case: Case, one: Source) -> bool:
    """Whether a field of a body is the description's default, which is no constant: the user may want another."""
    schema = schema_of(case.call, one.argument)
    choices = schema.get("enum")
    fixed = "const" in schema or (isinstance(choices, list) and len(choices) == 1)
    return case.place(one) == "body" and not fixed


def _is_no_name(case: Case, one: Source) -> bool:
    """Whether what a new thing is called was taken for another field, which nobody said: card [x-1] as its labels."""
    named = pieces(one.argument.rpartition(".")[2])
    if case.command not in GENERIC_CREATES or case.place(one) == "path" or not named or not unquoted(case, one):
        return False
    before = [word for word in case.words if word.end <= one.start]
    kind = {stem(singular(word)) for word in pieces(case.operation.path)}
    if (
        not before
        or before[-1] is case.first
        or before[-1].covered
        or kind.isdisjoint(before[-1].stems)
        or takes_choice(case.call, one.argument)
    ):
        return False
    return named[-1] not in _NAMING and not {stem(word) for word in named} & case.said


def _leads_elsewhere(case: Case, one: Source) -> bool:
    """Whether an argument takes where something comes from, or goes to, and nobody said so: `fromImage`."""
    written = {word.lower for word in case.words}
    named = (_DIRECTIONS.get(word) for word in pieces(one.argument.rpartition(".")[2]))
    return any(said is not None and said.isdisjoint(written) for said in named)


def _is_whole_body(case: Case, one: Source) -> bool:
    """Whether a text was taken for all of a body: rename it to [old], where the body may be anything."""
    return case.call.tool.places.get(one.argument) == ("body", "") and isinstance(one.value, str)


def _stands_behind_another(case: Case, one: Source) -> bool:
    """Whether the word before a value names another argument, and not this one: untag [show] 216 as a tag_id."""
    if not one.start >= 0 or isinstance(one.value, bool) or takes_choice(case.call, one.argument):
        return False
    before = [word for word in case.words if word.end <= one.start]
    if not before or before[-1].covered or one.start - before[-1].end > 2:
        return False
    said = {*before[-1].stems}
    mine = {stem(word) for word in pieces(one.argument)}
    others = {stem(word) for name in case.call.tool.places for word in pieces(name)[:1] if name.lower().endswith("id")}
    path = {stem(word) for word in pieces(case.operation.path)}
    return case.place(one) == "path" and mine.isdisjoint(said) and not said.isdisjoint(others & path - mine)


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")
