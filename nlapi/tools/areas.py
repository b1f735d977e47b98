"""The areas of an API: its groups of operations, merged until there are only a few."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from nlapi.openapi.spec import Effect, Operation, Spec
from nlapi.resources.naming import pieces, singular_words
from nlapi.resources.nouns import id_noun
from nlapi.resources.paths import segments
from nlapi.tools.groups import MAX_GROUPS, Group, groups, literals, resource, sorted_into
from nlapi.tools.slugs import group_slug, unique

# A plugin has one main skill and at most 19 for areas, 20 in all (docs/design/015-plugins.md).
MOST = 19
# A single group is split into areas of about three operations, so with fewer than six there is nothing to split.
ENOUGH = 6

MAX_SLUG = 28
MAX_NAMED = 4
# Least cosine similarity at which two groups are merged for their likeness; under it, the smallest two are merged.
LIKE = 0.15

# A part that would exceed this many times the average size accepts no other by likeness, so that the largest area does
# not absorb most of the API.
CROWDED = 3


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


def areas(spec: Spec, operations: Sequence[Operation], most: int = MOST) -> tuple[Area, ...]:
    """Return at most `limit` areas, in the order of the description; each operation is in exactly one.

    Groups are tags or resources. The smallest is merged with the group whose name, paths and path parameters are most
    similar. A single group of at least MIN_SPLIT_OPERATIONS is split: by resource, by the second path segment, by the
    noun in the ids, by effect.
    """
    found = list(groups(spec, operations))
    if len(found) == 1 and len(operations) >= ENOUGH and (parts := _apart(operations)):
        found, most = parts, min(most, max(2, len(operations) // 3))
    merged = _merged(_bucketed(found), most)
    made: dict[str, Area] = {}
    firsts = Counter(word for members in merged for word in {_first(one.label) for one in members})
    for members in merged:
        label, name = _named(members, firsts)
        slug = unique(group_slug(name, MAX_SLUG), made)
        about = members[0].about if len(members) == 1 else ""
        made[slug] = Area(slug=slug, label=label, about=about, groups=tuple(members))
    return tuple(made.values())


def _apart(operations: Sequence[Operation]) -> list[Group]:
    """Split one group by the first criterion that distinguishes its operations; [] where none does."""
    for sort in (lambda one: resource(one.route), _within, _thing, _does):
        split = sorted_into(operations, sort)
        if len(split) > 1:
            return split
    return []


def _within(operation: Operation) -> str:
    """Return the second literal segment of a path, or the first where there is no second."""
    names, first = literals(operation.route), resource(operation.route)
    return next(iter(names[names.index(first) + 1 :]), first) if first in names else first


def _thing(operation: Operation) -> str:
    """Return the noun of an operation's id, after its verb: `DescribeGlobalTables` -> table."""
    return "".join(singular_words("_".join(id_noun(operation.id)))[-1:]) or "other"


def _does(operation: Operation) -> str:
    return "reading" if operation.effect is Effect.READ else "changing"


def _bucketed(found: list[Group]) -> list[list[Group]]:
    """Return the groups as lists to merge, at most MAX_GROUPS.

    Of more groups, those whose labels share the first word form a list; of still more, neighbours do.
    """
    if len(found) <= MAX_GROUPS:
        return [[one] for one in found]
    by_word: dict[str, list[Group]] = {}
    for one in found:
        by_word.setdefault(_first(one.label), []).append(one)
    buckets = list(by_word.values()) if 1 < len(by_word) <= MAX_GROUPS else [[one] for one in found]
    step = math.ceil(len(buckets) / MAX_GROUPS)
    return [[one for bucket in buckets[at : at + step] for one in bucket] for at in range(0, len(buckets), step)]


def _merged(parts: list[list[Group]], most: int) -> list[list[Group]]:
    """Merge the smallest part with its most similar one, else the two smallest, until `limit` parts are left."""
    room = CROWDED * sum(map(_size, parts)) / most
    rare = Counter(feature for part in parts for feature in set(_features(part)))
    vectors = [_weighed(_features(part), rare, len(parts)) for part in parts]
    while len(parts) > most:
        order = sorted(range(len(parts)), key=lambda one: (_size(parts[one]), one))
        first, second = sorted(_nearest(parts, vectors, order, room) or order[:2])
        parts[first] = [*parts[first], *parts[second]]
        vectors[first] = dict(Counter(vectors[first]) + Counter(vectors[second]))
        del parts[second], vectors[second]
    return parts


def _nearest(
    parts: Sequence[Sequence[Group]], vectors: Sequence[Mapping[str, float]], order: Sequence[int], room: float
) -> tuple[int, int] | None:
    """Return the indices of the smallest part that is similar to another, and of that other; None where none is."""
    for one in order:
        others = [other for other in order if other != one and _size(parts[one]) + _size(parts[other]) <= room]
        likeness = [(_alike(vectors[one], vectors[other]), -other) for other in others]
        if likeness and max(likeness)[0] >= LIKE:
            return one, -max(likeness)[1]
    return None


def _size(part: Sequence[Group]) -> int:
    return sum(len(one.operations) for one in part)


def _features(part: Sequence[Group]) -> Counter[str]:
    """Count the features of a part: words of its label, literals of its paths, and its path parameters."""
    found: Counter[str] = Counter()
    for group in part:
        words = pieces(group.label)
        weight = len(group.operations)
        found.update({f"word {word}": weight for word in words[1:]})
        found.update(
            # The first word of a label counts three times: `issues` and `issue events` belong together more than `push
            # events` do.
            {f"first {word}": 3 * weight for word in words[:1]} | {f"word {word}": weight for word in words[:1]}
        )
        for operation in group.operations:
            parts = segments(operation.route)
            found.update(f"takes {one.text}" if one.text.startswith("{") else f"path {one.text}" for one in parts)
    return found


def _weighed(found: Counter[str], rare: Counter[str], count: int) -> dict[str, float]:
    """Return the features weighted by rarity (tf-idf): a feature that all parts share distinguishes none."""
    return {one: times * math.log(1 + count / rare[one]) for one, times in found.items()}


def _alike(one: Mapping[str, float], other: Mapping[str, float]) -> float:
    shared = sum(weight * other[feature] for feature, weight in one.items() if feature in other)
    return shared / (_length(one) * _length(other)) if shared else 0.0


def _length(vector: Mapping[str, float]) -> float:
    return math.sqrt(sum(weight * weight for weight in vector.values()))


def _first(label: str) -> str:
    return next(iter(pieces(label)), "")


def _named(members: Sequence[Group], firsts: Mapping[str, int]) -> tuple[str, str]:
    """Return a label that lists the groups, and the text to make the slug of.

    That text is the first word that all labels share where no other area has it, else the label of the largest group.
    """
    labels = [one.label for one in sorted(members, key=lambda one: -len(one.operations))]
    more = len(labels) - MAX_NAMED
    listed = f"{', '.join(labels[:MAX_NAMED])}{f' and {more} more' if more > 0 else ''}"
    words = {_first(label) for label in labels}
    if len(labels) == 1 or len(words) > 1:
        return listed, " ".join(labels[:2])
    return listed, next(iter(words)) if firsts[next(iter(words))] == 1 else labels[0]
