"""Groups of operations: those of one tag, or of one resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nlapi.openapi.parts import as_list
from nlapi.openapi.spec import Operation, Spec
from nlapi.resources.nouns import VERSION
from nlapi.resources.paths import segments
from nlapi.tools.slugs import group_slug, unique_name

# Least share of operations that have a tag for tags to define the groups. Some descriptions tag a few operations and
# leave the others, which would all fall into one group.
MIN_TAGGED_SHARE = 0.8

MAX_GROUP_SLUG = 31
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
    by_tag = len(tags) >= MIN_TAGGED_SHARE * len(operations) and (len(set(tags)) > 1 or len(operations) <= 30)
    descriptions = _tag_descriptions(spec.document) if by_tag else {}
    return tuple(
        group_by_label(
            operations, lambda operation: (*operation.tags, "other")[0] if by_tag else resource_segment(operation.route), descriptions
        )
    )


def group_by_label(
    operations: Sequence[Operation], label_of: Callable[[Operation], str], descriptions: Mapping[str, str] | None = None
) -> list[Group]:
    """Group operations by the label that `label_of` returns for each; `descriptions` are those of the labels."""
    by_label: dict[str, list[Operation]] = {}
    for operation in operations:
        by_label.setdefault(label_of(operation), []).append(operation)
    groups_by_slug: dict[str, Group] = {}
    for label, members in by_label.items():
        slug = unique_name(group_slug(label, MAX_GROUP_SLUG - 3), groups_by_slug)
        groups_by_slug[slug] = Group(slug=slug, label=label, about=(descriptions or {}).get(label, ""), operations=tuple(members))
    return list(groups_by_slug.values())


def resource_segment(path: str) -> str:
    """Return the first segment of a path that names a resource: `/api/v1/campaigns/{id}` -> campaigns."""
    texts = literal_segments(path)
    return next((text for text in texts if not VERSION.fullmatch(text)), texts[0] if texts else "root")


def literal_segments(route: str) -> list[str]:
    return [segment.text for segment in segments(route) if not segment.text.startswith("{")]


def _tag_descriptions(document: Mapping[str, Any]) -> dict[str, str]:
    nodes = [node for node in as_list(document.get("tags")) if isinstance(node, Mapping)]
    return {str(node.get("name")): node["description"] for node in nodes if isinstance(node.get("description"), str)}
