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
"""How sure the reading of a value has to be. Measured on training/sentences/real.jsonl: below it half are wrong."""
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
    for source in case.account.sources:
        if source.origin is Origin.NOBODY:
            yield f"nobody said {source.argument}: {short(source.value)}"
        elif source.origin is Origin.ANSWER:
            yield f"{source.argument}: {short(source.value)} comes from an answer of the API, and nobody said it"
        elif source.origin is Origin.DESCRIPTION and not case.account.traced and _is_default(case, source):
            stands_for = "is what the description has where nothing is said"
            yield f"nobody said {source.argument}: {short(source.value)} {stands_for}"
        elif _is_flag(source) and source.origin in (Origin.WORDS, Origin.VERB) and not _says_flag(case, source):
            yield f"nobody said {source.argument}: {short(source.value)}"


def doubtful(case: Case) -> Iterator[str]:
    """Values whose words may be meant otherwise: unsure ones, the API's own words, what stands behind another noun."""
    for source in case.account.sources:
        if source.origin not in (Origin.WORDS, Origin.LOOKUP) or not source.words:
            continue
        other = _is_vocabulary(case, source) or _stands_behind_another(case, source) or _is_half_a_choice(case, source)
        other = other or _is_name_as_id(case, source)
        other = other or _is_called(case, source) or _is_told_otherwise(case, source) or _is_command(case, source)
        other = other or _is_whole_body(case, source) or _is_no_name(case, source) or _leads_elsewhere(case, source)
        if source.sure < LEAST or other:
            yield f"it is not plain that {source.words!r} is meant as {source.argument}"


def nearly_named(case: Case) -> Iterator[str]:
    """A thing that is only called like what was said."""
    for source in case.account.sources:
        if (
            source.origin is Origin.LOOKUP
            and source.name
            and source.words
            and _plain(source.name) != _plain(source.words)
        ):
            yield f"{source.words!r} was said, and what was found is called {source.name!r}"


def out_of_order(case: Case) -> Iterator[str]:
    """Numbers that go by their order, as latitude and longitude, and are said the other way round."""
    for first, second in _ORDERED:
        firsts = [source for source in case.account.sources if not {*pieces(source.argument)[-1:]}.isdisjoint(first)]
        seconds = [source for source in case.account.sources if not {*pieces(source.argument)[-1:]}.isdisjoint(second)]
        for source, other in zip(firsts, seconds, strict=False):
            if 0 <= other.start < source.start and not {stem(word) for word in first + second} & case.said:
                yield f"{source.argument} is said behind {other.argument}"


def _is_flag(source: Source) -> bool:
    return isinstance(source.value, bool) or source.value in ("true", "false")


def _is_half_a_choice(case: Case, source: Source) -> bool:
    """Whether a choice was read from a part of its words, or from the verb, and its argument is not named.

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
    """Whether the words of a flag's name are all said."""
    every = set(map(stem, pieces(source.argument.rpartition(".")[2])))
    if every <= _SWITCHED:
        on = source.value in (True, "true")
        return alike(case.command, _ON if on else _OFF) or not every.isdisjoint(case.said)
    words = every - _STATES or every
    return words <= case.said or (source.value in (False, "false") and bool(words & case.said))


def _is_vocabulary(case: Case, source: Source) -> bool:
    """Whether an unquoted text is but a word that the operation or its arguments are called by: my [public] token."""
    text = unquoted(case, source)
    if not text or not text.islower() or not text.isalpha():
        return False
    operation, chosen = case.operation, takes_choice(case.call, source.argument)
    names = (operation.path,) if chosen else (operation.id, operation.summary, source.argument)
    if chosen and not {stem(word) for word in pieces(source.argument)}.isdisjoint(case.said - {stem(text)}):
        return False
    return stem(text) in {stem(word) for name in names for word in pieces(name)}


def _is_name_as_id(case: Case, source: Source) -> bool:
    """Whether a plain word was taken for what the description says is an id: the channel [random]."""
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
    """Whether what a thing is called was taken for its id: the file [called] v2.jsonl as a file_id."""
    words = pieces(source.argument)
    before = case.text[: max(0, source.start)].rstrip("\"'“‘ ").split()
    behind = bool(before) and before[-1].lower() in ("called", "named", "titled")
    return source.origin is Origin.WORDS and behind and words[-1:] in (["id"], ["uuid"], ["gid"], ["key"], ["sid"])


def _is_command(case: Case, source: Source) -> bool:
    """Whether the command itself was taken for a text: [freeze] the zone, as its type."""
    return case.is_first(source) and isinstance(source.value, str) and not takes_choice(case.call, source.argument)


def _is_told_otherwise(case: Case, source: Source) -> bool:
    """Whether a value is of another kind of thing, which nobody said: of what has a [tag], of a [team].

    What is taken away is told by itself; of other changes, the ids of other things are named with their kind.
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
    """Whether a field of a body is the description's default, which is no constant: the user may want another."""
    schema = schema_of(case.call, source.argument)
    choices = schema.get("enum")
    fixed = "const" in schema or (isinstance(choices, list) and len(choices) == 1)
    return case.place(source) == "body" and not fixed


def _is_no_name(case: Case, source: Source) -> bool:
    """Whether what a new thing is called was taken for another field, which nobody said: card [x-1] as its labels."""
    named = pieces(source.argument.rpartition(".")[2])
    if case.command not in GENERIC_CREATES or case.place(source) == "path" or not named or not unquoted(case, source):
        return False
    before = [word for word in case.words if word.end <= source.start]
    kind = {stem(singular(word)) for word in pieces(case.operation.path)}
    if (
        not before
        or before[-1] is case.first
        or before[-1].covered
        or kind.isdisjoint(before[-1].stems)
        or takes_choice(case.call, source.argument)
    ):
        return False
    return named[-1] not in _NAMING and not {stem(word) for word in named} & case.said


def _leads_elsewhere(case: Case, source: Source) -> bool:
    """Whether an argument takes where something comes from, or goes to, and nobody said so: `fromImage`."""
    written = {word.lower for word in case.words}
    named = (_DIRECTIONS.get(word) for word in pieces(source.argument.rpartition(".")[2]))
    return any(said is not None and said.isdisjoint(written) for said in named)


def _is_whole_body(case: Case, source: Source) -> bool:
    """Whether a text was taken for all of a body: rename it to [old], where the body may be anything."""
    return case.call.tool.places.get(source.argument) == ("body", "") and isinstance(source.value, str)


def _stands_behind_another(case: Case, source: Source) -> bool:
    """Whether the word before a value names another argument, and not this one: untag [show] 216 as a tag_id."""
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


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")
