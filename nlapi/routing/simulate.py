"""Replays recorded requests through a proposed revision, and reports the shares of traffic that would move."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from nlapi.routing import describe
from nlapi.routing.model import Context, Decision, VersionRef
from nlapi.routing.table import Table, UnknownObjectiveError

# Slices reported for each objective, those with the most moved requests.
MAX_SLICES = 20

# A field with more values than these limits allow, such as a user id, makes no slices: each would be a few requests.
MAX_FIELD_VALUES = 1_000
MIN_VALUE_LIMIT = 10
VALUES_PER_REQUEST = 0.05


# Requests reported as examples of each movement.
MAX_SAMPLES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Movement:
    """The requests of an objective that move from one version to another; `percent` is of all its requests."""

    source: VersionRef
    target: VersionRef
    count: int
    percent: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The requests with one value of a field: `requests` is their number, `moved` the number of those that move."""

    field: str
    value: str
    requests: int
    moved: int

    @property
    def percent(self) -> float:
        return 100 * self.moved / self.requests

    def __str__(self) -> str:
        return f"{self.field}={self.value}: {self.percent:.1f} % of {self.requests:,} move"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A request that moves, with both decisions."""

    context: Context
    client: str
    before: Decision
    after: Decision


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectiveMoves:
    """The effect of a revision on the requests of one objective."""

    objective: str
    requests: int
    moved: int
    movements: tuple[Movement, ...]
    """The largest first."""
    slices: tuple[Slice, ...]
    samples: tuple[Sample, ...]

    def __str__(self) -> str:
        lines = [f"{self.objective}: {_count_of_total(self.moved, self.requests)} requests move"]
        lines += [f"  {entry.source} -> {entry.target}: {entry.percent:.1f} %" for entry in self.movements]
        return "\n".join([*lines, *(f"  {entry}" for entry in self.slices)])


@dataclass(frozen=True, slots=True, kw_only=True)
class Simulation:
    """The effect of a proposed revision on recorded requests.

    `lost` counts requests of objectives that it removes; `gained` those of objectives that only it has.
    """

    requests: int
    moved: int
    lost: int
    gained: int
    objectives: tuple[ObjectiveMoves, ...]

    def __str__(self) -> str:
        """Return the movements in words."""
        lines = [f"{_count_of_total(self.moved, self.requests)} requests move"]
        if self.lost:
            lines.append(f"{self.lost:,} ask for an objective that is removed")
        if self.gained:
            lines.append(f"{self.gained:,} ask for an objective that is new")
        return "\n".join([*lines, *(str(entry) for entry in self.objectives if entry.moved)])


def simulate(current: Table, proposed: Table, requests: Iterable[tuple[str, Context, str]]) -> Simulation:
    """Replay `requests` as (objective, context, client). One that neither table knows is not counted."""
    tallies: dict[str, _Tally] = {}
    lost = gained = 0
    for objective, context, client in requests:
        before, after = _decision(current, objective, context, client), _decision(proposed, objective, context, client)
        if before and after:
            tallies.setdefault(objective, _Tally()).add(context, client, before, after)
        lost += bool(before and not after)
        gained += bool(after and not before)
    moves = tuple(tallies[name].moves(name) for name in sorted(tallies))
    return Simulation(
        requests=sum(entry.requests for entry in moves) + lost + gained,
        moved=sum(entry.moved for entry in moves),
        lost=lost,
        gained=gained,
        objectives=moves,
    )


def _decision(table: Table, objective: str, context: Context, client: str) -> Decision | None:
    try:
        return table.decide(objective, context, client)
    except UnknownObjectiveError:
        return None


def _count_of_total(count: int, total: int) -> str:
    share = 100 * count / total if total else 0.0
    return f"{count:,} of {total:,} ({share:.1f} %)"


@dataclass(slots=True)
class _Tally:
    """The counts of one objective while requests are replayed."""

    requests: int = 0
    moved: Counter[tuple[VersionRef, VersionRef]] = field(default_factory=Counter)
    values: dict[str, Counter[str]] = field(default_factory=dict)
    moved_values: dict[str, Counter[str]] = field(default_factory=dict)
    samples: dict[tuple[VersionRef, VersionRef], list[Sample]] = field(default_factory=dict)

    def add(self, context: Context, client: str, before: Decision, after: Decision) -> None:
        self.requests += 1
        _count_values(self.values, context, client)
        if before.version == after.version:
            return
        pair = (before.version, after.version)
        self.moved[pair] += 1
        _count_values(self.moved_values, context, client)
        samples = self.samples.setdefault(pair, [])
        if len(samples) < MAX_SAMPLES:
            samples.append(Sample(context=dict(context), client=client, before=before, after=after))

    def moves(self, objective: str) -> ObjectiveMoves:
        movements = (
            Movement(source=source, target=target, count=count, percent=100 * count / self.requests)
            for (source, target), count in self.moved.items()
        )
        # Ties are broken by name, so that two runs print the same.
        slices = sorted(self._slices(), key=lambda entry: (-entry.moved, -entry.percent, entry.field, entry.value))
        return ObjectiveMoves(
            objective=objective,
            requests=self.requests,
            moved=self.moved.total(),
            movements=tuple(sorted(movements, key=lambda entry: (-entry.count, entry.source, entry.target))),
            slices=tuple(slices[:MAX_SLICES]),
            samples=tuple(entry for pair in sorted(self.samples) for entry in self.samples[pair]),
        )

    def _slices(self) -> Iterator[Slice]:
        limit = min(MAX_FIELD_VALUES, max(MIN_VALUE_LIMIT, int(self.requests * VALUES_PER_REQUEST)))
        for name, counts in self.moved_values.items():
            if len(self.values[name]) <= limit:
                for value, moved in counts.items():
                    yield Slice(field=name, value=value, requests=self.values[name][value], moved=moved)


def _count_values(values: dict[str, Counter[str]], context: Context, client: str) -> None:
    for name, value in {**context, "client": client}.items():
        if value != "":
            counts = values.setdefault(name, Counter())
            # One more than the limit is enough to know that the field makes no slices; a million users would fill
            # memory.
            if len(counts) <= MAX_FIELD_VALUES:
                counts[describe.format_value(value)] += 1
