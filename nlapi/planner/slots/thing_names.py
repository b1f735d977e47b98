"""The words of a sentence that may be the name of a thing: beside its noun, in front of what it owns, by its form."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from nlapi.openapi.spec import Operation
from nlapi.planner.language.names import PlainName, behind_noun, behind_preposition, is_slug, slugs
from nlapi.planner.language.ordinals import places as placed
from nlapi.planner.language.text import LOOSE, Kind, Span, Token
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
from nlapi.planner.slots.slot import Slot
from nlapi.resources.answers import answer_words
from nlapi.resources.naming import STOPWORDS, VERBS, singular, stem
from nlapi.resources.paths import segments

if TYPE_CHECKING:
    from nlapi.planner.slots.context import Scene
import re

from nlapi.planner.slots.context import Scene
from nlapi.planner.slots.exclusions import BEFORE_ID

_DETERMINERS = frozenset("the a an my our this that its your all of from in to for with on and".split())
_WITHIN = frozenset(("of", "in", "from", "for", "on"))
_OWNING = frozenset(("of", "for", "by", "from"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A part of a sentence that may name a thing, with its token positions."""

    name: str
    start: int
    end: int
    score: float
    span: Span | None = None
    place: str = ""


def names_for(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Named]:
    """What in the sentence may be the name of the thing that `slot` takes the id of, the likeliest scored highest."""
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
        if places and span.kind is not Kind.LITERAL:
            continue
        if is_subject(scene.operation, slot):
            yield Named(name=span.text, start=span.start, end=span.end, score=0.9, span=span)
        elif _may_own(scene, slot, span) and _owner(span, scene):
            yield Named(name=span.text, start=span.start, end=span.end, score=1.2, span=span)
    for at, last in places:
        other = scene.operation.method == "GET" and words != scene.noun
        for place, start, end in placed(scene.sentence, at, last - at) if slot.required or other else ():
            noun = scene.sentence.text[tokens[at].start : tokens[last - 1].end]
            name = f"the {noun} {place}" if start >= tokens[at].end else f"the {place} {noun}"
            yield Named(name=name, start=start, end=end, score=1.6, place=place)
    for at in (at for at, last in places if _is_one(tokens[last - 1])):
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
    """What is written in small letters and may be a name: beside the noun, else where nothing says the noun."""
    said = noun_places(scene, words)
    as_said = (scene.sentence.stems[first:last] for first, last in said)
    for noun in dict.fromkeys((tuple(words), tuple(words[-1:]), *as_said)):
        for one in behind_noun(scene.sentence, noun):
            if one.clear and is_free(scene, one):
                yield _plain(scene, one, 1.5)
    if said:
        return
    if is_subject(scene.operation, slot):
        yield from (_plain(scene, one, 1.2) for one in slugs(scene.sentence))
    if last_parameter(scene.operation) == slot.name and not scene.operation.path.endswith("}"):
        yield from (_plain(scene, one, 1.2) for one in behind_preposition(scene.sentence) if is_free(scene, one))


def _plain(scene: Scene, one: PlainName, score: float) -> Named:
    token = scene.sentence.tokens[one.at]
    score += 0.5 * is_slug(token.lower)
    return Named(name=token.text, start=token.start, end=token.end, score=score)


def is_free(scene: Scene, one: PlainName) -> bool:
    """May a word be a name, as it is no noun of the API and nothing that the operation is told?"""
    token = scene.sentence.tokens[one.at]
    return is_slug(token.lower) or not (token.stem in scene.common or scene.names(token.stem))


def named(scene: Scene, words: Sequence[str], *, coded: bool) -> Iterator[Named]:
    """The names that stand beside a noun of the stems `words`: the campaign Back to School."""
    places = noun_places(scene, words)
    free = [(first, last) for first, last in places if coded or not _numbered(scene, last)]
    for span in scene.sentence.spans:
        if not _may_name(span, coded=coded) or _is_no_name(span, scene, words):
            continue
        near = min((_distance(span, first, last) for first, last in free), default=FAR)
        if near <= 2:
            whole = span.form in LOOSE
            loose = -0.1 if span.form == "joined" and near else 0.15 if whole else 0.0
            yield Named(name=span.text, start=span.start, end=span.end, score=2.4 - 0.2 * near + loose, span=span)


def noun_places(scene: Scene, words: Sequence[str]) -> list[tuple[int, int]]:
    """Where in the sentence the stems `words` stand, also with one word written as two: the TSIG key of /tsigkeys."""
    stems, tokens, count = scene.sentence.stems, scene.sentence.tokens, len(words)
    found = [(at, at + count) for at in range(len(stems) - count + 1) if words and stems[at : at + count] == (*words,)]
    if found or count != 1:
        return found
    pairs = ((at, stem(f"{one.lower}{other.lower}")) for at, (one, other) in enumerate(pairwise(tokens)))
    return [(at, at + 2) for at, joined in pairs if joined == words[0] and tokens[at].word]


def _is_one(token: Token) -> bool:
    return singular(token.lower) == token.lower


def _owner(span: Span, scene: Scene) -> bool:
    """Is a span said to own what is asked for: the loans [of Ada Lovelace], Ada Lovelace's loans?"""
    tokens = scene.sentence.tokens
    before = tokens[span.first - 1].lower if span.first else ""
    after = tokens[span.last].text if span.last < len(tokens) else ""
    plain = (
        span.kind is Kind.NAME
        and not span.form
        and not any(token.stem in VERBS for token in tokens[span.first : span.last])
    )
    return (plain or span.kind is Kind.QUOTED or span.form == "host") and (
        before in _OWNING or after in ("'", "’", "'s", "’s")
    )


def _may_name(span: Span, *, coded: bool) -> bool:
    """A code (WEB-2) names a thing whose id is a number."""
    if span.kind is Kind.LITERAL:
        return (span.form == "id" and coded) or span.form in ("email", "host")
    return span.kind in (Kind.CALLED, Kind.NAME) or (span.kind is Kind.QUOTED and (coded or not id_like(span.text)))


def _may_own(scene: Scene, slot: Slot, span: Span) -> bool:
    """May what the operation is about be of the thing that `slot` takes the id of: the last of those that it is below?

    For a change the owner has to be written as a code, a host or in quotation marks, which a name cannot be mistaken
    for.
    """
    operation = scene.operation
    above = [one.parameter for one in segments(operation.route) if one.parameter]
    if operation.path.rstrip("/").endswith("}"):
        above.pop()
    if not noun_places(scene, noun_stems(operation)):
        return False
    if slot.where == "path" and above[-1:] != [slot.name]:
        return False
    return operation.method == "GET" or span.kind in (Kind.LITERAL, Kind.QUOTED)


def is_owner(scene: Scene, slot: Slot, first: int) -> bool:
    """Is what stands at token `first` what many things are of, so that it is none of them: the queues of [k8s-pool]?"""
    kind = kind_of(scene.tool, slot)[-1:]
    tokens, at = scene.sentence.tokens, first - 1
    while at > 0 and tokens[at].lower in _DETERMINERS - _WITHIN:
        at -= 1
    noun = tokens[at - 1] if at > 0 and tokens[at].lower in _WITHIN else None
    return noun is not None and noun.stem in kind and singular(noun.lower) != noun.lower


def _is_no_name(span: Span, scene: Scene, words: Sequence[str]) -> bool:
    inside = any(first <= span.first and span.last <= last for first, last in noun_places(scene, words))
    if span.form in ("place", "part") or inside or _new_name(span, scene) or _only(span, scene, words):
        return True
    return span.kind is Kind.NAME and _is_said_of_slot(span, scene)


def _is_said_of_slot(span: Span, scene: Scene) -> bool:
    """Is a span what another argument is called, or one of its choices: [DNSSEC], a [Master] zone?"""
    said = scene.sentence.stems[span.first : span.last]
    return any(said == slot.words for slot in scene.slots) or _is_choice(scene, span.first, span.last)


def _is_choice(scene: Scene, first: int, last: int, *listings: Operation) -> bool:
    """Are tokens one of the choices of an argument, or of a field of what is listed: a [slave] zone?"""
    tokens = scene.sentence.tokens[first:last]
    said, text = tuple(token.stem for token in tokens), " ".join(token.lower for token in tokens)
    if any(said in answer_words(one).values for one in (scene.operation, *listings)):
        return True
    return any(text in map(str.lower, map(str, slot.choices)) for slot in scene.slots if slot.choices)


def _new_name(span: Span, scene: Scene) -> bool:
    """Is a span what a thing shall be called from now on: rename Summer Sale [to Autumn Sale]?"""
    to = span.first > 0 and scene.sentence.tokens[span.first - 1].lower == "to"
    return to and not RENAMES.isdisjoint(scene.sentence.stem_set)


def _only(span: Span, scene: Scene, words: Sequence[str]) -> bool:
    """Is the span nothing but the noun itself (or the operation's own words)?"""
    words = (*words, *ID_WORDS, "number")
    inner = [token.stem for token in scene.sentence.tokens[span.first : span.last] if token.text.isalpha()]
    return span.kind is Kind.NAME and all(word in words or word in VERBS for word in inner)


def _distance(span: Span, first: int, last: int) -> int:
    """Tokens between a span and the noun at `first` to `last`; in front of it a name stands right before."""
    if span.first >= last:
        return span.first - last
    return 0 if span.last == first else FAR


def _numbered(scene: Scene, behind: int) -> bool:
    """Is the id of a thing said right behind its noun: task 771220, so that no name there is the name of the task?"""
    tokens = scene.sentence.tokens
    while behind < len(tokens) and (tokens[behind].text in "#:=" or tokens[behind].stem in ID_WORDS):
        behind += 1
    return any(
        span.first == behind and (span.kind is Kind.NUMBER or span.form in ("id", "uuid")) and span.form != "spelt"
        for span in scene.sentence.spans
    )


def _modifiers(scene: Scene, at: int) -> int:
    """Where the plain words in front of the noun at `at` begin: pause the [summer] campaign."""
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


IP = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}(?:/\d+)?")
ADDRESSES = frozenset(map(stem, "ip address host".split()))
_BESIDE_NOUN = BEFORE_ID | {"id", "ids", "called", "named", "the", "number", "no", "nr", "'", '"'}
_OF = frozenset("of in from for on under within to at by".split())


def is_meant_in_path(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span be what a placeholder stands for, by what is beside it? Of other slots nothing is asked."""
    if _is_parent(scene, slot, span) and not _is_addressed(scene, slot, span):
        return False
    owner = is_subject(scene.operation, slot) and is_owner(scene, slot, span.first)
    return not owner and not _is_of_another(scene, slot, span)


def _is_parent(scene: Scene, slot: Slot, span: Span) -> bool:
    """Does a slot say which thing that of the operation is below, so that what is said has to be said of that?"""
    if slot.where != "path" or is_subject(scene.operation, slot):
        return False
    return slot in scene.listers or last_parameter(scene.operation) != slot.name or span.kind is Kind.PHRASE


def _is_addressed(scene: Scene, slot: Slot, span: Span) -> bool:
    """May a span say which of the things in the path is meant that the operation is below?

    What it is about itself, or what there is one of in the path, may be said anywhere. What that is below has its noun
    beside it (in the database archive), or it is what the last of them is of: the zones of X, X's zones.
    """
    names = [segment.parameter for segment in segments(scene.operation.route) if segment.parameter]
    tokens, nouns = scene.sentence.tokens, {*kind_of(scene.tool, slot), *slot.words} - ID_WORDS
    if slot.name not in names:
        return True
    if _is_opaque(span, slot) and not _noun_before(scene, span) and _may_be_code(scene, slot, span, names):
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
    owns = span.last < len(tokens) and tokens[span.last].text in ("'", "’", "'s", "’s")
    return slot.name == names[-1] and (led or owns) and tokens[span.first].stem not in scene.common


def _is_of_another(scene: Scene, slot: Slot, span: Span) -> bool:
    """Does an id stand behind a noun that the operation says nothing of: the record [sku-2] where a base is deleted?"""
    if slot.where != "path" or span.form != "id":
        return False
    before = _noun_before(scene, span)
    if before is None:
        return False
    own = {*kind_of(scene.tool, slot), *slot.words, *ID_WORDS, *scene.noun}
    return before.lower not in _BESIDE_NOUN and before.stem not in own | scene.common | scene.talked


def _noun_before(scene: Scene, span: Span) -> Token | None:
    """The word right before a span, where it may be the noun of what the span names."""
    before = scene.sentence.tokens[span.first - 1] if span.first else None
    noun = before is not None and before.word and before.lower not in STOPWORDS and before.stem not in VERBS
    return before if noun else None


def _may_be_code(scene: Scene, slot: Slot, span: Span, names: Sequence[str | None]) -> bool:
    """May a code be the id of a thing in the path? What others are below is told by none that may be a name: sha-2."""
    if span.form != "id":
        return True
    plain = slot in scene.opaque and not is_subject(scene.operation, slot) and "_" not in span.text
    return slot.name == names[-1] and not plain


def _is_opaque(span: Span, slot: Slot) -> bool:
    """Is a span an id that nobody would take for a word, nor for an address?"""
    if span.kind is Kind.LITERAL and IP.fullmatch(span.text):
        return not ADDRESSES.isdisjoint(slot.words)
    return span.kind in (Kind.LITERAL, Kind.NUMBER) and span.form not in ("host", "url", "email", "path")
