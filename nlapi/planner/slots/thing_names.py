"""The names of resources in a sentence: beside their noun, before what they own, by their form; and names in paths."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from nlapi.openapi.spec import Operation
from nlapi.planner.language.names import PlainName, behind_noun, behind_preposition, is_slug, slugs
from nlapi.planner.language.ordinals import places as placed
from nlapi.planner.language.text import LOOSE, Kind, Span, Token
from nlapi.planner.language.words import stems as stem_set
from nlapi.planner.language.words import words as word_set
from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.entities import (
    FAR,
    ID_WORDS,
    PLACED,
    RENAMES,
    SEARCHES,
    id_like,
    is_subject,
    kind_of,
    last_parameter,
    noun_stems,
)
from nlapi.planner.slots.exclusions import BEFORE_ID
from nlapi.planner.slots.slot import Slot
from nlapi.resources.answers import answer_words
from nlapi.resources.naming import STOPWORDS, VERBS, singular, stem
from nlapi.resources.paths import segments

_DETERMINERS = word_set("slots", "determiners")
_WITHIN = frozenset(("of", "in", "from", "for", "on"))
_OWNING = frozenset(("of", "for", "by", "from"))
_GENITIVES = ("'", "’", "'s", "’s")
IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")
ADDRESSES = stem_set("slots", "address_names")
_BESIDE_NOUN = BEFORE_ID | word_set("slots", "before_name")
_OF = word_set("slots", "belonging")


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A part of a sentence that may name a resource, with its character positions."""

    name: str
    start: int
    end: int
    score: float
    span: Span | None = None
    place: str = ""


def names_for(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Named]:
    """Return the names that may be those of the resource of a slot, with a score."""
    words = noun_stems(listing)
    if SEARCHES & set(words) or not words:
        words = kind_of(scene.tool, slot) or words
    tokens = scene.sentence.tokens
    places = noun_places(scene, words)
    beside = list(named(scene, words, coded=slot.integer))
    yield from beside
    for span in scene.sentence.spans if not beside else ():
        if not _may_name(span, coded=slot.integer) or _is_no_name(span, scene, words):
            continue
        # Where the noun is in the sentence, its name stands beside it; a host or an email says itself what it is.
        if places and span.kind is not Kind.LITERAL:
            continue
        if is_subject(scene.operation, slot):
            yield Named(name=span.text, start=span.start, end=span.end, score=0.9, span=span)
        elif _may_own(scene, slot, span) and _owner(span, scene):
            yield Named(name=span.text, start=span.start, end=span.end, score=1.2, span=span)
    # An ordinal picks a resource to change or to look into (the oldest run), not one of those that are listed.
    for at, last in places:
        is_parent = scene.operation.method == "GET" and words != scene.noun
        for place, start, end in placed(scene.sentence, at, last - at) if slot.required or is_parent else ():
            noun = scene.sentence.text[tokens[at].start : tokens[last - 1].end]
            name = f"the {noun} {place}" if start >= tokens[at].end else f"the {place} {noun}"
            yield Named(name=name, start=start, end=end, score=1.6, place=place)
    # Behind plain words a plural is a filter (failed runs), a singular may have a name (the summer campaign).
    for at in (at for at, last in places if _is_singular(tokens[last - 1])):
        first = _modifiers(scene, at)
        if first < at and slot.required and not _is_choice(scene, first, at, listing):
            yield Named(
                name=scene.sentence.text[tokens[first].start : tokens[at - 1].end],
                start=tokens[first].start,
                end=tokens[at - 1].end,
                score=1.5,
            )
    if slot.required:
        yield from _plain_names(scene, slot, words)


def _plain_names(scene: Scene, slot: Slot, words: Sequence[str]) -> Iterator[Named]:
    """Return the names in small letters: behind the noun, else (in a sentence without it) by their form."""
    places = noun_places(scene, words)
    spoken = (scene.sentence.stems[first:last] for first, last in places)
    for noun in dict.fromkeys((tuple(words), tuple(words[-1:]), *spoken)):
        for name in behind_noun(scene.sentence, noun):
            if name.clear and is_free(scene, name):
                yield _plain(scene, name, 1.5)
    if places:
        return
    if is_subject(scene.operation, slot):
        yield from (_plain(scene, name, 1.2) for name in slugs(scene.sentence))
    if last_parameter(scene.operation) == slot.name and not scene.operation.path.endswith("}"):
        yield from (_plain(scene, name, 1.2) for name in behind_preposition(scene.sentence) if is_free(scene, name))


def _plain(scene: Scene, name: PlainName, score: float) -> Named:
    token = scene.sentence.tokens[name.at]
    score += 0.5 * is_slug(token.lower)
    return Named(name=token.text, start=token.start, end=token.end, score=score)


def is_free(scene: Scene, name: PlainName) -> bool:
    """Return whether a word may be a name: one that is no noun of the API and no word of the operation."""
    token = scene.sentence.tokens[name.at]
    return is_slug(token.lower) or not (token.stem in scene.common or scene.names(token.stem))


def named(scene: Scene, words: Sequence[str], *, coded: bool) -> Iterator[Named]:
    """Return the names beside a noun of the stems `words`: the campaign Back to School."""
    places = noun_places(scene, words)
    for span in scene.sentence.spans:
        if not _may_name(span, coded=coded) or _is_no_name(span, scene, words):
            continue
        near = min((_distance(span, first, last) for first, last in places), default=FAR)
        if near <= 2:
            # The longer of two names is likelier (Back to School), unless words between join it to the noun.
            loose = -0.1 if span.form == "joined" and near else 0.15 if span.form in LOOSE else 0.0
            yield Named(name=span.text, start=span.start, end=span.end, score=2.4 - 0.2 * near + loose, span=span)


def noun_places(scene: Scene, words: Sequence[str]) -> list[tuple[int, int]]:
    """Return the tokens of a noun of the stems `words`, also of one word written as two: the TSIG key of /tsigkeys."""
    stems, tokens, count = scene.sentence.stems, scene.sentence.tokens, len(words)
    places = [(at, at + count) for at in range(len(stems) - count + 1) if words and stems[at : at + count] == (*words,)]
    if places or count != 1:
        return places
    pairs = ((at, stem(f"{first.lower}{second.lower}")) for at, (first, second) in enumerate(pairwise(tokens)))
    return [(at, at + 2) for at, joined in pairs if joined == words[0] and tokens[at].word]


def _is_singular(token: Token) -> bool:
    return singular(token.lower) == token.lower


def _owner(span: Span, scene: Scene) -> bool:
    """Return whether a mention is the owner of a resource: the loans of [Ada Lovelace], [Ada Lovelace]'s loans."""
    tokens = scene.sentence.tokens
    before = tokens[span.first - 1].lower if span.first else ""
    after = tokens[span.last].text if span.last < len(tokens) else ""
    plain = (
        span.kind is Kind.NAME
        and not span.form
        and not any(token.stem in VERBS for token in tokens[span.first : span.last])
    )
    return (plain or span.kind is Kind.QUOTED or span.form == "host") and (before in _OWNING or after in _GENITIVES)


def _may_name(span: Span, *, coded: bool) -> bool:
    """Return whether a mention may be a name; a code (WEB-2) is one of a resource whose id is a number."""
    if span.kind is Kind.LITERAL:
        return (span.form == "id" and coded) or span.form in ("email", "host")
    return span.kind in (Kind.CALLED, Kind.NAME) or (span.kind is Kind.QUOTED and (coded or not id_like(span.text)))


def _may_own(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention may be the owner of the resource of the operation, the last one above it in the path.

    For a change the owner has to be a code, a host or a quotation, which are not the name of the resource itself.
    """
    operation = scene.operation
    above = [segment.parameter for segment in segments(operation.route) if segment.parameter]
    if operation.path.rstrip("/").endswith("}"):
        above.pop()
    if not noun_places(scene, noun_stems(operation)):
        return False
    if slot.where == "path" and above[-1:] != [slot.name]:
        return False
    return operation.method == "GET" or span.kind in (Kind.LITERAL, Kind.QUOTED)


def is_owner(scene: Scene, slot: Slot, first: int) -> bool:
    """Return whether the name at token `first` owns several resources, and is none of them: the queues of [x]."""
    kind = kind_of(scene.tool, slot)[-1:]
    tokens, at = scene.sentence.tokens, first - 1
    while at > 0 and tokens[at].lower in _DETERMINERS - _WITHIN:
        at -= 1
    noun = tokens[at - 1] if at > 0 and tokens[at].lower in _WITHIN else None
    return noun is not None and noun.stem in kind and not _is_singular(noun)


def _is_no_name(span: Span, scene: Scene, words: Sequence[str]) -> bool:
    """Return whether a mention is no name of a resource with a noun of the stems `words`."""
    inside = any(first <= span.first and span.last <= last for first, last in noun_places(scene, words))
    if span.form in ("place", "part") or inside or _new_name(span, scene) or _is_noun(span, scene, words):
        return True
    return span.kind is Kind.NAME and _is_slot_word(span, scene)


def _is_slot_word(span: Span, scene: Scene) -> bool:
    """Return whether a mention is the name of a slot or one of its choices: [DNSSEC], a [Master] zone."""
    stems = scene.sentence.stems[span.first : span.last]
    return any(stems == slot.words for slot in scene.slots) or _is_choice(scene, span.first, span.last)


def _is_choice(scene: Scene, first: int, last: int, *listings: Operation) -> bool:
    """Return whether tokens are one of the choices of a slot, or of a field of the answer: a [slave] zone."""
    stems = scene.sentence.stems[first:last]
    text = " ".join(token.lower for token in scene.sentence.tokens[first:last])
    if any(stems in answer_words(operation).values for operation in (scene.operation, *listings)):
        return True
    return any(text in map(str.lower, map(str, slot.choices)) for slot in scene.slots if slot.choices)


def _new_name(span: Span, scene: Scene) -> bool:
    """Return whether a mention is the new name of a resource: rename Summer Sale to [Autumn Sale]."""
    to = span.first > 0 and scene.sentence.tokens[span.first - 1].lower == "to"
    return to and not RENAMES.isdisjoint(scene.sentence.stem_set)


def _is_noun(span: Span, scene: Scene, words: Sequence[str]) -> bool:
    """Return whether a mention is nothing but the noun and verbs."""
    words = (*words, *ID_WORDS, "number")
    inner = [token.stem for token in scene.sentence.tokens[span.first : span.last] if token.text.isalpha()]
    return span.kind is Kind.NAME and all(word in words or word in VERBS for word in inner)


def _distance(span: Span, first: int, last: int) -> int:
    """Return the tokens between the noun at `first` to `last` and a mention behind or right before it."""
    if span.first >= last:
        return span.first - last
    return 0 if span.last == first else FAR


def _modifiers(scene: Scene, at: int) -> int:
    """Return the first token of the plain words before the noun at `at`: pause the [summer] campaign."""
    first = at
    while first > 0 and at - first < 4:
        token = scene.sentence.tokens[first - 1]
        plain = (
            token.word
            and token.lower not in STOPWORDS
            and token.lower not in _DETERMINERS
            and first - 1 not in scene.sentence.valued
        )
        if not plain or (token.stem in VERBS and first - 1 == 0) or token.lower in ("draft", "new", *PLACED):
            break
        first -= 1
    return first


def is_meant_in_path(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention may be the value of a path parameter, by the words beside it; any may of other slots."""
    if _is_parent(scene, slot, span) and not _is_addressed(scene, slot, span):
        return False
    owner = is_subject(scene.operation, slot) and is_owner(scene, slot, span.first)
    return not owner and not _is_of_another(scene, slot, span)


def _is_parent(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a slot is for a resource above that of the operation, whose value needs words that say so."""
    if slot.where != "path" or is_subject(scene.operation, slot):
        return False
    return slot in scene.listers or last_parameter(scene.operation) != slot.name or span.kind is Kind.PHRASE


def _is_addressed(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether a mention may be the id or the name of a resource above that of the operation.

    An opaque id may be anywhere. A name has its noun beside it (in the database archive), or the last resource above
    owns the one of the operation: the zones of X, X's zones.
    """
    names = [segment.parameter for segment in segments(scene.operation.route) if segment.parameter]
    tokens, nouns = scene.sentence.tokens, {*kind_of(scene.tool, slot), *slot.words} - ID_WORDS
    if slot.name not in names:
        return True
    # In a change a code that may be a name is looked up: `delete the records a-1 and b-2 from stock` is of no base b-2.
    changes = scene.operation.method != "GET"
    may_be_name = slot.name != names[-1] or slot in scene.opaque
    is_name = changes and may_be_name and span.form == "id" and "_" not in span.text
    if _is_opaque(span, slot) and not is_name and not _noun_before(scene, span):
        return True
    before = span.first - 1
    while before >= 0 and tokens[before].lower in _BESIDE_NOUN:
        before -= 1
    after = tokens[span.last].stem if span.last < len(tokens) else ""
    inside = {token.stem for token in tokens[span.first : span.last]}
    if (before >= 0 and tokens[before].stem in nouns) or after in nouns or inside & nouns:
        return True
    before = span.first - 1
    while before >= 0 and tokens[before].lower in ("the", "a", "an", "my", "our"):
        before -= 1
    led = before >= 0 and tokens[before].lower in _OF
    owns = span.last < len(tokens) and tokens[span.last].text in _GENITIVES
    return slot.name == names[-1] and (led or owns) and tokens[span.first].stem not in scene.common


def _is_of_another(scene: Scene, slot: Slot, span: Span) -> bool:
    """Return whether an id behind a noun that a change does not have is of another resource: the record [sku-2].

    A read with the id of another resource finds nothing, so that it is not refused.
    """
    if slot.where != "path" or span.form != "id" or scene.operation.method == "GET":
        return False
    before = _noun_before(scene, span)
    if before is None:
        return False
    nouns = {*kind_of(scene.tool, slot), *slot.words, *ID_WORDS, *scene.noun}
    return before.lower not in _BESIDE_NOUN and before.stem not in nouns | scene.common | scene.talked


def _noun_before(scene: Scene, span: Span) -> Token | None:
    """Return the word right before a mention, where it may be the noun of a resource."""
    before = scene.sentence.tokens[span.first - 1] if span.first else None
    noun = before is not None and before.word and before.lower not in STOPWORDS and before.stem not in VERBS
    return before if noun else None


def _is_opaque(span: Span, slot: Slot) -> bool:
    """Return whether a mention is an id that is neither a word nor an address."""
    if span.kind is Kind.LITERAL and IP.fullmatch(span.text):
        return not ADDRESSES.isdisjoint(slot.words)
    return span.kind in (Kind.LITERAL, Kind.NUMBER) and span.form not in ("host", "url", "email", "path")
