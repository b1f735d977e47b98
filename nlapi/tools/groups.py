"""Groups of operations: those of one tag, or of one resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.nouns import VERSION
from nlapi.resources.paths import segments
from nlapi.tools.slugs import group_slug, unique

# Least share of operations that have a tag for tags to define the groups. Some descriptions tag a few operations and
# leave the others, which would all fall into one group.
TAGGED = 0.8

MAX_SLUG = 31
# Each pair of groups is compared before a merge, so the time is quadratic; more groups than this are bucketed first.
MAX_GROUPS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Operations of one tag or resource. `slug` is for names; `label` and `about` are as in the description."""

    slug: str
    label: str
    about: str
    operations: tuple[Operation, ...]


def groups(spec: Spec, operations: Sequence[Operation]) -> tuple[Group, ...]:
    """Return the groups of operations, in the order of the description; each operation is in exactly one."""
    tags = [operation.tags[0] for operation in operations if operation.tags]
    by_tag = len(tags) >= TAGGED * len(operations) and (len(set(tags)) > 1 or len(operations) <= 30)
    about = _abouts(spec.document) if by_tag else {}
    return tuple(
        sorted_into(
            operations, lambda operation: (*operation.tags, "other")[0] if by_tag else resource(operation.route), about
        )
    )


def sorted_into(
    operations: Sequence[Operation], sort: Callable[[Operation], str], about: Mapping[str, str] | None = None
) -> list[Group]:
    """Group operations by the label that `label_of` returns for each; `descriptions` are those of the labels."""
    sorted_in: dict[str, list[Operation]] = {}
    for operation in operations:
        sorted_in.setdefault(sort(operation), []).append(operation)
    made: dict[str, Group] = {}
    for label, members in sorted_in.items():
        slug = unique(group_slug(label, MAX_SLUG - 3), made)
        made[slug] = Group(slug=slug, label=label, about=(about or {}).get(label, ""), operations=tuple(members))
    return list(made.values())


def resource(path: str) -> str:
    """Return the first segment of a path that names a resource: `/api/v1/campaigns/{id}` -> campaigns."""
    texts = literals(path)
    return next((text for text in texts if not VERSION.fullmatch(text)), texts[0] if texts else "root")


def literals(route: str) -> list[str]:
    return [segment.text for segment in segments(route) if not segment.text.startswith("{")]


def _abouts(document: Mapping[str, Any]) -> dict[str, str]:
    nodes = [node for node in as_list(document.get("tags")) if isinstance(node, Mapping)]
    return {str(node.get("name")): node["description"] for node in nodes if isinstance(node.get("description"), str)}
