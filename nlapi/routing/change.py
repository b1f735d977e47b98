"""Puts one entity into a configuration or removes one, and compares two configurations."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, TypeAlias

from nlapi.errors import UsageError
from nlapi.routing import words
from nlapi.routing.nouns import (
    Canary,
    Client,
    Configuration,
    Experiment,
    Layer,
    Match,
    Model,
    Objective,
    Override,
    Rule,
    Shadow,
    Shard,
    Share,
    Version,
    VersionRef,
)
from nlapi.routing.split import allocate, allocate_layer

Noun: TypeAlias = Objective | Model | Version | Shard | Rule | Layer | Experiment | Canary | Shadow | Override | Client

KINDS: Mapping[type[Noun], str] = {
    Objective: "objectives",
    Model: "models",
    Version: "versions",
    Shard: "shards",
    Rule: "rules",
    Layer: "layers",
    Experiment: "experiments",
    Canary: "canaries",
    Shadow: "shadows",
    Override: "overrides",
    Client: "clients",
}
"""The field of a configuration that holds each entity."""


# Characters of two values that a difference spells out; for longer ones it only says that they changed, to stay one
# line.
LONGEST = 200


def put(configuration: Configuration, noun: Noun) -> Configuration:
    """Return the configuration with the entity, which replaces the one of the same name; shares keep their buckets.

    The entity's own buckets count only when there was none of its name, as when a configuration is read again.
    """
    kind = KINDS[type(noun)]
    # A client may send buckets it read earlier; only the current revision knows who holds them now.
    if isinstance(noun, Rule):
        old = configuration.rules.get(noun.name)
        noun = replace(noun, shares=allocate(old.shares if old else noun.shares, noun.shares))
    if isinstance(noun, Experiment):
        return _put_experiment(configuration, noun)
    return _with(configuration, kind, {**getattr(configuration, kind), key(noun): noun})


def _put_experiment(configuration: Configuration, experiment: Experiment) -> Configuration:
    old = configuration.experiments.get(experiment.name)
    cells = allocate(old.cells if old else experiment.cells, experiment.cells)
    # Buckets belong to a layer: an experiment that moves to another layer starts without any.
    buckets = (old or experiment).buckets if old is None or old.layer == experiment.layer else ()
    made = replace(experiment, cells=cells, buckets=buckets if experiment.layer else ())
    experiments = {**configuration.experiments, experiment.name: made}
    if experiment.layer:
        experiments |= allocate_layer(experiments, experiment.layer)
    return replace(configuration, experiments=experiments)


def remove(configuration: Configuration, kind: str, name: str | VersionRef) -> Configuration:
    """Return the configuration without the entity; `kind` is the configuration's field, such as "rules".

    UsageError when there is no such entity. Remaining references to it are found by `check`.
    """
    nouns = _nouns(configuration, kind)
    if name not in nouns:
        near = difflib.get_close_matches(str(name), map(str, nouns), n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(map(str, nouns)) or 'none'}"[:200]
        raise UsageError(f"there is no {str(name)!r} in {kind}", hint=hint)
    return _with(configuration, kind, {one: noun for one, noun in nouns.items() if one != name})


def key(noun: Noun) -> str | VersionRef:
    """Return the key of an entity in its mapping: its name, or a version's model and name."""
    return noun.ref if isinstance(noun, Version) else noun.name


def _nouns(configuration: Configuration, kind: str) -> Mapping[Any, Noun]:
    if kind not in KINDS.values():
        near = difflib.get_close_matches(kind, KINDS.values(), n=1)
        raise UsageError(f"a configuration has no {kind!r}", hint=f"did you mean {near[0]!r}?" if near else "")
    found: Mapping[Any, Noun] = getattr(configuration, kind)
    return found


def _with(configuration: Configuration, kind: str, nouns: Mapping[Any, Noun]) -> Configuration:
    return replace(configuration, **{kind: nouns})  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One entity that differs. `before` is None when it was added, `after` when it was removed."""

    kind: str
    name: str
    before: Noun | None
    after: Noun | None
    fields: tuple[str, ...] = ()
    """Fields that changed, of an entity that is in both."""
    text: str = ""

    @property
    def change(self) -> str:
        """Return "added", "removed" or "changed"."""
        return "added" if self.before is None else "removed" if self.after is None else "changed"

    def __str__(self) -> str:
        return self.text


def diff(before: Configuration, after: Configuration) -> list[Difference]:
    """Return the differences, in the order of the kinds, then of the names."""
    found = []
    for kind in KINDS.values():
        old, new = getattr(before, kind), getattr(after, kind)
        if old is new:
            continue
        # Identity first: a revision shares its unchanged entities with the one before, which need no comparison then.
        names = (name for name in {*old, *new} if old.get(name) is not new.get(name) and old.get(name) != new.get(name))
        found += [_difference(kind, str(name), old.get(name), new.get(name)) for name in sorted(names, key=str)]
    return found


def _difference(kind: str, name: str, before: Noun | None, after: Noun | None) -> Difference:
    one = {"canaries": "canary"}.get(kind, kind.removesuffix("s"))
    changed: tuple[str, ...] = ()
    if before is None or after is None:
        text = f"{one} {name} {'added' if before is None else 'removed'}"
    else:
        changed = tuple(
            field.name for field in fields(before) if getattr(before, field.name) != getattr(after, field.name)
        )
        told = [_told(name, getattr(before, name), getattr(after, name)) for name in changed if name not in UNTOLD]
        moved = "its buckets moved" if "buckets" in changed else "reason changed"
        text = f"{one} {name}: {'; '.join(told) or moved}"
    return Difference(kind=kind, name=name, before=before, after=after, fields=changed, text=text)


# Fields that change as a consequence of others; a canary's reason is the cause of the revision itself.
UNTOLD = ("buckets", "reason")


def _told(name: str, before: Any, after: Any) -> str:
    old, new = _value(before), _value(after)
    if "" in (old, new) or old == new or len(old) + len(new) > LONGEST:
        return f"{name} changed"
    return f"{name} from {old} to {new}"


def _value(one: Any) -> str:
    """Return a value in words; "" for one that takes too many."""
    if isinstance(one, Match):
        return words.conditions(one)
    if isinstance(one, tuple) and one and all(isinstance(share, Share) for share in one):
        return words.shares(one)
    if isinstance(one, Mapping | tuple):
        return ""
    if isinstance(one, float):
        return words.number(one)
    return "none" if one in (None, "") else str(one)
