"""The things an API has: whose id an argument takes, which operation lists them, which part of a sentence names one."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nlapi.offline.placed import ORDINALS
from nlapi.offline.placed import places as placed
from nlapi.offline.sentence import LOOSE, Kind, Span
from nlapi.offline.slots import Family, Slot
from nlapi.offline.wish import DEGREES
from nlapi.openapi.spec import Operation
from nlapi.resources.id_fields import Place, target_noun
from nlapi.resources.naming import STOPWORDS, VERBS, pieces, singular, stem
from nlapi.resources.nouns import noun_of
from nlapi.tools.tool import Tool

if TYPE_CHECKING:
    from nlapi.offline.scene import Scene

ID_WORDS = frozenset(map(stem, ("id", "uuid", "guid", "gid", "sid", "key", "uid")))
"""Last words of the names of what takes an id."""
_OWN = frozenset(("id", "uuid", "gid"))
"""Names of what takes the ids of what is listed itself."""
OPAQUE = ID_WORDS - {"key"}
"""Those of them that nobody makes up: a key is often a name in small letters."""
SEARCHES = frozenset(map(stem, ("search", "find", "lookup", "query")))
_DETERMINERS = frozenset("the a an my our this that its your all of from in to for with on and".split())
_OWNING = frozenset(("of", "for", "by", "from"))
ONLY = "(the only one)"
"""The place of a thing of which there is one, as of the server that everything else is below."""
DESCRIBED = "(as described)"
"""The place of a thing that is said to be like something, which `name` has in full."""
PLACED = frozenset(
    ("last", "next", "previous", "other", "others", "same", "rest", "most", "least", *ORDINALS, *DEGREES)
)
"""Words that pick a thing by its place among others, not by its name."""
_BY_NAME = re.compile(r"(?:the )?(?:unique |full )?names?(?: or id)? of\b", re.IGNORECASE)
_OR_NAME = re.compile(r"\bnames? or (?:an? |the )?ids?\b|\bids? or (?:an? |the )?names?\b", re.IGNORECASE)
RENAMES = frozenset(map(stem, ("rename", "renamed", "retitle")))
FAR = 9
_ID_LIKE = re.compile(r"(?=.*[\d_])[\w.:\-]+|#?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """In the place of an id: the thing called `name`, to be looked up with the operation `lister`.

    Without a name it is whatever `lister` answers with (who is calling). `field` is what is wanted of the thing when
    that is not its own id, and `via` the operation that shows it, when the listing does not. With a `place` (second,
    oldest) it is the one at that place, and `name` says so for people.
    """

    name: str
    lister: str
    field: str = ""
    via: str = ""
    place: str = ""
    exact: bool = False
    """a change is made to nothing that is only called like it"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A part of a sentence that may name a thing, with its token positions."""

    name: str
    start: int
    end: int
    score: float
    span: Span | None = None
    place: str = ""


def id_like(text: str) -> bool:
    """Does a text look like an id rather than like a name that people give?"""
    return _ID_LIKE.fullmatch(text) is not None


def entity_of(slot: Slot) -> tuple[str, ...]:
    """The stems of what `slot` takes the id of: campaign_ids -> (campaign,); () when its name does not say."""
    return tuple(word for word in slot.words if word not in ID_WORDS)


def place_of(tool: Tool, slot: Slot) -> Place:
    """Where on the wire the value of a slot goes; of what is inside the body, the name of the innermost property."""
    where, name = tool.places.get(slot.path[0], (slot.where, slot.name))
    return (where, name) if len(slot.path) == 1 and name else (where, slot.name)


def kind_of(tool: Tool, slot: Slot) -> tuple[str, ...]:
    """The stems of what `slot` takes the id of: by its name, else by the path in front of it, else by the operation."""
    noun = target_noun(tool.operation, place_of(tool, slot))
    own = len(slot.path) == 1 and set(slot.words) <= _OWN
    return tuple(map(stem, noun)) or (noun_stems(tool.operation) if own or slot.where == "path" else ())


def thing_of(tool: Tool, slot: Slot) -> str:
    """The words for it: ad_set_ids -> ad set, /ad_sets/{id} -> ad set."""
    return " ".join(target_noun(tool.operation, place_of(tool, slot))) or slot.name


def takes_id(slot: Slot) -> bool:
    """Does `slot` take the id of something?"""
    return slot.family is Family.ID or bool(slot.words and slot.words[-1] in ID_WORDS) or slot.where == "path"


def takes_name(slot: Slot) -> bool:
    """Does `slot` say that it takes the very name that people use, so that there is nothing to look up?"""
    named = _BY_NAME.match(slot.description) is not None or "name" in slot.words[1:]
    return slot.family in (Family.TEXT, Family.ID) and named


def takes_name_too(slot: Slot) -> bool:
    """Does `slot` say that it takes the name as well as the id?"""
    return slot.where == "path" and _OR_NAME.search(slot.description) is not None


def noun_stems(operation: Operation) -> tuple[str, ...]:
    """The stems of what an operation is about: /accounts/{id}/ad_sets -> (ad, set)."""
    return tuple(map(stem, noun_of(operation)))


def names_for(scene: Scene, slot: Slot, listing: Operation) -> Iterator[Named]:
    """What in the sentence may be the name of the thing that `slot` takes the id of, the likeliest scored highest."""
    words = noun_stems(listing)
    if SEARCHES & set(words) or not words:
        words = kind_of(scene.tool, slot) or words
    tokens = scene.sentence.tokens
    places = _places(scene, words)
    yield from named(scene, words, coded=slot.integer)
    if not places:
        for span in scene.sentence.spans:
            if not _may_name(span, coded=slot.integer) or _is_no_name(span, scene, words):
                continue
            if is_subject(scene.operation, slot):
                yield Named(name=span.text, start=span.start, end=span.end, score=0.9, span=span)
            elif scene.operation.method == "GET" and _owner(span, scene):
                yield Named(name=span.text, start=span.start, end=span.end, score=1.2, span=span)
    for at in places:
        other = scene.operation.method == "GET" and words != noun_stems(scene.operation)
        for place, start, end in placed(scene.sentence, at, len(words)) if slot.required or other else ():
            noun = scene.sentence.text[tokens[at].start : tokens[at + len(words) - 1].end]
            name = f"the {noun} {place}" if start >= tokens[at].end else f"the {place} {noun}"
            yield Named(name=name, start=start, end=end, score=1.6, place=place)
    for at in (at for at in places if singular(tokens[at + len(words) - 1].lower) == tokens[at + len(words) - 1].lower):
        first = _modifiers(scene, at)
        if first < at and slot.required:
            yield Named(
                name=scene.sentence.text[tokens[first].start : tokens[at - 1].end],
                start=tokens[first].start,
                end=tokens[at - 1].end,
                score=1.5,
            )


def named(scene: Scene, words: Sequence[str], *, coded: bool) -> Iterator[Named]:
    """The names that stand beside a noun of the stems `words`: the campaign Back to School."""
    free = [at for at in _places(scene, words) if coded or not _numbered(scene, at, words)]
    for span in scene.sentence.spans:
        if not _may_name(span, coded=coded) or _is_no_name(span, scene, words):
            continue
        near = min((_distance(span, at, at + len(words)) for at in free), default=FAR)
        if near <= 2:
            whole = span.form in LOOSE
            loose = -0.1 if span.form == "joined" and near else 0.15 if whole else 0.0
            yield Named(name=span.text, start=span.start, end=span.end, score=2.4 - 0.2 * near + loose, span=span)


def _places(scene: Scene, words: Sequence[str]) -> list[int]:
    """Where in the sentence the stems `words` stand."""
    stems = scene.sentence.stems
    return [at for at in range(len(stems) - len(words) + 1) if words and stems[at : at + len(words)] == tuple(words)]


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
    return (plain or span.kind is Kind.QUOTED) and (before in _OWNING or after in ("'", "’", "'s", "’s"))


def _may_name(span: Span, *, coded: bool) -> bool:
    """A code (WEB-2) names a thing whose id is a number."""
    if span.kind is Kind.LITERAL:
        return (span.form == "id" and coded) or span.form in ("email", "host")
    return span.kind in (Kind.CALLED, Kind.NAME) or (span.kind is Kind.QUOTED and (coded or not id_like(span.text)))


def is_subject(operation: Operation, slot: Slot) -> bool:
    """Is `slot` the last parameter of the path: the id of the very thing that the operation is about?"""
    path = operation.path.rstrip("/")
    last = pieces(path.rpartition("/")[2])
    many = not path.endswith("}") and bool(last) and singular(last[-1]) != last[-1]
    return slot.where == "path" and not many and path.rfind("{") == path.find(f"{{{slot.name}}}")


def _is_no_name(span: Span, scene: Scene, words: Sequence[str]) -> bool:
    return span.form in ("place", "part") or _new_name(span, scene) or _only(span, scene, words)


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


def _numbered(scene: Scene, at: int, words: Sequence[str]) -> bool:
    """Is the id of a thing said right behind its noun: task 771220, so that no name there is the name of the task?"""
    behind = at + len(words)
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
