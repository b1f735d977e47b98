"""The things an API has: whose id an argument takes, which operation lists them, which part of a sentence names one."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from nlapi.openapi.spec import Operation
from nlapi.planner.language.ordinals import ORDINALS
from nlapi.planner.language.question_intent import DEGREES
from nlapi.planner.slots.slot import Family, Slot
from nlapi.resources.naming import singular, split_words, stem
from nlapi.resources.nouns import QUERY_WORDS, Place, noun_of, target_noun
from nlapi.tools.tool import Tool

if TYPE_CHECKING:
    pass

ID_WORDS = frozenset(map(stem, ("id", "uuid", "guid", "gid", "sid", "key", "uid")))
"""Last words of the names of what takes an id."""
_OWN = frozenset(("id", "uuid", "gid"))
"""Names of what takes the ids of what is listed itself."""
OPAQUE = ID_WORDS - {"key"}
"""Those of them that nobody makes up: a key is often a name in small letters."""
SEARCHES = frozenset(map(stem, ("search", "find", "lookup", "query")))
ONLY = "(the only one)"
"""The place of a thing of which there is one, as of the server that everything else is below."""
DESCRIBED = "(as described)"
"""The place of a thing that is said to be like something, which `name` has in full."""
PLACED = frozenset(
    ("last", "next", "previous", "other", "others", "same", "rest", "most", "least", *ORDINALS, *DEGREES)
)
"""Words that pick a thing by its place among others, not by its name."""
_BY_NAME = re.compile(r"(?:the )?(?:unique |full )?names?(?: or id)? of\b", re.IGNORECASE)
_TOLD_BY_NAME = re.compile(r"\bby (?:its |the )?(?:(?:id|uuid|identifier) or )?name\b", re.IGNORECASE)
_OR_NAME = re.compile(r"\bnames? or (?:an? |the )?ids?\b|\bids? or (?:an? |the )?names?\b", re.IGNORECASE)
RENAMES = frozenset(map(stem, ("rename", "renamed", "retitle")))
FAR = 9
SLUG = re.compile(r"[a-z0-9][a-z0-9._-]*")
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


def says_name(operation: Operation | None) -> bool:
    """Does an operation say of itself that its thing may be told by its name: Returns a collection by ID or name?"""
    text = f"{operation.summary}. {operation.description[:200]}" if operation is not None else ""
    return _TOLD_BY_NAME.search(text) is not None


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


def is_subject(operation: Operation, slot: Slot) -> bool:
    """Is `slot` the last parameter of the path: the id of the very thing that the operation is about?"""
    return slot.where == "path" and subject_of(operation.path) == slot.name


@lru_cache(maxsize=16384)
def subject_of(path: str) -> str:
    """The last parameter of a path that does not end in a plural; "" where there is none."""
    path = path.rstrip("/")
    above, _, end = path.rpartition("/")
    last = split_words(above.rpartition("/")[2] if end in QUERY_WORDS and not above.endswith("}") else end)
    last = last[:-1] if last[1:] and last[-1] == "count" else last
    many = not path.endswith("}") and bool(last) and singular(last[-1]) != last[-1]
    return "" if many else path.rpartition("{")[2].partition("}")[0] if "{" in path else ""


def last_parameter(operation: Operation) -> str:
    """The last parameter of the path; "" where it has none."""
    return operation.path.rpartition("{")[2].partition("}")[0] if "{" in operation.path else ""
