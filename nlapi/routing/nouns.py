"""The nouns of routing: what a configuration is made of, and the decision that comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool
Context: TypeAlias = Mapping[str, Scalar]
"""What a request says about itself: field name -> value. Only declared fields."""

CLIENT = "client"
"""The field that every context has without declaring it: the name of the client that asks."""

OUTPUT = "output."
"""What a guard's metric begins with when it is a field of the output."""

BUCKETS = 10_000
"""Units are hashed into this many buckets, so a share is a multiple of 0.01 %."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VersionRef:
    """A version of a model, written "ranker@v8"."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """ "ranker@v8" as a VersionRef; ValueError for anything else."""
        model, at, version = text.partition("@")
        if not (model and at and version) or "@" in version:
            raise ValueError(f"{text!r} is not a version: write model@version, such as ranker@v8")
        return cls(model=model, version=version)


class FieldType(StrEnum):
    """The JSON type of a context field."""

    STRING = "string"
    INTEGER = "integer"
    NUMBER = "number"
    BOOLEAN = "boolean"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """A field that a request's context may hold. `values`, when there are any, are the only ones it takes."""

    name: str
    type: FieldType = FieldType.STRING
    values: tuple[Scalar, ...] = ()
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A business use case that clients ask for: what goes in and comes out, who owns it, what serves it by default."""

    name: str
    title: str = ""
    description: str = ""
    owner: str = ""
    default: VersionRef | None = None
    fallback: VersionRef | None = None
    """served when the version that was decided on fails"""
    input: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12 of the input"""
    output: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12 of the output"""
    context: tuple[Field, ...] = ()
    idempotent: bool = True
    """may a call be sent again after it failed?"""
    timeout_ms: int = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A named line of versions that do the same job."""

    name: str
    description: str = ""
    owner: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One workflow of a model: pre-processing, features, an optional trained part, post-processing, on a shard."""

    model: str
    name: str
    shard: str = "local"
    source: str = ""
    """local versions: the folder or package that holds its model.toml"""
    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)

    @property
    def ref(self) -> VersionRef:
        return VersionRef(model=self.model, version=self.name)


class Protocol(StrEnum):
    """How a shard is spoken to."""

    LOCAL = "local"
    OPEN_INFERENCE = "oip-v2"
    JSON = "json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A named place that versions run on: this process, or the addresses of a cluster's replicas."""

    name: str
    protocol: Protocol = Protocol.LOCAL
    endpoints: tuple[str, ...] = ()
    concurrency: int = 64
    """calls in flight to one endpoint at most"""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A half-open range of numbers: `least` <= value < `below`."""

    # Integers stay integers: a bound is shown as it was written.
    least: int | float | None = None
    below: int | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Which contexts: each field of `when` has one of its values, none of `unless` has, all of `between` fit."""

    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    between: Mapping[str, Range] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Match:
        """The Match that `when`, `unless` and `between` of a parsed document are."""
        return cls(
            when={name: tuple(values) for name, values in data.get("when", {}).items()},
            unless={name: tuple(values) for name, values in data.get("unless", {}).items()},
            between={name: Range(**ends) for name, ends in data.get("between", {}).items()},
        )


EVERYTHING = Match()
"""Matches every context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A version's part of the units, in percent, and the buckets [start, end) it holds.

    The buckets are kept from revision to revision, so that a changed share moves nobody who need not move.
    """

    version: VersionRef
    percent: float
    name: str = ""
    """the cell's name in an experiment"""
    buckets: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """For the contexts that match, a version or a split of versions. First match by `position` wins."""

    name: str
    objective: str
    match: Match = EVERYTHING
    shares: tuple[Share, ...]
    unit: str = "user"
    """the context field that keeps a unit in its share"""
    position: int = 0
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """Experiments in one layer never share a unit; those in different layers are independent."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """Gives cells to units. Its cells' percents are of all units, or when it has a layer of its part of the layer."""

    name: str
    objective: str
    cells: tuple[Share, ...]
    match: Match = EVERYTHING
    unit: str = "user"
    salt: str = ""
    """what the unit is hashed with; the experiment's name when empty"""
    layer: str = ""
    percent: float = 100.0
    """its part of the layer"""
    buckets: tuple[tuple[int, int], ...] = ()
    """the layer's buckets it holds"""
    running: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One stage of a canary: a share in percent, held for `bake_s` seconds."""

    percent: float
    bake_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """What a canary must keep to: a metric ("error_rate", "p99_ms", or "output.FIELD") at most `limit`, at most `ratio`
    times the base's, at least `floor`, at least `floor_ratio` times the base's."""

    metric: str
    limit: int | float | None = None
    ratio: int | float | None = None
    floor: int | float | None = None
    floor_ratio: int | float | None = None
    least: int = 50
    """requests seen before it judges"""


class CanaryState(StrEnum):
    """Where a canary stands. It moves its share in every state but ROLLED_BACK.

    PAUSED: the share is held and does not advance. DONE: the last step was baked; the share is kept until the canary is
    removed, as it is when its version has become the default.
    """

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Moves a share of the units that `base` would serve to `version`, over time."""

    name: str
    objective: str
    version: VersionRef
    base: VersionRef | None = None
    """None: whatever was decided"""
    percent: float = 10.0
    match: Match = EVERYTHING
    unit: str = "user"
    steps: tuple[Step, ...] = ()
    guards: tuple[Guard, ...] = ()
    state: CanaryState = CanaryState.RUNNING
    reason: str = ""
    """why it is in its state"""

    @property
    def moves(self) -> bool:
        return self.state is not CanaryState.ROLLED_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """Sends a copy of a share of the matching requests to `version`; its answers are recorded, never served.

    Which requests: `split.sampled(name, request id, percent)`.
    """

    name: str
    objective: str
    version: VersionRef
    percent: float = 100.0
    match: Match = EVERYTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """Sends the requests of one client or user (`field` = `value`) to a version, before anything else; no canary
    moves them. `field` is a context field, or "client"."""

    name: str
    objective: str
    field: str
    value: Scalar
    version: VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """Who calls: its limits over all versions. 0 = no limit."""

    name: str
    description: str = ""
    rate: float = 0.0
    """requests a second"""
    burst: int = 0
    """requests at once beyond the rate; the rate's one second when 0"""
    concurrency: int = 0
    """requests in flight"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """Everything that decides, as one immutable value. Rules are in no order; `Rule.position` is theirs."""

    objectives: Mapping[str, Objective] = field(default_factory=dict)
    models: Mapping[str, Model] = field(default_factory=dict)
    versions: Mapping[VersionRef, Version] = field(default_factory=dict)
    shards: Mapping[str, Shard] = field(default_factory=dict)
    rules: Mapping[str, Rule] = field(default_factory=dict)
    layers: Mapping[str, Layer] = field(default_factory=dict)
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    canaries: Mapping[str, Canary] = field(default_factory=dict)
    shadows: Mapping[str, Shadow] = field(default_factory=dict)
    overrides: Mapping[str, Override] = field(default_factory=dict)
    clients: Mapping[str, Client] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Which version serves a request, at which revision, and why. One value is shared by all requests that get it."""

    objective: str
    version: VersionRef
    shard: str
    revision: int
    rule: str = ""
    experiment: str = ""
    cell: str = ""
    canary: str = ""
    override: str = ""
    shadows: tuple[str, ...] = ()
    """names of the shadows that match; each takes its percent of the requests, `split.sampled` by request id"""
    reason: str = ""
