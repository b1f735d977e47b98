"""Compares two versions of a description for their callers: operations added, removed and changed, schemas included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product, zip_longest
from typing import Any

from nlapi.client.auth import Alternative, alternatives
from nlapi.issue import Issue, Level
from nlapi.openapi.model import as_map
from nlapi.openapi.spec import Operation
from nlapi.plugin.markdown import code_span, join_names
from nlapi.plugin.names import callable_id
from nlapi.resources.answers import answer_schema, answer_schemas
from nlapi.tools.compile import compile_tool
from nlapi.tools.tool import Tool

MAX_DEPTH = 6
MAX_LISTED_NAMES = 6

# Keywords that allow or forbid nothing (JSON Schema 2020-12, Validation §9).
_ANNOTATIONS = ("description", "title", "examples", "example", "default", "$comment")

Difference = tuple[bool, str]
"""(is breaking, message), to follow the id of an operation."""

RefFollower = Callable[[Any], Any]
"""A function that returns a schema with a `$ref` at its top followed."""

# `$ref`s that are followed in a row at the top of a schema: a cycle of them would never end.
MAX_REFS = 6


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


def _request_differences(
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
        yield from _request_differences(old["items"], new["items"], f"{location}[]", comparison, depth + 1)
    for key in ("oneOf", "anyOf"):
        yield from _alternative_differences(old, new, key, location, comparison, depth)


def _answer_differences(
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
        yield True, f"answers with {code_span(location or 'all')} as {now}, where it was {was}"
        return
    old_properties, new_properties = _properties(old), _properties(new)
    if new_properties and (
        removed := [f"{location}.{name}".lstrip(".") for name in old_properties if name not in new_properties]
    ):
        yield True, f"no longer answers with {join_names([code_span(item) for item in removed], MAX_LISTED_NAMES)}"
    for name in (item for item in old_properties if item in new_properties):
        yield from _answer_differences(
            old_properties[name], new_properties[name], f"{location}.{name}".lstrip("."), comparison, depth + 1
        )
    if "items" in old and "items" in new:
        yield from _answer_differences(
            old["items"], new["items"], f"{location}[]" if location else "", comparison, depth + 1
        )


def _property_differences(
    old: Mapping[str, Any], new: Mapping[str, Any], location: str, comparison: SchemaComparison, depth: int
) -> Iterator[Difference]:
    before, after = _properties(old), _properties(new)
    required, old_required = set(_list(new.get("required"))), set(_list(old.get("required")))
    is_closed = new.get("additionalProperties") is False
    for name in before:
        if name in after:
            yield from _request_differences(before[name], after[name], f"{location}.{name}", comparison, depth + 1)
        elif is_closed or after:
            yield (
                is_closed,
                f"no longer takes {code_span(f'{location}.{name}')}"
                if is_closed
                else f"has no {location}.{name} any more",
            )
    for name in sorted(required - old_required) if before else ():
        yield True, f"requires {code_span(f'{location}.{name}')} now"
    for name in after if before else ():
        if name not in before and name not in required:
            yield False, f"takes {code_span(f'{location}.{name}')}, which is new"
    old_additional, new_additional = old.get("additionalProperties", True), new.get("additionalProperties", True)
    # What was sent freely before is refused (JSON Schema 2020-12, Core §10.3.2.3).
    if is_closed and old_additional is not False:
        yield True, f"takes in {code_span(location)} only the properties that it names now"
    elif isinstance(old_additional, Mapping) and isinstance(new_additional, Mapping):
        yield from _request_differences(old_additional, new_additional, f"{location}.*", comparison, depth + 1)


def _alternative_differences(
    old: Mapping[str, object],
    new: Mapping[str, object],
    key: str,
    location: str,
    comparison: SchemaComparison,
    depth: int,
) -> Iterator[Difference]:
    """Yield the differences between alternatives: those removed are compared with those added, in their order."""
    before = [
        _without_nested_annotations(_without_annotations(schema, comparison.old)) for schema in _list(old.get(key))
    ]
    after = [
        _without_nested_annotations(_without_annotations(schema, comparison.new)) for schema in _list(new.get(key))
    ]
    removed, added = (
        [schema for schema in before if schema not in after],
        [schema for schema in after if schema not in before],
    )
    for was, now in zip_longest(removed, added) if before and after else ():
        if was is None:
            yield False, f"takes more kinds of value for {code_span(location)}"
        elif now is None:
            yield True, f"takes fewer kinds of value for {code_span(location)}"
        else:
            yield from _request_differences(was, now, location, comparison, depth + 1)


def _enum_differences(old: Mapping[str, object], new: Mapping[str, object], location: str) -> Iterator[Difference]:
    before, after = _list(old.get("enum")), _list(new.get("enum"))
    if after and not before:
        yield True, f"takes for {code_span(location)} only {_join_choices(after)} now"
    if before and not after:
        yield False, f"takes other values for {code_span(location)} as well"
    if not (before and after):
        return
    if removed := [choice for choice in before if choice not in after]:
        yield True, f"no longer takes {_join_choices(removed)} for {code_span(location)}"
    if added := [choice for choice in after if choice not in before]:
        yield False, f"takes {_join_choices(added)} for {code_span(location)} as well"


def _join_choices(choices: Sequence[object]) -> str:
    return join_names([code_span(choice, 40) for choice in choices], MAX_LISTED_NAMES)


def _type_differences(old: Mapping[str, Any], new: Mapping[str, Any], location: str) -> Iterator[Difference]:
    before, after = set(_list(old.get("type"))), set(_list(new.get("type")))
    wider = after | ({"integer"} if "number" in after else set())
    if after and not (before and before <= wider) and "enum" not in new:
        was = " or ".join(sorted(before)) or "any value"
        yield True, f"wants {code_span(location)} as {' or '.join(sorted(after))}, where it was {was}"
    elif before != after and "enum" not in new:
        yield False, f"takes more kinds of value for {code_span(location)}"


def _bound_differences(old: Mapping[str, object], new: Mapping[str, object], location: str) -> Iterator[Difference]:
    lengths = ("minLength", "minItems", "minProperties")
    for key, tighter in (
        *((key, 1) for key in ("minimum", "exclusiveMinimum", *lengths)),
        *((key, -1) for key in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties")),
    ):
        was, now = old.get(key, 0 if key in lengths else None), new.get(key)
        if isinstance(now, int | float) and (not isinstance(was, int | float) or tighter * (now - was) > 0):
            yield (
                True,
                f"has a {key} of {now} for {code_span(location)}" + (f", where it was {was}" if key in old else ""),
            )
    if "pattern" in new and new["pattern"] != old.get("pattern"):
        yield True, f"wants {code_span(location)} by another pattern"
    if "multipleOf" in new and new["multipleOf"] != old.get("multipleOf"):
        yield True, f"wants {code_span(location)} as a multiple of {new['multipleOf']}"


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


def _properties(schema: Mapping[str, object]) -> Mapping[str, Any]:
    return as_map(schema.get("properties"))


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def changes(before: Sequence[Operation], after: Sequence[Operation]) -> Iterator[Issue]:
    """Yield breaking changes (ERROR: a valid call is refused, an answer lacks what it had) and all others (INFO)."""
    old, new = (
        {callable_id(candidate): candidate for candidate in operations if candidate.usable}
        for operations in (before, after)
    )
    id_by_path = {(candidate.method, candidate.path): id for id, candidate in new.items()}
    for id, operation in old.items():
        if id in new:
            yield from _compare_operations(id, operation, new[id])
            continue
        # An operation that is found at the old method and path was renamed, which is a hint worth more than "is gone".
        new_id = id_by_path.get((operation.method, operation.path), "")
        hint = f"it is called {new_id} now" if new_id and new_id not in old else f"{operation.method} {operation.path}"
        yield _breaking_issue(id, "is gone", hint)
    for id, operation in new.items():
        if id not in old:
            yield _change_issue(id, f"is new: {operation.method} {operation.path}")


def _compare_operations(id: str, old: Operation, new: Operation) -> Iterator[Issue]:
    if (old.method, old.path) != (new.method, new.path):
        yield _breaking_issue(id, f"is {new.method} {new.path} now, where it was {old.method} {old.path}")
    # No call breaks, but the effect decides whether nlapi asks for consent.
    if old.effect is not new.effect:
        yield _change_issue(id, f"is a {new.effect} now, where it was a {old.effect}")
    if new.deprecated and not old.deprecated:
        yield _change_issue(id, "is deprecated now")
    if not _accepts_old_credentials(old, new):
        yield _breaking_issue(id, f"needs {'another' if old.security else 'a'} credential now")
    tools = compile_tool(old), compile_tool(new)
    yield from _compare_arguments(id, *tools)
    was_required, is_required = (side.body is not None and side.body.required for side in (old, new))
    if (
        is_required
        and not was_required
        and not any(side.places.get(name, ("",))[0] == "body" for side in tools for name in side.required)
    ):
        yield _breaking_issue(id, "requires a body now")
    answers = answer_schema(old), answer_schema(new)
    if answers[0] and not answers[1]:
        yield _change_issue(id, "no longer says what it answers")
    comparison = SchemaComparison(old=answer_schemas(old.spec).reader.flat, new=answer_schemas(new.spec).reader.flat)
    yield from _difference_issues(id, _answer_differences(*answers, "", comparison))


def _accepts_old_credentials(old: Operation, new: Operation) -> bool:
    """Return whether every set of credentials that was sufficient still is, under any of its ids."""
    before = [product(*(credential.ids for credential in alternative)) for alternative in _sufficient_credentials(old)]
    return all(
        any(
            all(credential.matching_ids(ids) for credential in alternative)
            for alternative in _sufficient_credentials(new)
        )
        for id_sets in before
        for ids in id_sets
    )


def _sufficient_credentials(operation: Operation) -> tuple[Alternative, ...]:
    """Return the sets of credentials that are sufficient to call an operation."""
    return alternatives(operation) if operation.security else ((),)


def _difference_issues(id: str, differences: Iterator[tuple[bool, str]]) -> Iterator[Issue]:
    for is_breaking, message in dict.fromkeys(differences):
        yield (_breaking_issue if is_breaking else _change_issue)(id, message)


def _compare_arguments(id: str, old: Tool, new: Tool) -> Iterator[Issue]:
    before, after = old.input_schema["properties"], new.input_schema["properties"]
    for name in before:
        if name not in after:
            yield _breaking_issue(id, f"no longer takes {code_span(name)}")
        elif name in new.required and name not in old.required:
            yield _breaking_issue(id, f"requires {code_span(name)} now")
        elif old.places.get(name) != new.places.get(name):
            yield _change_issue(id, f"takes {code_span(name)} in another place")
    for name in after:
        if name not in before:
            is_required = name in new.required
            yield (_breaking_issue if is_required else _change_issue)(
                id, f"{'requires' if is_required else 'takes'} {code_span(name)}, which is new"
            )
    for name in (argument for argument in before if argument in after):
        comparison = SchemaComparison(old=_ref_follower(old), new=_ref_follower(new))
        yield from _difference_issues(id, _request_differences(before[name], after[name], name, comparison))


def _ref_follower(tool: Tool) -> RefFollower:
    """Return a function that follows the `$ref`s into a tool's own definitions."""
    definitions = tool.input_schema.get("$defs", {})

    def follow(schema: object) -> Any:
        for _ in range(MAX_REFS):
            if not isinstance(schema, Mapping) or not isinstance(schema.get("$ref"), str):
                break
            schema = definitions.get(schema["$ref"].rpartition("/")[2])
        return schema

    return follow


def _breaking_issue(location: str, message: str, hint: str = "") -> Issue:
    return Issue.error(location, message, hint, "breaking")


def _change_issue(location: str, message: str) -> Issue:
    return Issue(level=Level.INFO, where=location, message=message, rule="change")
