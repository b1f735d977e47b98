"""Provides the parser of one operation's nodes, which collects Issues on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.document import Document
from nlapi.openapi.hints import unhideable_issue, hint_issues, is_hidden, read_hints
from nlapi.openapi.parts import Encoding, Media, Schema, as_map
from nlapi.openapi.references import CYCLIC_REASON, unresolved_refs
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.upgrade import subschemas


class OperationParser:
    """The parser of one operation. `issues` holds the faults found so far."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self.document = document
        self.operation = operation
        self.issues: list[Issue] = []

    def add_issue(self, level: Level, location: str, message: str, hint: str = "", rule: str = "") -> None:
        """Add an Issue at `location`, relative to the operation."""
        location = f"{self.operation.location}.{location}" if location else self.operation.location
        self.issues.append(Issue(level=level, where=location, message=message, hint=hint, rule=rule))

    def follow(self, node: Any, location: str, level: Level = Level.ERROR) -> Mapping[str, Any] | None:
        """Return the map that `node` is or refers to; None, with an Issue, when there is none. `level` is for a bad
        `$ref`.
        """
        visited: set[str] = set()
        while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
            ref = node["$ref"]
            if ref in visited:
                self.add_issue(level, location, f"$ref {ref!r} leads to itself")
                return None
            visited.add(ref)
            try:
                node = self.document.lookup(ref)
            except LookupError as error:
                self.add_issue(level, location, f"$ref {error.args[0]}")
                return None
        if not isinstance(node, Mapping):
            self.add_issue(Level.WARNING, location, "not a map; left out")
            return None
        return node

    def upgrade_schema(self, node: Any) -> Schema:
        """Return a schema in the 3.1 dialect; the schema `false` as `{"not": {}}`, so that it is always a map."""
        upgraded = self.document.schema(node)
        return upgraded if isinstance(upgraded, Mapping) else {} if upgraded else {"not": {}}

    def check_refs(self, schema: Schema, location: str) -> None:
        """Report the unresolved `$ref`s in a schema: an ERROR when the whole schema is one."""
        for ref, reason in unresolved_refs(self.operation.spec, schema).items():
            # A ring of `$ref`s constrains nothing, so any value may still be sent.
            if ref == schema.get("$ref") and not reason.endswith(CYCLIC_REASON):
                self.add_issue(Level.ERROR, location, f"$ref {reason}")
            else:
                self.add_issue(Level.WARNING, location, f"$ref {reason}", "any value is taken there")

    def check_hints(self, schema: Schema, location: str, *, required: bool = False) -> None:
        """Report faults of the `x-nlapi` in a schema; skipped for a description that has none."""
        # Nearly no description has hints, and the search would visit every schema.
        if not self.document.may_have_hints:
            return
        location = f"{self.operation.location}.{location}"
        self.issues.extend(_hint_issues(self.operation.spec, schema, location))
        top = self.operation.spec.follow(schema)
        if required and read_hints(top).hide and not is_hidden(top, required=True):
            self.issues.append(unhideable_issue(location))


def parse_media(parser: OperationParser, content: Any, location: str, level: Level) -> Iterator[Media]:
    """Yield the Media of a `content` map."""
    for content_type, value in as_map(content).items():
        node = parser.follow(value, f"{location}.{content_type}", level) or {}
        yield Media(
            content_type=content_type,
            schema=parser.upgrade_schema(node.get("schema", {})),
            encoding={
                name: _parse_encoding(entry) for name, entry in as_map(node.get("encoding")).items() if isinstance(entry, Mapping)
            },
            examples=example_values(node),
        )


def _parse_encoding(node: Mapping[str, Any]) -> Encoding:
    return Encoding(
        content_type=node.get("contentType") if isinstance(node.get("contentType"), str) else None,
        headers=as_map(node.get("headers")),
        style=node.get("style") if isinstance(node.get("style"), str) else None,
        explode=node.get("explode") if isinstance(node.get("explode"), bool) else None,
        allow_reserved=node.get("allowReserved") is True,
    )


def example_values(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of `example` and `examples` of a parameter or media type."""
    values = [node["example"]] if "example" in node else []
    examples = as_map(node.get("examples")).values()
    return (*values, *(example["value"] for example in examples if isinstance(example, Mapping) and "value" in example))


def text_or_empty(value: Any) -> str:
    """Return a text of a description; "" for any other value."""
    return value if isinstance(value, str) else ""


def _hint_issues(spec: Spec, schema: Schema, location: str) -> Iterator[Issue]:
    """Yield the faults of the hints in a schema, and in each referenced schema once in a Spec."""
    visited = spec.derive(_visited_refs)
    todo = [(location, schema)]
    while todo:
        location, node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        yield from hint_issues(node, location)
        ref = node.get("$ref")
        if isinstance(ref, str) and ref not in visited:
            visited.add(ref)
            # Kept in a set of the Spec: a schema that 500 operations share is reported once.
            todo.append((ref, spec.follow({"$ref": ref})))
        required = node.get("required", ())
        todo.extend((f"{location}.{place}", child) for place, child in subschemas(node))
        for name, child in node.get("properties", {}).items():
            child = spec.follow(child)
            if read_hints(child).hide and name in required and "default" not in child:
                yield unhideable_issue(f"{location}.properties.{name}")


def _visited_refs(spec: Spec) -> set[str]:
    """Return the set of `$ref`s of a Spec whose schemas were visited."""
    return set()
