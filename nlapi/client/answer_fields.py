"""The fields of an answer that a model may see: some are hidden, or some alone are shown."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any
from unicodedata import normalize

from nlapi.client.message import Framing, Result, parse_json
from nlapi.client.safe_text import INVISIBLE, strip_control
from nlapi.english import lexicon
from nlapi.english.words import name_words
from nlapi.errors import UsageError
from nlapi.lazy_pattern import lazy_pattern
from nlapi.openapi.jsonpath import compile_jsonpath, node_paths

WITHHELD = "withheld: the policy is about fields, and this answer is not JSON"
UNDECIDED = "withheld: a JSONPath of the policy cannot be applied to it"

HIDDEN = "hidden by the policy"
# Characters of a text that may be the name of a field.
MAX_NAME = 64
# Words of the fields that name other fields, in pairs of a name and a value.
_NAMING = lexicon.words("client/words", "naming")
# All that Unicode calls format or default-ignorable, the variation selectors of emoji too.
_UNSEEN = lazy_pattern(rf"[{INVISIBLE}\ufe0e\ufe0f]")
# A name in front of its value: in forms, headers, XML, and as a column of CSV.
_NAMED = lazy_pattern(r"([\w.-]{1,64})[\"'\\]{0,4}\s{0,4}(?:[:=>\t]|[,;](?=[^\n]{0,999}\n))")


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldFilter:
    """The fields of JSON answers that are hidden, and those that are shown where not all are.

    Each is the name of a field at any depth, a glob in any case of letters, or, beginning with `$`, a JSONPath (RFC
    9535). What is shown is shown whole; objects and lists around it stay.
    """

    hidden: tuple[str, ...] = ()
    shown: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.hidden or self.shown)

    def apply(self, result: Result) -> Result:
        """Return an answer without what a model may not see. What is not JSON is withheld whole."""
        if not self or not (result.content or result.items):
            return result
        result = replace(result, headers=tuple(pair for pair in result.headers if not self._hides(pair[0])))
        if result.items is not None:
            items = tuple(self._item(item, result.framing) for item in result.items)
            return replace(result, items=items, content=json.dumps(list(items), default=str).encode())
        data = result.data
        if not isinstance(data, (dict, list)):
            return replace(result, content=json.dumps({"error": WITHHELD}).encode(), headers=_json_headers(result))
        return replace(result, content=json.dumps(self.value(data), ensure_ascii=False).encode())

    def _hides(self, name: str) -> bool:
        return _is_named(name, _split(self.hidden)[0])

    def _item(self, item: Any, framing: Framing | None) -> Any:
        """Return what a model may see of an item of a stream: of an event its data and its name, of a text nothing."""
        if framing is Framing.EVENTS and isinstance(item, dict):
            if self._hides(str(item.get("event", ""))):
                return WITHHELD
            # The id of an event may hold anything.
            return {**{key: item[key] for key in ("event",) if key in item}, "data": self._item(item["data"], None)}
        is_readable = isinstance(item, (dict, list)) and framing is not Framing.FRAMES
        return self.value(item) if is_readable else WITHHELD

    def value(self, value: Any) -> Any:
        """Return a JSON value without the hidden fields, and with the shown ones alone."""
        try:
            names, paths = _split(self.hidden)
            value = _Structures(names=names).filtered(_with_plain_keys(value)) if self.hidden else value
            names, paths = _split(self.shown)
            if self.shown:
                value = _project(value, names, _locations(value, paths), ())
            names, paths = _split(self.hidden)
            return _without(value, names, _locations(value, paths), ()) if self.hidden else value
        except ValueError:
            return {"error": UNDECIDED}


_Location = tuple[str | int, ...]


def check_field(field: str) -> None:
    """UsageError for a JSONPath that cannot be read."""
    if field.startswith("$"):
        try:
            compile_jsonpath(field, strict=False)
        except ValueError as error:
            raise UsageError(str(error)) from None


def _split(fields: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the globs of names, in lower case, and the JSONPaths."""
    fields = tuple(fields)
    # `fnmatch` reads brackets as a set of characters, and names such as `tags[]` have none.
    names = tuple(_folded(field).replace("[", "[[]") for field in fields if not field.startswith("$"))
    return names, tuple(field for field in fields if field.startswith("$"))


def _locations(value: Any, paths: Iterable[str]) -> frozenset[_Location]:
    return frozenset(location for path in paths for location in node_paths(value, path, strict=False))


def _is_named(key: str, names: Iterable[str]) -> bool:
    folded = _folded(key)
    return any(fnmatchcase(folded, name) for name in names)


def _folded(name: str) -> str:
    """Return a name as it is compared: in one normal form and case, without what nobody sees."""
    plain = name if name.isascii() else _UNSEEN.sub("", normalize("NFKC", name))
    return normalize("NFKC", strip_control(plain).strip().casefold())


def _with_plain_keys(value: Any) -> Any:
    """Return a JSON value whose keys have no characters that nobody sees; of keys that read alike one has its value."""
    if isinstance(value, list):
        return [_with_plain_keys(item) for item in value]
    if not isinstance(value, Mapping):
        return value
    fields: dict[Any, Any] = {}
    for key, item in value.items():
        plain = key
        if isinstance(key, str) and not key.isascii():
            plain = normalize("NFC", _UNSEEN.sub("", key))
        fields[plain] = HIDDEN if plain in fields else _with_plain_keys(item)
    return fields


@dataclass(frozen=True, slots=True, kw_only=True)
class _Structures:
    """The values that are hidden by a name that stands beside them, in whatever structure: pairs, tables, texts."""

    names: tuple[str, ...]

    def filtered(self, value: Any) -> Any:
        """Return a JSON value with HIDDEN in the place of each such value."""
        return self._walk(value, frozenset(self._columns(value)), in_list=False) if self.names else value

    def _is_name(self, value: object) -> bool:
        return isinstance(value, str) and len(value) <= MAX_NAME and _is_token(value) and _is_named(value, self.names)

    def _names_column(self, value: object) -> bool:
        return self._is_name(value) or (isinstance(value, Mapping) and any(map(self._is_name, value.values())))

    def _columns(self, value: Any) -> Iterator[tuple[int, int]]:
        """Yield length and place of each hidden name in lists of names."""
        if isinstance(value, list):
            yield from ((len(value), place) for place, item in enumerate(value) if self._names_column(item))
        for _, child in _children(value) if isinstance(value, (Mapping, list)) else ():
            yield from self._columns(child)

    def _walk(self, value: Any, columns: frozenset[tuple[int, int]], *, in_list: bool) -> Any:
        if isinstance(value, str):
            return self._text(value, columns)
        if isinstance(value, list):
            return self._list(value, columns, in_list=in_list)
        if not isinstance(value, Mapping):
            return value
        if self._is_pair(value):
            return {key: item if self._is_name(item) else HIDDEN for key, item in value.items()}
        return {key: self._walk(item, columns, in_list=False) for key, item in value.items()}

    def _is_pair(self, value: Mapping[str, Any]) -> bool:
        """Return whether an object is a hidden name beside its value: `{"key": "ssn", ...}`, not `{"sort": "ssn"}`."""
        named = [key for key, item in value.items() if self._is_name(item)]
        return bool(named) and (len(value) == 2 or any(not _NAMING.isdisjoint(name_words(key)) for key in named))

    def _list(self, value: list[Any], columns: frozenset[tuple[int, int]], *, in_list: bool) -> list[Any]:
        size = len(value)
        is_pair = in_list and size == 2 and self._is_name(value[0])
        # A row, or the column of values: a list of objects is neither.
        is_row = in_list or all(not isinstance(item, (Mapping, list)) or len(item) == 1 for item in value)
        is_row = is_row or all(isinstance(item, list) and len(item) != size for item in value)
        return [
            HIDDEN
            if (is_pair and place) or (is_row and (size, place) in columns and not self._names_column(item))
            else self._walk(item, columns, in_list=True)
            for place, item in enumerate(value)
        ]

    def _text(self, text: str, columns: frozenset[tuple[int, int]]) -> str:
        """Return a text: the JSON in it without what is hidden, and nothing of one that has a hidden name in it."""
        if text.lstrip()[:1] in ("{", "["):
            with suppress(ValueError, RecursionError):
                data = parse_json(text.encode("utf-8", "surrogatepass"))
                filtered = _without(self._walk(data, columns, in_list=False), self.names, frozenset(), ())
                return text if filtered == data else json.dumps(filtered, ensure_ascii=False)
        return HIDDEN if any(self._is_name(word) for word in _NAMED.findall(text)) else text


def _is_token(text: str) -> bool:
    return not re.search(r"[\s/@]", text.strip())


def _children(value: Any) -> Iterable[tuple[str | int, Any]]:
    return value.items() if isinstance(value, Mapping) else enumerate(value)


def _without(value: Any, names: tuple[str, ...], locations: frozenset[_Location], at: _Location) -> Any:
    if not isinstance(value, (Mapping, list)):
        return value
    fields = {
        key: _without(child, names, locations, (*at, key))
        for key, child in _children(value)
        if not (isinstance(key, str) and _is_named(key, names)) and (*at, key) not in locations
    }
    return fields if isinstance(value, Mapping) else list(fields.values())


_NOTHING = object()


def _project(value: Any, names: tuple[str, ...], locations: frozenset[_Location], at: _Location) -> Any:
    """Return what is shown of a value; an object or a list around it stays, also when it is empty."""
    if not isinstance(value, (Mapping, list)):
        return _NOTHING if at else None
    fields: dict[str | int, Any] = {}
    for key, child in _children(value):
        place = (*at, key)
        if (isinstance(key, str) and _is_named(key, names)) or place in locations:
            fields[key] = child
        elif (inner := _project(child, names, locations, place)) is not _NOTHING and (inner or isinstance(child, list)):
            fields[key] = inner
    return fields if isinstance(value, Mapping) else list(fields.values())


def _json_headers(result: Result) -> tuple[tuple[str, str], ...]:
    others = tuple(pair for pair in result.headers if pair[0].lower() not in ("content-type", "content-length"))
    return (*others, ("content-type", "application/json"))
