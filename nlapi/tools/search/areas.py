"""Divides the operations of an API into areas: groups of one tag or one resource, merged until they are few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from nlapi.english.intents import STOPWORDS
from nlapi.english.words import singular, singular_words, split_words
from nlapi.openapi.spec import Effect, Operation, Spec, as_list
from nlapi.resources.nouns import VERSION, id_noun
from nlapi.resources.paths import segments
from nlapi.tools.texts.names import group_slug, unique_name

# Least share of operations that have a tag for tags to define the groups. Some descriptions tag a few operations and
# leave the others, which would all fall into one group.
MIN_TAGGED_SHARE = 0.8

MAX_GROUP_SLUG = 31
# Each pair of groups is compared before a merge, so the time is quadratic; more groups than this are bucketed first.
MAX_GROUPS = 200

_Vector = tuple[Mapping[str, float], float]
"""The weights of the features of a part, and their length."""

# A plugin has one main skill and at most 19 for areas, 20 in all (docs/design/015-plugins.md).
MAX_AREAS = 19
# A single group is split into areas of about three operations, so with fewer than six there is nothing to split.
MIN_SPLIT_OPERATIONS = 6

MAX_AREA_SLUG = 28
MAX_LABELS = 4
# Most operations of a group that is a part of the one that its label begins with.
MAX_PART_OPERATIONS = 2
# Least cosine similarity at which two groups are merged for their likeness; under it, the smallest two are merged.
MIN_SIMILARITY = 0.15

# A part that would exceed this many times the average size accepts no other by likeness, so that the largest area does
# not absorb most of the API.
MAX_SIZE_FACTOR = 3


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
        _group_by_label(
            operations,
            lambda operation: (*operation.tags, "other")[0] if by_tag else _resource_segment(operation.route),
            descriptions,
        )
    )


def _group_by_label(
    operations: Sequence[Operation], label_of: Callable[[Operation], str], descriptions: Mapping[str, str] | None = None
) -> list[Group]:
    """Group operations by the label that `label_of` returns for each; `descriptions` are those of the labels."""
    by_label: dict[str, list[Operation]] = {}
    for operation in operations:
        by_label.setdefault(label_of(operation), []).append(operation)
    groups_by_slug: dict[str, Group] = {}
    for label, members in by_label.items():
        slug = unique_name(group_slug(label, MAX_GROUP_SLUG - 3), groups_by_slug)
        about = (descriptions or {}).get(label, "")
        groups_by_slug[slug] = Group(slug=slug, label=label, about=about, operations=tuple(members))
    return list(groups_by_slug.values())


def _resource_segment(path: str) -> str:
    """Return the first segment of a path that names a resource: `/api/v1/campaigns/{id}` -> campaigns."""
    texts = _literal_segments(path)
    return next((text for text in texts if not VERSION.fullmatch(text)), texts[0] if texts else "root")


def _literal_segments(route: str) -> list[str]:
    return [segment.text for segment in segments(route) if not segment.text.startswith("{")]


def _tag_descriptions(document: Mapping[str, object]) -> dict[str, str]:
    nodes = [node for node in as_list(document.get("tags")) if isinstance(node, Mapping)]
    return {str(node.get("name")): node["description"] for node in nodes if isinstance(node.get("description"), str)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Area:
    """Groups of operations that belong together. `slug` is for names; `label` and `about` are for people."""

    slug: str
    label: str
    about: str
    groups: tuple[Group, ...]

    @property
    def operations(self) -> tuple[Operation, ...]:
        return tuple(operation for group in self.groups for operation in group.operations)


def areas(spec: Spec, operations: Sequence[Operation], limit: int = MAX_AREAS) -> tuple[Area, ...]:
    """Return at most `limit` areas, in the order of the description; each operation is in exactly one.

    Groups are tags or resources. The smallest is merged with the group whose name, paths and path parameters are most
    similar. A single group of at least MIN_SPLIT_OPERATIONS is split: by resource, by the second path segment, by the
    noun in the ids, by effect.
    """
    operation_groups = list(groups(spec, operations))
    if len(operation_groups) == 1 and len(operations) >= MIN_SPLIT_OPERATIONS and (parts := _split(operations)):
        operation_groups, limit = parts, min(limit, max(2, len(operations) // 3))
    merged = _merge(_buckets(_with_parts(operation_groups)), limit)
    areas_by_slug: dict[str, Area] = {}
    labels = _label_words(operation_groups)
    for members in merged:
        label, name = _label_and_name(members, labels)
        slug = unique_name(group_slug(name, MAX_AREA_SLUG), areas_by_slug)
        about = members[0].about if len(members) == 1 else ""
        areas_by_slug[slug] = Area(slug=slug, label=label, about=about, groups=tuple(members))
    return tuple(areas_by_slug.values())


def _split(operations: Sequence[Operation]) -> list[Group]:
    """Split one group by the first criterion that distinguishes its operations; [] where none does."""
    for label_of in (lambda operation: _resource_segment(operation.route), _second_segment, _id_noun, _effect_label):
        split_groups = _group_by_label(operations, label_of)
        if len(split_groups) > 1:
            return split_groups
    return []


def _second_segment(operation: Operation) -> str:
    """Return the second literal segment of a path, or the first without a second."""
    names, first = _literal_segments(operation.route), _resource_segment(operation.route)
    return next(iter(names[names.index(first) + 1 :]), first) if first in names else first


def _id_noun(operation: Operation) -> str:
    """Return the noun of an operation's id, after its verb: `DescribeGlobalTables` -> table."""
    return "".join(singular_words("_".join(id_noun(operation.id)))[-1:]) or "other"


def _effect_label(operation: Operation) -> str:
    return "reading" if operation.effect is Effect.READ else "changing"


def _buckets(parts: list[list[Group]]) -> list[list[Group]]:
    """Return parts to merge, at most MAX_GROUPS.

    Of more parts, those whose labels share the first word are one; of still more, neighbours are.
    """
    if len(parts) <= MAX_GROUPS:
        return parts
    by_word: dict[str, list[Group]] = {}
    for part in parts:
        by_word.setdefault(next(iter(split_words(part[0].label)), ""), []).extend(part)
    buckets = list(by_word.values()) if 1 < len(by_word) <= MAX_GROUPS else parts
    step = math.ceil(len(buckets) / MAX_GROUPS)
    return [[group for bucket in buckets[at : at + step] for group in bucket] for at in range(0, len(buckets), step)]


def _merge(parts: list[list[Group]], limit: int) -> list[list[Group]]:
    """Merge the smallest part with its most similar one, else with what is mixed already, until `limit` are left."""
    average = sum(map(_size, parts)) / limit
    document_counts = Counter(feature for part in parts for feature in set(_features(part)))
    vectors = [_vector(_weighted(_features(part), document_counts, len(parts))) for part in parts]
    mixed: list[list[Group]] = []
    while len(parts) > limit:
        order = sorted(range(len(parts)), key=lambda index: (_size(parts[index]), index))
        nearest = _nearest_parts(parts, vectors, order, MAX_SIZE_FACTOR * average)
        first, second = sorted(nearest or _unlike_parts(parts, order, mixed, average))
        whole = [*parts[first], *parts[second]]
        if nearest is None or parts[first] in mixed or parts[second] in mixed:
            mixed = [part for part in mixed if part not in (parts[first], parts[second])] + [whole]
        parts[first] = whole
        vectors[first] = _vector(dict(Counter(vectors[first][0]) + Counter(vectors[second][0])))
        del parts[second], vectors[second]
    return parts


def _unlike_parts(
    parts: Sequence[list[Group]], order: Sequence[int], mixed: Sequence[list[Group]], max_size: float
) -> tuple[int, int]:
    """Return the indices of the smallest part, and of the smallest mixed one that has room, else of the next.

    So what is left over comes together, and the main things of an API keep areas of their own.
    """
    smallest = order[0]
    room = (at for at in order[1:] if parts[at] in mixed and _size(parts[at]) + _size(parts[smallest]) <= max_size)
    return smallest, next(room, order[1])


def _nearest_parts(
    parts: Sequence[Sequence[Group]], vectors: Sequence[_Vector], order: Sequence[int], max_size: float
) -> tuple[int, int] | None:
    """Return the indices of the smallest part that is similar to another, and of that other; None where none is."""
    for index in order:
        room = max_size - _size(parts[index])
        candidates = [candidate for candidate in order if candidate != index and _size(parts[candidate]) <= room]
        similarities = ((_cosine(vectors[index], vectors[candidate]), -candidate) for candidate in candidates)
        similarity, nearest = max(similarities, default=(0.0, 0))
        if similarity >= MIN_SIMILARITY:
            return index, -nearest
    return None


def _size(part: Sequence[Group]) -> int:
    return sum(len(group.operations) for group in part)


def _features(part: Sequence[Group]) -> Counter[str]:
    """Count the features of a part: words of its label, literals of its paths, and its path parameters."""
    counts: Counter[str] = Counter()
    for group in part:
        words = [singular(word) for word in split_words(group.label)]
        weight = len(group.operations)
        counts.update({f"word {word}": weight for word in words[1:]})
        counts.update(
            # The first word of a label counts three times: `issues` and `issue events` belong together more than `push
            # events` do.
            {f"first {word}": 3 * weight for word in words[:1]} | {f"word {word}": weight for word in words[:1]}
        )
        for operation in group.operations:
            parts = segments(operation.route)
            counts.update(
                f"takes {segment.text}" if segment.text.startswith("{") else f"path {segment.text}" for segment in parts
            )
    return counts


def _weighted(counts: Counter[str], document_counts: Counter[str], count: int) -> dict[str, float]:
    """Return the features weighted by rarity (tf-idf): a feature that all parts share distinguishes none."""
    return {
        feature: occurrences * math.log(1 + count / document_counts[feature]) for feature, occurrences in counts.items()
    }


def _vector(weights: Mapping[str, float]) -> _Vector:
    return weights, math.sqrt(sum(weight * weight for weight in weights.values()))


def _cosine(first: _Vector, second: _Vector) -> float:
    weights, others = first[0], second[0]
    shared = sum(weight * others[feature] for feature, weight in weights.items() if feature in others)
    return shared / (first[1] * second[1]) if shared else 0.0


def _label_and_name(members: Sequence[Group], labels: Mapping[str, list[str]]) -> tuple[str, str]:
    """Return a label that lists the groups, and the text to make the slug of; `labels` are the words of all labels.

    That text is what all groups have in common where no other area has it: the group whose words begin all of them
    (`custom fields` of `custom field settings`), or these words. Else it is the names of the largest group and the
    next one, as far as they fit: a name is never cut.
    """
    largest = sorted(members, key=lambda group: (-len(group.operations), len(labels[group.slug])))
    remaining = len(largest) - MAX_LABELS
    listed = ", ".join(group.label for group in largest[:MAX_LABELS])
    listed += f" and {remaining} more" if remaining > 0 else ""
    names = [_head(labels[group.slug]) for group in largest]
    common = _common_words(names)
    shortest = min(names, key=len)
    if len(shortest) == len(common) and common:
        return listed, " ".join(shortest)
    inside = {group.slug for group in members}
    if common and not any(_begins(common, words) for slug, words in labels.items() if slug not in inside):
        return listed, " ".join(common)
    first = " ".join(names[0])
    both = next((f"{first} and {' '.join(name)}" for name in names[1:2]), first)
    return listed, both if len(both) <= MAX_AREA_SLUG else first


def _head(words: Sequence[str]) -> list[str]:
    """Return words that are too many for a name up to the first little word: `domain restrictions for users`."""
    if len(" ".join(words)) <= MAX_AREA_SLUG:
        return list(words)
    return list(words[: next((place for place, word in enumerate(words) if place and word in STOPWORDS), None)])


def _begins(start: Sequence[str], words: Sequence[str]) -> bool:
    return list(map(singular, words[: len(start)])) == list(map(singular, start))


def _common_words(names: Sequence[Sequence[str]]) -> list[str]:
    """Return the words that all names begin with, as the first has them."""
    count = min(map(len, names))
    while count and not all(_begins(names[0][:count], name) for name in names):
        count -= 1
    return list(names[0][:count])


def _label_words(operation_groups: Sequence[Group]) -> dict[str, list[str]]:
    """Return the words of the label of each group, by slug, without those that all labels begin with.

    `MessagingV1Service` beside `MessagingV1DomainCerts` is a service.
    """
    words = {group.slug: split_words(group.label) or [group.slug] for group in operation_groups}
    common = len(_common_words(list(words.values()))) if len(words) > 1 else 0
    return {slug: label[common:] or label for slug, label in words.items()}


def _with_parts(operation_groups: Sequence[Group]) -> list[list[Group]]:
    """Return the groups as lists: one of few operations is with the group that its label begins with.

    The statistics of a worker belong to workers: an area of their own would hold one operation.
    """
    words = {group.slug: split_words(group.label) for group in operation_groups}
    parts = {group.slug: [group] for group in operation_groups}
    for group in operation_groups:
        if len(group.operations) > MAX_PART_OPERATIONS:
            continue
        label = words[group.slug]
        wholes = [slug for slug in parts if 0 < len(words[slug]) < len(label) and _begins(words[slug], label)]
        if wholes and len(parts[group.slug]) == 1:
            parts[max(wholes, key=lambda slug: len(words[slug]))] += parts.pop(group.slug)
    return list(parts.values())
