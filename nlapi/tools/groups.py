"""Which operations belong together: those of one tag, or of one resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.nouns import VERSION
from nlapi.resources.paths import segments
from nlapi.tools.slugs import group_slug, unique

TAGGED = 0.8
"""The share of operations that must have a tag for tags to be what an API is sorted by."""

MAX_SLUG = 31
MAX_GROUPS = 200
"""More than these are too many to be compared with each other."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Operations that belong together. `slug` is for names; `label` and `about` are as the description has them."""

    slug: str
    label: str
    about: str
    operations: tuple[Operation, ...]


def groups(spec: Spec, operations: Sequence[Operation]) -> tuple[Group, ...]:
    """The groups of operations, in the order of the description; each operation is in exactly one."""
    tags = [operation.tags[0] for operation in operations if operation.tags]
    by_tag = len(tags) >= TAGGED * len(operations) and (len(set(tags)) > 1 or len(operations) <= 30)
    about = _abouts(spec.document) if by_tag else {}
    return tuple(sorted_into(operations, lambda one: (*one.tags, "other")[0] if by_tag else resource(one.route), about))


def sorted_into(
    operations: Sequence[Operation], sort: Callable[[Operation], str], about: Mapping[str, str] | None = None
) -> list[Group]:
    """Operations in groups by what `sort` calls them; `about` says of a label what it is."""
    sorted_in: dict[str, list[Operation]] = {}
    for operation in operations:
        sorted_in.setdefault(sort(operation), []).append(operation)
    made: dict[str, Group] = {}
    for label, members in sorted_in.items():
        slug = unique(group_slug(label, MAX_SLUG - 3), made)
        made[slug] = Group(slug=slug, label=label, about=(about or {}).get(label, ""), operations=tuple(members))
    return list(made.values())


def resource(path: str) -> str:
    """The first segment of a path that names a thing: `/api/v1/campaigns/{id}` -> campaigns."""
    texts = literals(path)
    return next((text for text in texts if not VERSION.fullmatch(text)), texts[0] if texts else "root")


def literals(route: str) -> list[str]:
    return [segment.text for segment in segments(route) if not segment.text.startswith("{")]


def _abouts(document: Mapping[str, Any]) -> dict[str, str]:
    nodes = [node for node in as_list(document.get("tags")) if isinstance(node, Mapping)]
    return {str(node.get("name")): node["description"] for node in nodes if isinstance(node.get("description"), str)}
