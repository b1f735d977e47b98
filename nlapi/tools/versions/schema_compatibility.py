"""Compares two versions of an operation: its schemas for both sides, and where its calls and credentials go."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from itertools import zip_longest
from typing import Any

from nlapi.client.auth import credential_location
from nlapi.client.safe_text import code_span
from nlapi.client.server import environments, expand_server_url
from nlapi.errors import UsageError
from nlapi.openapi.spec import Operation, SecurityScheme, as_map
from nlapi.openapi.urls import is_http_url, parse_url, redact_url
from nlapi.tools.texts.names import join_names
from nlapi.tools.versions.pins import flow_urls, scheme_text

MAX_DEPTH = 6
MAX_LISTED_NAMES = 6

# Keywords that allow or forbid nothing (JSON Schema 2020-12, Validation §9).
_ANNOTATIONS = ("description", "title", "examples", "example", "default", "$comment")


class Impact(IntEnum):
    """The calls that a difference breaks; false where it breaks none."""

    NONE = 0
    SOME = 1
    ALL = 2


Difference = tuple[Impact, str]
"""What it breaks, and a message, to follow the id of an operation."""

RefFollower = Callable[[Any], Any]
"""A function that returns a schema with a `$ref` at its top followed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SchemaComparison:
    """A comparison of two descriptions: how `$ref`s are followed in each, and the pairs compared already."""

    old: RefFollower
    new: RefFollower
    compared_refs: set[tuple[str, str]] = field(default_factory=set)

    def resolve_pair(self, old: object, new: object) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """Return both schemas, followed and without prose; None when there is nothing (more) to compare."""
        refs = tuple(schema.get("$ref", "") if isinstance(schema, Mapping) else "" for schema in (old, new))
        if any(refs):
            # Each pair once: schemas are recursive, and a shared one would be reported for every use.
            if refs in self.compared_refs:
                return None
            self.compared_refs.add((str(refs[0]), str(refs[1])))
        schemas = _without_annotations(old, self.old), _without_annotations(new, self.new)
        return None if schemas[0] == schemas[1] and not _has_ref(schemas[0]) else schemas


def request_differences(
    old: object, new: object, location: str, comparison: SchemaComparison, depth: int = 0
) -> Iterator[Difference]:
    """Yield the differences for a caller who sends what `old` allows."""
    schemas = comparison.resolve_pair(old, new)
    if schemas is None or depth > MAX_DEPTH:
        return
    old, new = schemas
    yield from _enum_differences(old, new, location)
    yield from _type_differences(old, new, location)
    yield from _bound_differences(old, new, location)
    yield from _property_differences(old, new, location, comparison, depth)
    if "items" in old and "items" in new:
        yield from request_differences(old["items"], new["items"], f"{location}[]", comparison, depth + 1)
    for key in ("oneOf", "anyOf"):
        yield from _alternative_differences(old, new, key, location, comparison, depth)


def answer_differences(
    old: Any, new: Any, location: str, comparison: SchemaComparison, depth: int = 0
) -> Iterator[Difference]:
    """Yield the differences for a caller who reads what `old` promises; where either is silent, nothing is known."""
    schemas = comparison.resolve_pair(old, new)
    if schemas is None or depth > MAX_DEPTH:
        return
    old, new = schemas
    # Every integer is a number, so an answer may narrow to it.
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    if before and after and not after <= before | ({"integer"} if "number" in before else set()):
        now, was = (" or ".join(sorted(item)) for item in (after, before))
        yield Impact.SOME, f"answers with {code_span(location or 'all')} as {now}, where it was {was}"
        return
    old_properties, new_properties = as_map(old.get("properties")), as_map(new.get("properties"))
    if new_properties and (
        removed := [f"{location}.{name}".lstrip(".") for name in old_properties if name not in new_properties]
    ):
        yield (
            Impact.SOME,
            f"no longer answers with {join_names([code_span(item) for item in removed], MAX_LISTED_NAMES)}",
        )
    for name in (item for item in old_properties if item in new_properties):
        yield from answer_differences(
            old_properties[name], new_properties[name], f"{location}.{name}".lstrip("."), comparison, depth + 1
        )
    if "items" in old and "items" in new:
        yield from answer_differences(
            old["items"], new["items"], f"{location}[]" if location else "", comparison, depth + 1
        )


def _property_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], location: str, comparison: SchemaComparison, depth: int
) -> Iterator[Difference]:
    before, after = as_map(old.get("properties")), as_map(new.get("properties"))
    required, old_required = set(_list(new.get("required"))), set(_list(old.get("required")))
    is_closed = new.get("additionalProperties") is False
    for name in before:
        if name in after:
            yield from request_differences(before[name], after[name], f"{location}.{name}", comparison, depth + 1)
        elif is_closed or after:
            yield (
                Impact.SOME if is_closed else Impact.NONE,
                f"no longer takes {code_span(f'{location}.{name}')}"
                if is_closed
                else f"has no {location}.{name} any more",
            )
    for name in sorted(required - old_required) if before else ():
        yield Impact.SOME, f"requires {code_span(f'{location}.{name}')} now"
    for name in after if before else ():
        if name not in before and name not in required:
            yield Impact.NONE, f"takes {code_span(f'{location}.{name}')}, which is new"
    old_additional, new_additional = old.get("additionalProperties", True), new.get("additionalProperties", True)
    # What was sent freely before is refused (JSON Schema 2020-12, Core §10.3.2.3).
    if is_closed and old_additional is not False:
        yield Impact.SOME, f"takes in {code_span(location)} only the properties that it names now"
    elif isinstance(old_additional, Mapping) and isinstance(new_additional, Mapping):
        yield from request_differences(old_additional, new_additional, f"{location}.*", comparison, depth + 1)


def _alternative_differences(
    old: Mapping[str, object],
    new: Mapping[str, object],
    key: str,
    location: str,
    comparison: SchemaComparison,
    depth: int,
) -> Iterator[Difference]:
    """Yield the differences between alternatives: those removed are compared with those added, in their order."""
    before, after = (
        [_without_nested_annotations(_without_annotations(part, follow)) for part in _list(schema.get(key))]
        for schema, follow in ((old, comparison.old), (new, comparison.new))
    )
    removed = [schema for schema in before if schema not in after]
    added = [schema for schema in after if schema not in before]
    for was, now in zip_longest(removed, added) if before and after else ():
        if was is None:
            yield Impact.NONE, f"takes more kinds of value for {code_span(location)}"
        elif now is None:
            yield Impact.SOME, f"takes fewer kinds of value for {code_span(location)}"
        else:
            yield from request_differences(was, now, location, comparison, depth + 1)


def _enum_differences(old: Mapping[str, object], new: Mapping[str, object], location: str) -> Iterator[Difference]:
    before, after = _list(old.get("enum")), _list(new.get("enum"))
    if after and not before:
        yield Impact.SOME, f"takes for {code_span(location)} only {_join_choices(after)} now"
    if before and not after:
        yield Impact.NONE, f"takes other values for {code_span(location)} as well"
    if not (before and after):
        return
    if removed := [choice for choice in before if choice not in after]:
        yield Impact.SOME, f"no longer takes {_join_choices(removed)} for {code_span(location)}"
    if added := [choice for choice in after if choice not in before]:
        yield Impact.NONE, f"takes {_join_choices(added)} for {code_span(location)} as well"


def _join_choices(choices: Sequence[object]) -> str:
    return join_names([code_span(choice, 40) for choice in choices], MAX_LISTED_NAMES)


def _type_differences(old: Mapping[str, Any], new: Mapping[str, Any], location: str) -> Iterator[Difference]:
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    wider = after | ({"integer"} if "number" in after else set())
    if after and not (before and before <= wider) and "enum" not in new:
        was = " or ".join(sorted(before)) or "any value"
        is_other = before and wider.isdisjoint(before)
        message = f"wants {code_span(location)} as {' or '.join(sorted(after))}, where it was {was}"
        yield Impact.ALL if is_other else Impact.SOME, message
    elif before != after and "enum" not in new:
        yield Impact.NONE, f"takes more kinds of value for {code_span(location)}"


def _bound_differences(old: Mapping[str, object], new: Mapping[str, object], location: str) -> Iterator[Difference]:
    lengths = ("minLength", "minItems", "minProperties")
    for key, tighter in (
        *((key, 1) for key in ("minimum", "exclusiveMinimum", *lengths)),
        *((key, -1) for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")),
    ):
        was, now = old.get(key, 0 if key in lengths else None), new.get(key)
        if isinstance(now, int | float) and (not isinstance(was, int | float) or tighter * (now - was) > 0):
            yield (
                Impact.SOME,
                f"has a {key} of {now} for {code_span(location)}" + (f", where it was {was}" if key in old else ""),
            )
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield Impact.SOME, f"wants {code_span(location)} by another pattern"
    if "multipleOf" in new and new["multipleOf"] != old.get("multipleOf"):
        yield Impact.SOME, f"wants {code_span(location)} as a multiple of {new['multipleOf']}"


def _without_annotations(schema: object, follow: RefFollower) -> dict[str, object]:
    """Return a schema without its prose; `const` as an enum of one."""
    node = follow(schema)
    plain = {key: value for key, value in node.items() if key not in _ANNOTATIONS} if isinstance(node, Mapping) else {}
    return {**plain, "enum": [plain["const"]]} if "const" in plain else plain


def _has_ref(value: object) -> bool:
    if isinstance(value, Mapping):
        return "$ref" in value or any(map(_has_ref, value.values()))
    return isinstance(value, list) and any(map(_has_ref, value))


def _without_nested_annotations(schema: object) -> object:
    """Return a schema without prose at any depth; properties that are called like prose stay."""
    if isinstance(schema, Mapping):
        return {
            key: {name: _without_nested_annotations(child) for name, child in value.items()}
            if key == "properties" and isinstance(value, Mapping)
            else _without_nested_annotations(value)
            for key, value in schema.items()
            if key not in _ANNOTATIONS
        }
    return [_without_nested_annotations(child) for child in schema] if isinstance(schema, list) else schema


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def server_differences(old: Operation, new: Operation) -> Iterator[str]:
    """Yield how the servers of an operation break its calls: another host, scheme, port or base path, or one less.

    Where no server was named, the user names it, and nothing breaks.
    """
    before, after = _addresses(old), _addresses(new)
    if not before:
        return
    if not after:
        yield f"has no server now, where it was sent to {before[0]}"
        return
    if after[0] != before[0]:
        yield f"is sent to {after[0]} now, where it was sent to {before[0]}"
    yield from (f"has no server {address} now" for address in before[1:] if address not in after)
    known, named = old.spec.derive(environments), new.spec.derive(environments)
    for name, url in known.items():
        address = _address(url)
        if name in named and _address(named[name]) != address:
            yield f"has the environment {name} at {_address(named[name])} now, where it was at {address}"
        elif name not in named and address not in (*before, *after):
            yield f"has no environment {name} now, which was at {address}"


def credential_differences(old: Operation, new: Operation) -> Iterator[str]:
    """Yield which credentials of an operation go elsewhere now, or come from elsewhere."""
    for id in dict.fromkeys(id for requirement in old.security for id in requirement):
        before, after = old.spec.security_schemes[id], new.spec.security_schemes.get(id)
        if after is not None and not _takes_old_credential(before, after):
            yield f"has the credential {id!r} as {scheme_text(after)} now, where it was {scheme_text(before)}"


def _takes_old_credential(old: SecurityScheme, new: SecurityScheme) -> bool:
    """Return whether a credential goes where it went, and every address of its flows is as it was."""
    if old.fault or new.fault:
        return bool(old.fault) or not new.fault
    known = {*filter(None, (old.metadata_url, *flow_urls(old.flows)))}
    return credential_location(old) == credential_location(new) and known <= {new.metadata_url, *flow_urls(new.flows)}


def _addresses(operation: Operation) -> tuple[str, ...]:
    """Return the absolute servers of an operation, each once: the first is where its calls go."""
    addresses: dict[str, None] = {}
    for server in operation.servers:
        with suppress(UsageError):
            addresses[_address(expand_server_url(server))] = None
    return tuple(filter(None, addresses))


def _address(url: str) -> str:
    """Return a base URL in one spelling: `https://host:port/path`; "" for one that is not absolute."""
    if not is_http_url(url):
        return ""
    parsed = parse_url(redact_url(url))
    return f"{parsed.site}{parsed.path.rstrip('/')}"
