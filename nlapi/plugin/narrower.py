"""Differences between two schemas: in what a caller may send, and in what an API may answer."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from nlapi.openapi.parts import as_map
from nlapi.plugin.text import code, listed

MAX_DEPTH = 6
MAX_NAMED = 6

# Keywords that allow or forbid nothing (JSON Schema 2020-12, Validation §9).
_PROSE = ("description", "title", "examples", "example", "default", "$comment")

Difference = tuple[bool, str]
"""(is breaking, message), to follow the id of an operation."""

Follow = Callable[[Any], Any]
"""A function that returns a schema with a `$ref` at its top followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """A comparison of two descriptions: how `$ref`s are followed in each, and the pairs compared already."""

    old: Follow
    new: Follow
    seen: set[tuple[str, str]] = field(default_factory=set)

    def plain(self, old: Any, new: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return both schemas, followed and without prose; None when there is nothing (more) to compare."""
        refs = tuple(one.get("$ref", "") if isinstance(one, Mapping) else "" for one in (old, new))
        if any(refs):
            # Each pair once: schemas are recursive, and a shared one would be reported for every use.
            if refs in self.seen:
                return None
            self.seen.add((str(refs[0]), str(refs[1])))
        both = _plain(old, self.old), _plain(new, self.new)
        return None if both[0] == both[1] and not _refers(both[0]) else both


def sent(old: Any, new: Any, where: str, sides: Sides, depth: int = 0) -> Iterator[Difference]:
    """Yield the differences for a caller who sends what `old` allows."""
    both = sides.plain(old, new)
    if both is None or depth > MAX_DEPTH:
        return
    old, new = both
    yield from _choices(old, new, where)
    yield from _types(old, new, where)
    yield from _bounds(old, new, where)
    yield from _properties_sent(old, new, where, sides, depth)
    if "items" in old and "items" in new:
        yield from sent(old["items"], new["items"], f"{where}[]", sides, depth + 1)
    for key in ("oneOf", "anyOf"):
        yield from _alternatives(old, new, key, where, sides, depth)


def answered(old: Any, new: Any, where: str, sides: Sides, depth: int = 0) -> Iterator[Difference]:
    """Yield the differences for a caller who reads what `old` promises; where either is silent, nothing is known."""
    both = sides.plain(old, new)
    if both is None or depth > MAX_DEPTH:
        return
    old, new = both
    # Every integer is a number, so an answer may narrow to it.
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    if before and after and not after <= before | ({"integer"} if "number" in before else set()):
        now, was = (" or ".join(sorted(one)) for one in (after, before))
        yield True, f"answers with {code(where or 'all')} as {now}, where it was {was}"
        return
    had, has = _properties(old), _properties(new)
    if has and (lost := [f"{where}.{name}".lstrip(".") for name in had if name not in has]):
        yield True, f"no longer answers with {listed([code(one) for one in lost], MAX_NAMED)}"
    for name in (one for one in had if one in has):
        yield from answered(had[name], has[name], f"{where}.{name}".lstrip("."), sides, depth + 1)
    if "items" in old and "items" in new:
        yield from answered(old["items"], new["items"], f"{where}[]" if where else "", sides, depth + 1)


def _properties_sent(
    old: Mapping[str, Any], new: Mapping[str, Any], where: str, sides: Sides, depth: int
) -> Iterator[Difference]:
    before, after = _properties(old), _properties(new)
    required, was = set(_list(new.get("required"))), set(_list(old.get("required")))
    closed = new.get("additionalProperties") is False
    for name in before:
        if name in after:
            yield from sent(before[name], after[name], f"{where}.{name}", sides, depth + 1)
        elif closed or after:
            yield closed, f"no longer takes {code(f'{where}.{name}')}" if closed else f"has no {where}.{name} any more"
    for name in sorted(required - was) if before else ():
        yield True, f"requires {code(f'{where}.{name}')} now"
    for name in after if before else ():
        if name not in before and name not in required:
            yield False, f"takes {code(f'{where}.{name}')}, which is new"
    others, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
    # What was sent freely before is refused (JSON Schema 2020-12, Core §10.3.2.3).
    if closed and others is not False:
        yield True, f"takes in {code(where)} only the properties that it names now"
    elif isinstance(others, Mapping) and isinstance(now, Mapping):
        yield from sent(others, now, f"{where}.*", sides, depth + 1)


def _alternatives(
    old: Mapping[str, Any], new: Mapping[str, Any], key: str, where: str, sides: Sides, depth: int
) -> Iterator[Difference]:
    """Yield the differences between alternatives: those removed are compared with those added, in their order."""
    before = [_bare(_plain(one, sides.old)) for one in _list(old.get(key))]
    after = [_bare(_plain(one, sides.new)) for one in _list(new.get(key))]
    lost, added = [one for one in before if one not in after], [one for one in after if one not in before]
    for was, now in zip_longest(lost, added) if before and after else ():
        if was is None:
            yield False, f"takes more kinds of value for {code(where)}"
        elif now is None:
            yield True, f"takes fewer kinds of value for {code(where)}"
        else:
            yield from sent(was, now, where, sides, depth + 1)


def _choices(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
    before, after = _list(old.get("enum")), _list(new.get("enum"))
    if after and not before:
        yield True, f"takes for {code(where)} only {listed([code(one, 40) for one in after], MAX_NAMED)} now"
    if before and not after:
        yield False, f"takes other values for {code(where)} as well"
    if not (before and after):
        return
    if lost := [one for one in before if one not in after]:
        yield True, f"no longer takes {listed([code(one, 40) for one in lost], MAX_NAMED)} for {code(where)}"
    if added := [one for one in after if one not in before]:
        yield False, f"takes {listed([code(one, 40) for one in added], MAX_NAMED)} for {code(where)} as well"


def _types(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    wider = after | ({"integer"} if "number" in after else set())
    if after and not (before and before <= wider) and "enum" not in new:
        was = " or ".join(sorted(before)) or "any value"
        yield True, f"wants {code(where)} as {' or '.join(sorted(after))}, where it was {was}"
    elif before != after and "enum" not in new:
        yield False, f"takes more kinds of value for {code(where)}"


def _bounds(old: Mapping[str, Any], new: Mapping[str, Any], where: str) -> Iterator[Difference]:
    lengths = ("minLength", "minItems", "minProperties")
    for key, tighter in (
        *((key, 1) for key in ("minimum", "exclusiveMinimum", *lengths)),
        *((key, -1) for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")),
    ):
        was, now = old.get(key, 0 if key in lengths else None), new.get(key)
        if isinstance(now, int | float) and (not isinstance(was, int | float) or tighter * (now - was) > 0):
            yield True, f"has a {key} of {now} for {code(where)}" + (f", where it was {was}" if key in old else "")
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield True, f"wants {code(where)} by another pattern"
    if "multipleOf" in new and new["multipleOf"] != old.get("multipleOf"):
        yield True, f"wants {code(where)} as a multiple of {new['multipleOf']}"


def _plain(schema: Any, follow: Follow) -> dict[str, Any]:
    """Return a schema without its prose; `const` as an enum of one."""
    node = follow(schema)
    plain = {key: one for key, one in node.items() if key not in _PROSE} if isinstance(node, Mapping) else {}
    return {**plain, "enum": [plain["const"]]} if "const" in plain else plain


def _refers(value: Any) -> bool:
    if isinstance(value, Mapping):
        return "$ref" in value or any(map(_refers, value.values()))
    return isinstance(value, list) and any(map(_refers, value))


def _bare(schema: Any) -> Any:
    """Return a schema without prose at any depth; properties that are called like prose stay."""
    if isinstance(schema, Mapping):
        return {
            key: {name: _bare(one) for name, one in value.items()}
            if key == "properties" and isinstance(value, Mapping)
            else _bare(value)
            for key, value in schema.items()
            if key not in _PROSE
        }
    return [_bare(one) for one in schema] if isinstance(schema, list) else schema


def _properties(schema: Mapping[str, Any]) -> Mapping[str, Any]:
    return as_map(schema.get("properties"))


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
