"""What is wrong with the `x-nlapi` of a schema, and of all that it leads to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from nlapi.issue import Issue
from nlapi.openapi.hints import cannot_hide, faults, hints
from nlapi.openapi.parts import Schema
from nlapi.openapi.spec import Spec
from nlapi.openapi.upgrade import subschemas


def judge(spec: Spec, schema: Schema, where: str) -> Iterator[Issue]:
    """What is wrong with the hints in a schema, and in all that it leads to; that once in a Spec."""
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
            todo.append((ref, spec.follow({"$ref": ref})))
        required = node.get("required", ())
        todo.extend((f"{where}.{place}", one) for place, one in subschemas(node))
        for name, one in node.get("properties", {}).items():
            one = spec.follow(one)
            if hints(one).hide and name in required and "default" not in one:
                yield cannot_hide(f"{where}.properties.{name}")


def _judged(spec: Spec) -> set[str]:
    """The `$ref`s of a Spec whose schemas have been judged."""
    return set()
