"""Provides the parser of one operation's nodes, which collects Issues on the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from nlapi.issue import Issue, Level
from nlapi.openapi.document import Document
from nlapi.openapi.hints import cannot_hide, faults, hidden, hints
from nlapi.openapi.parts import Encoding, Media, Schema, as_map
from nlapi.openapi.refs import ITSELF, lost
from nlapi.openapi.spec import Operation, Spec
from nlapi.openapi.upgrade import subschemas


class Reader:
    """The parser of one operation. `issues` holds the faults found so far."""

    def __init__(self, document: Document, operation: Operation) -> None:
        self.document = document
        self.operation = operation
        self.issues: list[Issue] = []

    def issue(self, level: Level, where: str, message: str, hint: str = "", rule: str = "") -> None:
        """Add an Issue at `location`, relative to the operation."""
        where = f"{self.operation.where}.{where}" if where else self.operation.where
        self.issues.append(Issue(level=level, where=where, message=message, hint=hint, rule=rule))

    def follow(self, node: Any, where: str, level: Level = Level.ERROR) -> Mapping[str, Any] | None:
        """Return the map that `node` is or refers to; None, with an Issue, when there is none. `level` is for a bad
        `$ref`.
        """
        seen: set[str] = set()
        while isinstance(node, Mapping) and isinstance(node.get("$ref"), str):
            ref = node["$ref"]
            if ref in seen:
                self.issue(level, where, f"$ref {ref!r} leads to itself")
                return None
            seen.add(ref)
            try:
                node = self.document.lookup(ref)
            except LookupError as error:
                self.issue(level, where, f"$ref {error.args[0]}")
                return None
        if not isinstance(node, Mapping):
            self.issue(Level.WARNING, where, "not a map; left out")
            return None
        return node

    def schema(self, node: Any) -> Schema:
        """Return a schema in the 3.1 dialect; the schema `false` as `{"not": {}}`, so that it is always a map."""
        upgraded = self.document.schema(node)
        return upgraded if isinstance(upgraded, Mapping) else {} if upgraded else {"not": {}}

    def lost(self, schema: Schema, where: str) -> None:
        """Report the unresolved `$ref`s in a schema: an ERROR when the whole schema is one."""
        for ref, reason in lost(self.operation.spec, schema).items():
            # A ring of `$ref`s constrains nothing, so any value may still be sent.
            if ref == schema.get("$ref") and not reason.endswith(ITSELF):
                self.issue(Level.ERROR, where, f"$ref {reason}")
            else:
                self.issue(Level.WARNING, where, f"$ref {reason}", "any value is taken there")

    def hints(self, schema: Schema, where: str, *, required: bool = False) -> None:
        """Report faults of the `x-nlapi` in a schema; skipped for a description that has none."""
        # Nearly no description has hints, and the search would visit every schema.
        if not self.document.hinted:
            return
        where = f"{self.operation.where}.{where}"
        self.issues.extend(_hint_faults(self.operation.spec, schema, where))
        top = self.operation.spec.follow(schema)
        if required and hints(top).hide and not hidden(top, required=True):
            self.issues.append(cannot_hide(where))


def media_of(reader: Reader, content: Any, where: str, level: Level) -> Iterator[Media]:
    """Yield the Media of a `content` map."""
    for content_type, value in as_map(content).items():
        node = reader.follow(value, f"{where}.{content_type}", level) or {}
        yield Media(
            content_type=content_type,
            schema=reader.schema(node.get("schema", {})),
            encoding={
                name: _encoding(one) for name, one in as_map(node.get("encoding")).items() if isinstance(one, Mapping)
            },
            examples=examples_of(node),
        )


def _encoding(node: Mapping[str, Any]) -> Encoding:
    return Encoding(
        content_type=node.get("contentType") if isinstance(node.get("contentType"), str) else None,
        headers=as_map(node.get("headers")),
        style=node.get("style") if isinstance(node.get("style"), str) else None,
        explode=node.get("explode") if isinstance(node.get("explode"), bool) else None,
        allow_reserved=node.get("allowReserved") is True,
    )


def examples_of(node: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return the values of `example` and `examples` of a parameter or media type."""
    values = [node["example"]] if "example" in node else []
    named = as_map(node.get("examples")).values()
    return (*values, *(one["value"] for one in named if isinstance(one, Mapping) and "value" in one))


def text(value: Any) -> str:
    """Return a text of a description; "" for any other value."""
    return value if isinstance(value, str) else ""


def _hint_faults(spec: Spec, schema: Schema, where: str) -> Iterator[Issue]:
    """Yield the faults of the hints in a schema, and in each referenced schema once in a Spec."""
    seen = spec.derive(_judged)
    todo = [(where, schema)]
    while todo:
        where, node = todo.pop()
        if not isinstance(node, Mapping):
            continue
        yield from faults(node, where)
        ref = node.get("$ref")
        if isinstance(ref, str) and ref not in seen:
            seen.add(ref)
            # Kept in a set of the Spec: a schema that 500 operations share is reported once.
            todo.append((ref, spec.follow({"$ref": ref})))
        required = node.get("required", ())
        todo.extend((f"{where}.{place}", one) for place, one in subschemas(node))
        for name, one in node.get("properties", {}).items():
            one = spec.follow(one)
            if hints(one).hide and name in required and "default" not in one:
                yield cannot_hide(f"{where}.properties.{name}")


def _judged(spec: Spec) -> set[str]:
    """Return the set of `$ref`s of a Spec whose schemas were visited."""
    return set()
