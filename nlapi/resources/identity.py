"""Tells which fields identify and describe a thing for a person: its id, name, state, kind, owner and time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any

from nlapi.resources.naming import name_key, name_words, same_name, singular

Thing = Mapping[str, Any]

NAMES = (
    *("name", "displayname", "fullname", "title", "label", "alertname", "subject", "summary", "headline", "login"),
    *("username", "realname", "nickname", "screenname", "names", "repotags", "hostname", "domain", "email"),
    *("slug", "key", "symbol", "code", "text"),
)
"""What the field is called that people call a thing by, without case and separators, the likeliest first."""

IDS = ("id", "uuid", "guid", "gid", "sid", "uid", "objectid", "number", "key", "slug", "fingerprint", "digest", "hash")
"""What the field is called by which an API tells a thing from others, the likeliest first."""

HOLDERS = ("metadata", "labels", "attributes", "fields", "properties", "spec", "status", "profile", "snippet")
"""Objects in a thing that hold what identifies and describes it: Kubernetes, Alertmanager, Jira, Airtable, HubSpot."""

_TEXTS = ("text", "value", "rendered", "name", "title", "full", "displayname", "label", "en")
"""Fields of an object that stands for one text: WordPress's `title.rendered`, Eventbrite's `name.text`."""

_CODES = ("slug", "key", "symbol", "code", "text", "names", "repotags")
_STATES = frozenset("status state phase health active enabled lifecycle stage condition conclusion".split())
_KINDS = frozenset("type kind category severity priority level role objective driver engine plan tier".split())
_OWNERS = frozenset(
    "owner user author assignee creator customer account organization namespace image requester".split()
)
_TIMES = ("updated", "modified", "created", "started", "starts", "ends", "date", "time", "at", "due", "published")


LONG = 120
"""Characters from which a text is read by itself and not in a table."""


class Rank(IntEnum):
    """What a field says of a thing, the most identifying first."""

    NAME = 0
    ID = 1
    STATE = 2
    KIND = 3
    OWNER = 4
    TIME = 5
    PLAIN = 6
    LINK = 7
    NESTED = 8


def fields_of(thing: Thing, depth: int = 2) -> dict[str, Any]:
    """Return the fields of a thing by their path: those of the objects in it too, as `metadata.name`.

    Objects deeper than `depth` levels, and lists, stay as they are.
    """
    found: dict[str, Any] = {}
    for key, value in thing.items():
        if isinstance(value, Mapping) and value and depth > 1:
            found |= {f"{key}.{inner}": one for inner, one in fields_of(value, depth - 1).items()}
        else:
            found[str(key)] = value
    return found


def field_at(thing: Any, path: str) -> Any:
    """Return the field of a thing at a path such as `metadata.name`; None where there is none.

    A name with dots in it (`app.kubernetes.io/name`) is found too.
    """
    if not isinstance(thing, Mapping):
        return None
    if path in thing:
        return thing[path]
    for place, char in enumerate(path):
        if char == "." and path[:place] in thing:
            return field_at(thing[path[:place]], path[place + 1 :])
    return None


def name_path(thing: Thing, noun: Sequence[str] = ()) -> str:
    """Return the path of the field that people call a thing by; "" where it has none.

    `noun` is what the thing is, in the singular: `hotel_name` names a hotel.
    """
    own = {name_key(key): str(key) for key in reversed(list(thing))}
    named = "".join(noun) + "name"
    candidates = (*NAMES[:3], named, *NAMES[3:]) if noun else NAMES
    for name in candidates:
        if name in own and name not in _CODES and (path := _text_path(thing, own[name])):
            return path
    inner = next((path for path in _held_names(thing)), "")
    if inner:
        return inner
    ends = [path for key in thing if name_words(str(key))[-1:] == ("name",) and (path := _text_path(thing, str(key)))]
    codes = [path for name in _CODES if name in own and (path := _text_path(thing, own[name]))]
    return next(iter((*ends, *codes)), "")


def _held_names(thing: Thing) -> Iterator[str]:
    """Names one level down, in the objects that hold what describes a thing."""
    own = {name_key(str(key)): str(key) for key in thing}
    for holder in HOLDERS:
        inner = thing.get(own.get(holder, ""))
        if isinstance(inner, Mapping):
            named = {name_key(str(key)): str(key) for key in inner}
            for name in NAMES:
                if name in named and name not in _CODES and (path := _text_path(inner, named[name])):
                    yield f"{own[holder]}.{path}"


def _text_path(thing: Thing, key: str) -> str:
    """The path of the text in a field: the field itself, the first of its list, or what its object stands for."""
    value = thing.get(key)
    if isinstance(value, str) and value:
        return key
    if isinstance(value, list) and value and isinstance(value[0], str) and value[0]:
        return f"{key}.0"
    if isinstance(value, Mapping):
        own = {name_key(str(inner)): str(inner) for inner in value}
        text = next((own[name] for name in _TEXTS if name in own and isinstance(value[own[name]], str)), None)
        return f"{key}.{text}" if text is not None and value[text] else ""
    return ""


def text_at(thing: Thing, path: str) -> str:
    """Return the text at a path of `name_path`: of `Names.0` the first of the list, without the slash before it."""
    holder, _, last = path.rpartition(".")
    if last == "0" and isinstance(listed := field_at(thing, holder), list):
        return str(listed[0]).removeprefix("/") if listed else ""
    value = field_at(thing, path)
    return value if isinstance(value, str) else ""


def name_of(thing: Thing, noun: Sequence[str] = ()) -> str:
    """Return what people call a thing; "" where it has no name."""
    path = name_path(thing, noun)
    return text_at(thing, path) if path else ""


def id_path(thing: Thing, argument: str = "", noun: Sequence[str] = ()) -> str:
    """Return the path of the field that tells a thing from others of its kind; "" where none does.

    `argument` is what takes the id (`campaign_id`): a field of that name goes before all others but `id`.
    """
    own = {name_key(str(key)): str(key) for key in reversed(list(thing)) if _is_key(thing[key])}
    one = "".join(noun)
    keys = ("id", name_key(argument), name_key(argument).removesuffix("s"), f"{one}id", f"{one}uuid", *IDS[1:])
    for key in keys:
        if key and key in own:
            return own[key]
    ids = [path for key, path in own.items() if key.endswith("id")]
    return ids[0] if len(ids) == 1 else _held_id(thing, argument)


def _held_id(thing: Thing, argument: str) -> str:
    """The id one level down: `metadata.name` of what Kubernetes calls by its name, `metadata.uid` of the rest."""
    wanted = (name_key(argument), "id", "uid") if argument else ("id", "uid")
    for holder in HOLDERS:
        inner = thing.get(holder)
        if isinstance(inner, Mapping):
            own = {name_key(str(key)): str(key) for key in inner if _is_key(inner[key])}
            found = next((own[key] for key in wanted if key in own), None)
            if found is not None:
                return f"{holder}.{found}"
    return ""


def _is_key(value: Any) -> bool:
    return isinstance(value, str | int) and not isinstance(value, bool) and value != ""


def id_of(thing: Thing, argument: str = "", noun: Sequence[str] = ()) -> Any:
    """Return the id of a thing, for an argument of that name which takes the id of `noun`; None where it has none."""
    path = id_path(thing, argument, noun)
    return field_at(thing, path) if path else None


def columns(things: Sequence[Thing], noun: Sequence[str] = ()) -> list[str]:
    """Return the paths of the fields that describe things in a table, the most identifying first.

    What is empty in all of them is left out; what is nested deeper comes last.
    """
    rows = [fields_of(thing) for thing in things]
    paths = list(dict.fromkeys(path for row in rows for path in row))
    filled = [path for path in paths if any(row.get(path) not in (None, "", [], {}) for row in rows)]
    name = _common(things, [name_path(thing, noun) for thing in things])
    id = _common(things, [id_path(thing, "", noun) for thing in things])
    listed = name.removesuffix(".0") if name.endswith(".0") else name

    def order(path: str) -> tuple[Rank, int]:
        if path == listed:
            return Rank.NAME, 0
        return (Rank.ID, 0) if path == id else _rank(path, [row.get(path) for row in rows], noun)

    return sorted(filled, key=order)


def _common(things: Sequence[Thing], paths: Sequence[str]) -> str:
    """The path that most things have in common."""
    return max(dict.fromkeys(paths), key=paths.count, default="") if things else ""


def _rank(path: str, values: Sequence[Any], noun: Sequence[str]) -> tuple[Rank, int]:
    present = [value for value in values if value not in (None, "", [], {})]
    depth = path.count(".")
    words = name_words(path.rpartition(".")[2])
    if any(isinstance(value, Mapping | list) and not _is_short_list(value) for value in present):
        return Rank.NESTED, depth
    if any(
        isinstance(value, str) and (value.startswith(("http://", "https://")) or len(value) > 120) for value in present
    ):
        return Rank.LINK, depth
    if depth and path.partition(".")[0] == "labels" and len(present) < len(values):
        return Rank.PLAIN, depth + 1
    last = singular(words[-1]) if words else ""
    if last in _STATES:
        return Rank.STATE, depth
    if last in _KINDS:
        return Rank.KIND, depth
    if last in _OWNERS or (len(words) == 1 and not same_name(words[0], "".join(noun)) and words[0] in _OWNERS):
        return Rank.OWNER, depth
    if any(word in _TIMES for word in words) and all(isinstance(value, str | int) for value in present):
        return Rank.TIME, depth
    return Rank.PLAIN, depth


def _is_short_list(value: Any) -> bool:
    return isinstance(value, list) and len(value) <= 3 and all(isinstance(one, str | int | float) for one in value)
