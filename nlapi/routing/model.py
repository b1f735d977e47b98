"""Defines the parts of a routing configuration, their order in a decision, and the Decision that comes out of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

Scalar: TypeAlias = str | int | float | bool
Context: TypeAlias = Mapping[str, Scalar]
"""The fields of one request: field name -> value. Only declared fields."""

CLIENT_NAME_FIELD = "client"
"""The field that every context has without declaring it: the name of the calling client."""

OUTPUT_PREFIX = "output."
"""The prefix of a guard's metric that is a field of the output."""

# Fixed for good: with another number every unit would get another bucket, and every share other users.
BUCKETS = 10_000
"""Units are hashed into this many buckets, so a share is a multiple of 0.01 %."""


# Ordered, so that lists of versions are stable in reports.
@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class VersionRef:
    """A reference to a version of a model, written "ranker@v8"."""

    model: str
    version: str

    def __str__(self) -> str:
        return f"{self.model}@{self.version}"

    @classmethod
    def parse(cls, text: str) -> VersionRef:
        """Return the VersionRef of "ranker@v8"; ValueError for anything else."""
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
    """A context field. `values`, when there are any, are the only ones that it accepts."""

    name: str
    type: FieldType = FieldType.STRING
    values: tuple[Scalar, ...] = ()
    description: str = ""
    source: str = ""
    """"text_size": the gateway fills it with the size class of an LLM's request where the caller gives none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Objective:
    """A business use case that clients ask for: its schemas, its owner, and the version that serves by default."""

    name: str
    title: str = ""
    description: str = ""
    owner: str = ""
    # A draft may have none; `check` refuses to publish one without a default.
    default: VersionRef | None = None
    fallback: VersionRef | None = None
    """Serves when the chosen version fails."""
    input: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12 of the input."""
    output: Mapping[str, Any] = field(default_factory=dict)
    """JSON Schema 2020-12 of the output."""
    context: tuple[Field, ...] = ()
    idempotent: bool = True
    """Whether a call may be repeated after a failure."""
    timeout_ms: int = 1000
    tokens_per_day: int | None = None
    """Input and output tokens of LLMs in a day of UTC; 0 and None mean no limit."""
    dollars_per_day: float | None = None
    """Cost of LLMs in a day of UTC; 0 and None mean no limit."""
    cache_seconds: int | None = None
    """How long an answer is given again to the same request; 0 and None mean never."""
    judge: str = ""
    """The objective that rates answers of this one; "" for none."""
    judge_percent: float | None = None
    """The share of the answers that it rates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A named line of versions that do the same job."""

    name: str
    description: str = ""
    owner: str = ""


class InputForm(StrEnum):
    """The form of a version's input in the Open Inference Protocol."""

    # Each member of the input is a tensor.
    TENSORS = "tensors"
    # The input is a row, rows, or columns; each column is a tensor of [rows, 1], a DataFrame for MLServer.
    COLUMNS = "columns"


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One workflow of a model: pre-processing, features, an optional trained part, post-processing, on a shard."""

    model: str
    name: str
    shard: str = "local"
    source: str = ""
    """For a version here or on hosts: the folder or package with its model.toml, or the URL of an archive of it."""
    digest: str = ""
    """For a version here or on hosts: "sha256:..." of the content that its source had when it was registered."""
    description: str = ""
    input: Mapping[str, Any] = field(default_factory=dict)
    output: Mapping[str, Any] = field(default_factory=dict)
    upstream_model: str = ""
    """The name of the model at its server: the version's name for an LLM, else the model's, when empty."""
    upstream_version: str = ""
    """For a server of the Open Inference Protocol: the version's name there; the version's name when empty."""
    form: InputForm | None = None
    """For a server of the Open Inference Protocol: the form of its input; None is TENSORS."""
    input_price: float | None = None
    """For an LLM: dollars per million input tokens."""
    output_price: float | None = None
    """For an LLM: dollars per million output tokens."""
    cached_input_price: float | None = None
    """For an LLM: dollars per million input tokens from the prompt cache; `input_price` when None."""

    @property
    def ref(self) -> VersionRef:
        return VersionRef(model=self.model, version=self.name)


class ShardProtocol(StrEnum):
    """The protocol of a shard."""

    LOCAL = "local"
    # Open Inference Protocol v2, as MLServer and Triton speak it.
    OPEN_INFERENCE = "oip-v2"
    JSON = "json"
    # Ray Serve, whose clusters `nlapi gateway ray` connects; they get the content of versions.
    RAY = "ray"
    # Chat Completions of OpenAI and of the many servers that speak it, and the Messages API of Anthropic.
    OPENAI = "openai"
    ANTHROPIC = "anthropic"


CONTENT_PROTOCOLS = (ShardProtocol.LOCAL, ShardProtocol.RAY)
"""The protocols whose versions are content that the gateway has: the others are served by somebody else's software."""

LLM_PROTOCOLS = (ShardProtocol.OPENAI, ShardProtocol.ANTHROPIC)
"""The protocols of language models, whose answers have tokens and can be streamed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shard:
    """A named place where versions run: this process, or the addresses of a cluster's replicas."""

    name: str
    protocol: ShardProtocol = ShardProtocol.LOCAL
    # Empty for LOCAL and RAY only: the replicas of Ray are reported.
    endpoints: tuple[str, ...] = ()
    concurrency: int = 64
    """The maximum of simultaneous calls to one endpoint."""
    objective_percent: float = 80.0
    """The part of all these calls that one objective may have in flight."""
    client_percent: float = 80.0
    """The part of them that one client may have in flight."""
    # 2 MiB of JSON numbers take about 10 ms to decode, in which the gateway serves nobody else.
    max_answer_mb: int = 2
    """The maximum size of an answer, in MiB."""
    key: str = ""
    """The reference of the servers' key, `env:NAME` or `file:PATH`; never the key."""
    headers: Mapping[str, str] = field(default_factory=dict)
    """Extra headers; a value may be a reference like `key`."""
    ca: str = ""
    """`file:PATH` of the only authorities that are trusted; those of the system when empty."""
    certificate: str = ""
    """`file:PATH` of the client certificate with its key."""
    versioned_paths: bool = True
    """For the Open Inference Protocol: whether calls name the version, as in `/v2/models/M/versions/V/infer`."""
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """A half-open range of numbers: `least` <= value < `below`."""

    # Integers stay integers: a bound is shown as it was written.
    least: int | float | None = None
    below: int | float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """A condition on contexts: a listed value for each field of `when`, none for `unless`, in range for `between`."""

    when: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    unless: Mapping[str, tuple[Scalar, ...]] = field(default_factory=dict)
    between: Mapping[str, Range] = field(default_factory=dict)

    @classmethod
    def from_mapping(cls, data: Mapping[str, Any]) -> Match:
        """Return the Match in `when`, `unless` and `between` of a parsed document."""
        return cls(
            when={name: tuple(values) for name, values in data.get("when", {}).items()},
            unless={name: tuple(values) for name, values in data.get("unless", {}).items()},
            between={name: Range(**ends) for name, ends in data.get("between", {}).items()},
        )


MATCH_ALL = Match()
"""The match of every context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """A version's part of the units, in percent, and the buckets [start, end) that it holds.

    The buckets are stored from revision to revision, so that a changed share moves as few units as possible.
    """

    version: VersionRef
    percent: float
    name: str = ""
    """The name of the cell in an experiment."""
    buckets: tuple[tuple[int, int], ...] = ()


Bucket: TypeAlias = tuple[Scalar, ...]
"""The values of a cost policy's fields in one context."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """The expected quality, from 0 to 1, and price of a version in a bucket, and the outcomes that it rests on."""

    bucket: Bucket
    version: VersionRef
    quality: float
    dollars: float
    outcomes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleCost:
    """The cost policy that a rule belongs to, and its evidence."""

    policy: str
    fields: tuple[str, ...]
    """The context fields whose values are a bucket."""
    floor: float
    """The least mean quality of the policy's outcomes."""
    since: str = ""
    """The time from which outcomes count against the floor, as ISO 8601."""
    estimates: tuple[Estimate, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A version or a split of versions for the contexts that match. The first match by `position` wins."""

    name: str
    objective: str
    match: Match = MATCH_ALL
    # A single share is the plain case; it needs no unit.
    shares: tuple[Share, ...]
    unit: str = "user"
    """The context field that identifies a unit, which stays in its share."""
    position: int = 0
    description: str = ""
    cost: RuleCost | None = None
    """Set by a cost policy; None for a rule that people made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """A group of experiments that never share a unit; experiments of different layers are independent."""

    name: str
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Experiment:
    """An assignment of units to cells. Percents of cells are of all units, or with a layer of its part of the layer."""

    name: str
    objective: str
    cells: tuple[Share, ...]
    match: Match = MATCH_ALL
    unit: str = "user"
    salt: str = ""
    """Hashed before the unit; the experiment's name when empty."""
    layer: str = ""
    percent: float = 100.0
    """Its part of the layer."""
    buckets: tuple[tuple[int, int], ...] = ()
    """The buckets of the layer that it holds."""
    running: bool = True
    description: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CanaryStep:
    """One stage of a canary: a share in percent that lasts `bake_s` seconds."""

    percent: float
    bake_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Guard:
    """A limit for a canary on a metric ("error_rate", "p99_ms" or "output.FIELD").

    The metric must be at most `limit`, at most `ratio` times the base's, at least `floor`, and at least `floor_ratio`
    times the base's.
    """

    metric: str
    limit: int | float | None = None
    ratio: int | float | None = None
    floor: int | float | None = None
    floor_ratio: int | float | None = None
    least: int = 50
    """The requests needed before it judges."""


# The values of these enums are stored in configurations and sent by the gateway's API.
class CanaryState(StrEnum):
    """The state of a canary. It moves its share in every state but ROLLED_BACK.

    PAUSED: the share stays and does not advance. DONE: the last step is complete; the share stays until the canary is
    removed, as it is when its version has become the default.
    """

    RUNNING = "running"
    PAUSED = "paused"
    DONE = "done"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """A gradual move of a share of the units that `base` would serve to `version`."""

    name: str
    objective: str
    version: VersionRef
    base: VersionRef | None = None
    """None means any version that was decided."""
    percent: float = 10.0
    match: Match = MATCH_ALL
    unit: str = "user"
    steps: tuple[CanaryStep, ...] = ()
    guards: tuple[Guard, ...] = ()
    # Part of the configuration, so that a rollback is a revision like any other change.
    state: CanaryState = CanaryState.RUNNING
    reason: str = ""
    """The reason of its state."""

    @property
    def moves(self) -> bool:
        return self.state is not CanaryState.ROLLED_BACK


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A copy of a share of the matching requests (`split.is_sampled` by request id) goes to `version`; answers are
    recorded, never served.
    """

    name: str
    objective: str
    version: VersionRef
    percent: float = 100.0
    match: Match = MATCH_ALL


@dataclass(frozen=True, slots=True, kw_only=True)
class Override:
    """A fixed version for the requests whose context field, or "client", has one value. No canary moves them."""

    name: str
    objective: str
    field: str
    value: Scalar
    version: VersionRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A caller, with its limits over all versions. 0 means no limit."""

    name: str
    description: str = ""
    rate: float = 0.0
    """Requests a second."""
    burst: int = 0
    """Requests at once beyond the rate; 0 means those of one second."""
    global_rate: bool = False
    """Whether the rate holds over all Envoys of a control plane together, and not in each of them."""
    concurrency: int = 0
    """Requests in flight."""
    tokens_per_minute: int = 0
    """Input and output tokens of LLMs in a minute."""
    tokens_per_day: int = 0
    """Input and output tokens of LLMs in a day of UTC."""
    dollars_per_minute: float = 0.0
    """Cost of LLMs in a minute."""
    dollars_per_day: float = 0.0
    """Cost of LLMs in a day of UTC."""
    key_tokens_per_day: int = 0
    """Input and output tokens of LLMs in a day of UTC, of each of its keys."""
    key_dollars_per_day: float = 0.0
    """Cost of LLMs in a day of UTC, of each of its keys."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """The whole routing configuration, as one immutable value. Rules have no order here but their `position`."""

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
    """The version that serves a request, with revision and reason. One object is shared by all requests with this
    result.
    """

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
    """The shadows that match; each receives its percentage of the requests, `split.is_sampled` by request id."""
    reason: str = ""


@dataclass(slots=True, kw_only=True)
class ObjectiveParts:
    """The entities that decide for one objective, each kind in its order."""

    overrides: list[Override] = field(default_factory=list)
    experiments: list[Experiment] = field(default_factory=list)
    rules: list[Rule] = field(default_factory=list)
    canaries: list[Canary] = field(default_factory=list)
    shadows: list[Shadow] = field(default_factory=list)
