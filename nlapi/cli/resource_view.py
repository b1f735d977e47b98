"""Describes the resources of an API: what can be done with each, and how the ids of one lead to another."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from nlapi.cli.workflow_view import mermaid_text
from nlapi.client.safe_text import single_line
from nlapi.english.words import name_key
from nlapi.errors import UsageError
from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.grouping import Resource
from nlapi.resources.semantics import OperationKind, semantics_of

OTHER = "(other)"
"""The name under which operations stand that are about no resource."""

_VERBS = {
    OperationKind.MERGE: "update",
    OperationKind.REPLACE: "replace",
    OperationKind.ACT: "",
    OperationKind.COMPUTE: "",
}


def operations_by_resource(spec: Spec) -> dict[Resource | None, list[Operation]]:
    """Return the operations of each resource, in the order of the description; None has those of no resource."""
    semantics = semantics_of(spec)
    groups: dict[Resource | None, list[Operation]] = {}
    for operation in spec.visible_operations:
        resource = semantics.classify(operation).resource if operation.usable else None
        groups.setdefault(resource, []).append(operation)
    other = groups.pop(None, [])
    return {**groups, **({None: other} if other else {})}


def resource_records(spec: Spec) -> list[dict[str, Any]]:
    """Return each resource with its operations, and the verbs of what one can do with it."""
    semantics = semantics_of(spec)
    return [
        {
            "resource": (resource.label or resource.name) if resource is not None else OTHER,
            "path": f"/{resource.name}" if resource is not None else "",
            "can": list(dict.fromkeys(filter(None, (_verb(operation) for operation in operations)))),
            "changes": sum(operation.effect is not Effect.READ for operation in operations),
            "below": list(dict.fromkeys(_parent_labels(spec, resource))) if resource is not None else [],
            "operations": [
                {
                    "operation": operation.id,
                    "effect": operation.effect.value,
                    "kind": semantics.classify(operation).kind,
                }
                for operation in operations
            ],
        }
        for resource, operations in operations_by_resource(spec).items()
    ]


def resource_lines(records: Sequence[Mapping[str, Any]], width: int) -> Iterator[str]:
    """Yield each resource with what one can do with it, and what it belongs to, for a terminal of `width` columns."""
    counts = Counter(record["resource"] for record in records)
    labels = [
        single_line(record["path"] if counts[record["resource"]] > 1 else record["resource"]) for record in records
    ]
    # A longer name has a line of its own.
    column = min(max(map(len, labels), default=0), width // 3)
    for label, record in zip(labels, records, strict=True):
        text = ", ".join(record["can"]) or f"{len(record['operations'])} operations"
        if record["below"]:
            text = f"{text} (of {', '.join(record['below'])})"
        head = f"{label:<{column}}  "
        if len(label) > column:
            yield label
            head = " " * (column + 2)
        yield textwrap.fill(
            single_line(text),
            max(width, column + 20),
            initial_indent=head,
            subsequent_indent=" " * (column + 2),
            break_long_words=False,
            break_on_hyphens=False,
        )


def _verb(operation: Operation) -> str:
    if not operation.usable:
        return ""
    meaning = semantics_of(operation.spec).classify(operation)
    return _VERBS.get(meaning.kind, meaning.kind.value) or meaning.verb


def _parent_labels(spec: Spec, resource: Resource) -> Iterator[str]:
    for parent in semantics_of(spec).all_parents(resource):
        if parent.resource is not None and parent.resource is not resource:
            yield parent.resource.label or parent.resource.name


def find_resource(spec: Spec, name: str) -> tuple[Resource, list[Operation]] | None:
    """Return the resource that a name means (`campaign`, `campaigns`, `ad-accounts`), with its operations, or None."""
    key = name_key(name)
    groups = [(resource, operations) for resource, operations in operations_by_resource(spec).items() if resource]
    for names in (_names, _aliases):
        matches = [(resource, operations) for resource, operations in groups if key in names(resource)]
        if len(matches) == 1:
            return matches[0]
        if matches:
            paths = ", ".join(f"/{resource.name}" for resource, _ in matches[:4])
            raise UsageError(f"{name!r} means several resources", hint=f"give the path of one: {paths}")
    return None


def _names(resource: Resource) -> set[str]:
    return {name_key(resource.name), name_key(resource.label), name_key(resource.name.rpartition("/")[2])}


def _aliases(resource: Resource) -> set[str]:
    return set(resource.aliases)


def resource_graph(spec: Spec) -> str:
    """Return a flowchart of Mermaid: each resource, and an arrow for each id of it that another takes."""
    semantics = semantics_of(spec)
    groups = {resource: operations for resource, operations in operations_by_resource(spec).items() if resource}
    names = {resource: f"r{number}" for number, resource in enumerate(groups)}
    lines = ["flowchart LR"]
    for resource, operations in groups.items():
        verbs = ", ".join(dict.fromkeys(filter(None, map(_verb, operations))))
        lines.append(f'  {names[resource]}["{mermaid_text(resource.label or resource.name)}<br/>{_label(verbs)}"]')
    arrows: dict[tuple[str, str, str], str] = {}
    for resource in groups:
        for parent in semantics.all_parents(resource):
            if parent.resource in names and parent.resource is not resource:
                arrows[names[parent.resource], mermaid_text(parent.parameter), names[resource]] = "-->"
        for field, target in semantics.references(resource):
            if target in names:
                arrows.setdefault((names[target], mermaid_text(field), names[resource]), "-.->")
    lines += (f'  {source} {arrow}|"{label}"| {end}' for (source, label, end), arrow in arrows.items())
    return "\n".join(lines)


def _label(text: str) -> str:
    return ", ".join(mermaid_text(word) for word in text.split(", "))
