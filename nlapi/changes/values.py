"""That every value was said, whole, and is meant as the argument that has it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from nlapi.changes.figures import SMALLEST, figures
from nlapi.changes.lexicon import alike
from nlapi.changes.mentions import QUOTED, Mention, Sentence
from nlapi.changes.sentences import Case, description_of, schema_of, takes_choice
from nlapi.resources.naming import pieces, stem
from nlapi.tools.account import Origin, Source

LEAST = 0.5
"""How sure the reading of a value has to be. Measured on benchmarks/offline/real.jsonl: below it half are wrong."""
_QUOTES = "\"'`“”‘’«»"
_MARKS = "([{<)]}>,;:!?#@$€£¥=%&*~|\\"
_UNITS = re.compile(
    r"(?:ms|s|secs?|m|mins?|h|hrs?|d|k|kb|mb|gb|tb|kib|mib|gib|tib|px|kg|g|cm|mm|km|mi|lbs?|usd|eur|gbp|x|st|nd|rd|th"
    r"|°?[cf])",
    re.IGNORECASE,
)
_STATES = frozenset(map(stem, "is has be should enable enabled flag active to do allow use".split()))
_STATE_NAMES = frozenset(map(stem, "state status phase type action event mode enabled active".split()))
_REASONS = frozenset(map(stem, "reason cause note message".split()))
_TELLING = frozenset(map(stem, "id name key uuid gid sid slug code ids names keys".split()))
_SAYS_ID = re.compile(r"\b(?:ids?|ID|identifier|uuid|guid)\b")
_SAYS_NAME = re.compile(r"name|slug|login|handle|key|code|email|title|text|content|description|\bor\b", re.IGNORECASE)
_ENDINGS = frozenset("please now there here too thanks thank immediately asap already again".split())
_LINKS = frozenset(
    """
        to for with in on at from of by as and or into onto using via under is are be has have that which it its the a
        an
        then right also where whose when who their this
    """.split()
)
"""What follows a name without belonging to it, as long as something follows itself."""
_SWITCHED = frozenset(map(stem, "is active enabled enable activated status".split()))
_ON, _OFF = stem("enable"), stem("disable")
_ORDERED = ((("lat", "latitude"), ("lon", "lng", "long", "longitude")),)


def unsaid(case: Case) -> Iterator[str]:
    """Values that nobody said, or that an API's answer suggests."""
    for one in case.account.sources:
        if one.origin is Origin.NOBODY:
            yield f"nobody said {one.argument}: {_short(one.value)}"
        elif one.origin is Origin.ANSWER:
            yield f"{one.argument}: {_short(one.value)} comes from an answer of the API, and nobody said it"
        elif _is_flag(one) and one.origin in (Origin.WORDS, Origin.VERB) and not _says_flag(case, one):
            yield f"nobody said {one.argument}: {_short(one.value)}"


def doubtful(case: Case) -> Iterator[str]:
    """Values whose words may be meant otherwise: unsure ones, the API's own words, what stands behind another noun."""
    for one in case.account.sources:
        if one.origin not in (Origin.WORDS, Origin.LOOKUP) or not one.words:
            continue
        other = _is_vocabulary(case, one) or _stands_behind_another(case, one) or _is_half_a_choice(case, one)
        other = other or _is_name_as_id(case, one)
        other = other or _is_called(case, one) or _is_told_otherwise(case, one) or _is_command(case, one)
        if one.sure < LEAST or other:
            yield f"it is not plain that {one.words!r} is meant as {one.argument}"


def cut(case: Case) -> Iterator[str]:
    """Values that are a piece of what stands between two blanks, or leave out a figure of it."""
    for one in case.account.sources:
        if one.origin not in (Origin.WORDS, Origin.LOOKUP) or not 0 <= one.start < one.end:
            continue
        if left := _left_of(case, one):
            yield f"{one.argument} has only {one.words!r} of {left!r}"
        elif one.origin is Origin.WORDS and isinstance(one.value, str) and _loses_figures(one):
            yield f"{one.argument}: {_short(one.value)} leaves out a part of {one.words!r}"


def money(case: Case) -> Iterator[str]:
    """Amounts that are sent in another unit than the description asks for, or without their currency."""
    for one in case.account.sources:
        figure = next((found for found in figures(Sentence(text=case.text)) if _is_of(found.mention, one)), None)
        if one.origin is not Origin.WORDS or figure is None or not figure.currency or isinstance(one.value, bool):
            continue
        amount = isinstance(one.value, int | float) and figure.number == Decimal(str(one.value))
        if amount and SMALLEST.search(description_of(case.call, one.argument)):
            yield f"{one.argument}: {one.value} may be in another unit than {one.words!r}"
        if figure.mention.words[:1] != "$" and isinstance(one.value, int | float) and _lacks_currency(case, one):
            yield f"the currency of {one.words!r} is not sent"


def _is_of(mention: Mention, one: Source) -> bool:
    return mention.start < one.end and one.start < mention.end


def turned(case: Case) -> Iterator[str]:
    """A text that goes on into what another argument is called: `Launch with priority high` as a title."""
    names = {stem(word) for name in case.call.tool.places for word in pieces(name)[-1:]} - {stem("name"), stem("id")}
    for one in case.account.sources:
        inside = _unquoted(case, one)
        if inside and inside[-1:].isalpha() and (more := _goes_on(case, one)):
            yield f"it is not plain where {one.argument} ends: {one.words} {more}"
            continue
        found = re.search(r"\b(?:with|and|as|for)\s+(?:a |an |the |its )?(\w+)", inside)
        if found and stem(found.group(1).lower()) in names and not one.argument.endswith(found.group(1)):
            yield f"it is not plain where {one.argument} ends: {one.words!r}"


def _goes_on(case: Case, one: Source) -> str:
    """The word behind a text that may belong to it: rename it to Eating [out]; "" where there is none."""
    if takes_choice(case.call, one.argument) or one.origin is not Origin.WORDS:
        return ""
    behind = next((word for word in case.words if word.start >= one.end), None)
    if behind is None or behind.covered or case.text[one.end : behind.start].strip(" "):
        return ""
    if set(behind.stems) <= case.own_words:
        return ""  # the summer campaign
    last = behind is case.words[-1]
    return behind.text if behind.lower not in (_ENDINGS if last else _ENDINGS | _LINKS) else ""


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
    text = _unquoted(case, one)
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
    """Whether what is taken away is told by something else than itself, which nobody said: all that has a [tag]."""
    place = case.place(one)
    if case.operation.method != "DELETE" or place == "path" or isinstance(one.value, bool):
        return False
    words = {stem(word) for word in pieces(one.argument)} - _TELLING
    return bool(words) and words.isdisjoint(case.said) and words.isdisjoint(map(stem, pieces(case.operation.path)))


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


def _left_of(case: Case, one: Source) -> str:
    """The text between blanks that a value is only a piece of; "" where nothing of it is left over.

    What is left may be covered by another value (acme/web, 25-44), be the argument's own name (limit=5), or the unit of
    a number.
    """
    text, start, end = case.text, one.start, one.end
    opens = text[start] in _QUOTES or text[start - 1 : start] in tuple(_QUOTES)
    closes = text[end - 1] in _QUOTES or text[end : end + 1] in tuple(_QUOTES)
    if opens and closes:
        return ""
    if opens and isinstance(one.value, str) and (whole := _quoted_around(text, start)):
        return whole
    while start > 0 and not text[start - 1].isspace():
        start -= 1
    while end < len(text) and not text[end].isspace():
        end += 1
    number = isinstance(one.value, int | float) and not isinstance(one.value, bool)
    place = case.place(one)
    before, after = text[start : one.start], text[one.end : end]
    if one.value is not None and str(one.value).endswith(".") and after[:1] == ".":
        after = after[1:]
    after = re.sub(r"^['’]s\b", "", after)
    before, after = _uncovered(case, before, start), _uncovered(case, after, end - len(after))
    if number and place != "path":
        unit = _UNITS.match(after)
        after = after[unit.end() :] if unit else after
        before, after = before.strip("+-–/"), after.strip("-–/")
    named = re.fullmatch(r"[\w.-]+[=:]", before)
    if named and set(map(stem, pieces(before))) <= case.own_words:
        before = ""
    inside = end < len(text) and after.rstrip(_QUOTES + _MARKS) == "." and text[end:].lstrip()[:1].islower()
    before, after = before.strip(_QUOTES + _MARKS), after.strip(_QUOTES + _MARKS)
    return text[start:end] if before or inside or after.strip(".") else ""


def _quoted_around(text: str, start: int) -> str:
    """The quoted text that begins at a place or right before it; "" where none does."""
    return next((found.group() for found in QUOTED.finditer(text) if found.start() in (start, start - 1)), "")


def _uncovered(case: Case, piece: str, start: int) -> str:
    """A piece of text without what other values cover, and the marks between them."""
    letters = list(piece)
    for other in case.account.sources:
        for at in range(max(0, other.start - start), min(len(piece), other.end - start)):
            letters[at] = " "
    left = "".join(letters).replace(" ", "")
    return left.strip("/:-–.,") if len(left) < len(piece) else left


def _loses_figures(one: Source) -> bool:
    """Whether a text has none of the figures of its words."""
    return bool(re.search(r"\d", one.words)) and not re.search(r"\d", str(one.value))


def _lacks_currency(case: Case, one: Source) -> bool:
    """Whether the object that an amount is in takes a currency which is not given."""
    *above, _ = one.argument.split(".")
    inside = schema_of(case.call, ".".join(above)).get("properties", {}) if above else case.call.tool.places
    names = [".".join((*above, name)) for name in inside]
    takes = {name for name in names if stem("currency") in map(stem, pieces(name.rpartition(".")[2]))}
    return bool(takes) and takes.isdisjoint(other.argument for other in case.account.sources)


def _unquoted(case: Case, one: Source) -> str:
    """The text of a value that was said without quotes; "" for anything else."""
    if not isinstance(one.value, str) or not 0 <= one.start < one.end:
        return ""
    said = case.text[one.start : one.end]
    return "" if said[:1] in _QUOTES or case.text[one.start - 1 : one.start] in tuple(_QUOTES) else said


def _plain(text: str) -> str:
    return " ".join(text.lower().split()).strip("\"'.#@ ")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
