"""The resources of an API as slots refer to them: whose id a slot takes, and the forms of ids and names."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from nlapi.english import lexicon
from nlapi.english.lexicon import stems as stem_set
from nlapi.english.lexicon import words as word_set
from nlapi.english.words import singular, split_words, stem
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.spec import Operation
from nlapi.planner.slots.slot import Family, Slot
from nlapi.reading.numbers import ORDINALS
from nlapi.reading.question_intent import SUPERLATIVES
from nlapi.resources.nouns import QUERY_WORDS, Place, noun_of, target_noun
from nlapi.tools.tool import Tool

# Last words of the names of slots that take an id.
ID_WORDS = stem_set("planner/slots/words", "id_words")
_LISTED_ID = lexicon.words("planner/slots/words", "listed_id")
# The ids among them that nobody makes up: a key is often a name in small letters.
OPAQUE = ID_WORDS - {"key"}
SEARCHES = stem_set("planner/slots/words", "searches")
# Ordinals of a PendingLookup: of a resource of which there is one (the server that all others are below), and of one
# that the sentence describes, with the description as its name.
ONLY_RESOURCE = "(the only one)"
# Words that pick a resource by its position among others, not by its name.
POSITION_WORDS = frozenset((*word_set("planner/slots/words", "positions"), *ORDINALS, *SUPERLATIVES))
_BY_NAME = lazy_pattern(r"(?:the )?(?:unique |full )?names?(?: or id)? of\b", re.IGNORECASE)
_SAYS_BY_NAME = lexicon.pattern("planner/slots/words", "says_by_name", re.IGNORECASE)
_OR_NAME = lazy_pattern(r"\bnames? or (?:an? |the )?ids?\b|\bids? or (?:an? |the )?names?\b", re.IGNORECASE)
TO_WORDS = word_set("changes/words", "to_words")
RENAMES = stem_set("planner/slots/words", "renames")
# Distance, in tokens, of a mention that does not stand beside a noun.
NOT_BESIDE = 9
SLUG = lazy_pattern(r"[a-z0-9][a-z0-9._-]*")
_ID_LIKE = lazy_pattern(r"(?=.*[\d_])[\w.:\-]+|#?\d+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingLookup:
    """The place of an id: the resource called `name`, to be looked up with the operation `lister`.

    Without a name it is the only resource in the answer of `lister` (the caller). `field` is the field to read where it
    is not the id, and `via` the operation whose answer has it, where the list does not. With a `place` (second, oldest)
    it is the resource at that position, and `name` says so for people. An `exact` name, as a change needs, matches
    nothing that is only like it.
    """

    name: str
    list_operation: str
    field: str = ""
    detail_operation: str = ""
    ordinal: str = ""
    exact: bool = False


def id_like(text: str) -> bool:
    """Return whether a text looks like an id rather than like a name that people give."""
    return _ID_LIKE.fullmatch(text) is not None


def named_resource(slot: Slot) -> tuple[str, ...]:
    """Return the stems of the resource in the name of a slot: campaign_ids -> (campaign,); () without one."""
    return tuple(word for word in slot.words if word not in ID_WORDS)


def location_of(tool: Tool, slot: Slot) -> Place:
    """Return the location of a slot in the request and its name there: inside a body, its innermost property."""
    location, name = tool.places.get(slot.path[0], (slot.location, slot.name))
    return (location, name) if len(slot.path) == 1 and name else (location, slot.name)


def resource_stems(tool: Tool, slot: Slot) -> tuple[str, ...]:
    """Return the stems of the resource of a slot: by its name, else by the path before it, else by the operation."""
    noun = target_noun(tool.operation, location_of(tool, slot))
    if noun:
        return tuple(map(stem, noun))
    listed = len(slot.path) == 1 and set(slot.words) <= _LISTED_ID
    return operation_noun_stems(tool.operation) if listed or slot.location == "path" else ()


def resource_words(tool: Tool, slot: Slot) -> str:
    """Return the words for the resource of a slot: ad_set_ids -> ad set, /ad_sets/{id} -> ad set."""
    return " ".join(target_noun(tool.operation, location_of(tool, slot))) or slot.name


def takes_id(slot: Slot) -> bool:
    """Return whether a slot takes the id of a resource."""
    return slot.family is Family.ID or bool(slot.words and slot.words[-1] in ID_WORDS) or slot.location == "path"


def accepts_name(operation: Operation | None) -> bool:
    """Return whether the description of an operation takes a name for an id: Returns a collection by ID or name."""
    text = f"{operation.summary}. {operation.description[:200]}" if operation is not None else ""
    return _SAYS_BY_NAME.search(text) is not None


def takes_name(slot: Slot) -> bool:
    """Return whether a slot takes the name that people use, so that there is nothing to look up."""
    by_name = _BY_NAME.match(slot.description) is not None or "name" in slot.words[1:]
    return slot.family in (Family.TEXT, Family.ID) and by_name


def takes_name_or_id(slot: Slot) -> bool:
    """Return whether a slot takes the name as well as the id, by its description."""
    return slot.location == "path" and _OR_NAME.search(slot.description) is not None


def operation_noun_stems(operation: Operation) -> tuple[str, ...]:
    """Return the stems of the noun of an operation: /accounts/{id}/ad_sets -> (ad, set)."""
    return tuple(map(stem, noun_of(operation)))


def is_subject(operation: Operation, slot: Slot) -> bool:
    """Return whether a slot takes the id of the very resource that the operation is about."""
    return slot.location == "path" and subject_of(operation.path) == slot.name


@lru_cache(maxsize=16384)
def subject_of(path: str) -> str:
    """Return the last parameter of a path that does not end in a plural; "" without one."""
    path = path.rstrip("/")
    above, _, end = path.rpartition("/")
    last = split_words(above.rpartition("/")[2] if end in QUERY_WORDS and not above.endswith("}") else end)
    last = last[:-1] if last[1:] and last[-1] == "count" else last
    many = not path.endswith("}") and bool(last) and singular(last[-1]) != last[-1]
    return "" if many else path.rpartition("{")[2].partition("}")[0] if "{" in path else ""


def last_parameter(operation: Operation) -> str:
    """Return the last parameter of the path of an operation; "" without one."""
    return operation.path.rpartition("{")[2].partition("}")[0] if "{" in operation.path else ""
